"""CRLs on schedule, in place, and without holding anybody up."""

import stat
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hsmgate.adapters import crl_files
from hsmgate.errors import Reason
from hsmgate.pki import crl, issue
from hsmgate.usecases import issuance_crl, issuance_states
from hsmgate.usecases.issuance_ports import AuthoritySettings
from hsmgate.usecases.issuance_states import Selector
from support import certs
from support.small_pki import SmallPki, small_pki

DAY = 86400.0


@pytest.fixture
def pki(tmp_path: Path) -> Iterator[SmallPki]:
    with small_pki(tmp_path / "pki") as made:
        made.authority("root", None, settings=AuthoritySettings(crl_file="root.crl"))
        yield made


def numbered(path: Path) -> int:
    found = x509.load_der_x509_crl(path.read_bytes())
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_they_are_made_when_due_and_put_in_place(pki: SmallPki) -> None:
    path = pki.folder / "root.crl"
    for hours, number in ((0, 1), (23, 1), (2, 2), (23, 2), (2, 3), (-72, 4)):  # back: a clock that was set
        pki.clock.at += hours * 3600
        assert crl_files.keep_fresh(pki.ports, pki.folder) == {}
        assert numbered(path) == number
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.unlink()
    crl_files.keep_fresh(pki.ports, pki.folder)
    assert numbered(path) == 4, "what was lost is put back"
    assert {entry.name for entry in pki.folder.iterdir() if entry.name.startswith(".")} == set()


def test_one_that_fails_does_not_stop_the_others(pki: SmallPki) -> None:
    pki.authority("apart", None, settings=AuthoritySettings(crl_file="missing/apart.crl"))
    pki.authority("other", None, settings=AuthoritySettings(crl_file="other.crl"))
    (pki.folder / "keys/root.key").unlink()
    failed = crl_files.keep_fresh(pki.ports, pki.folder)
    assert {name: failure.reason for name, failure in failed.items()} == {
        "root": Reason.STORE_UNREADABLE,
        "apart": Reason.STORE_UNREADABLE,
    }
    assert numbered(pki.folder / "other.crl") == 1


def test_an_older_crl_never_replaces_a_newer_one(pki: SmallPki) -> None:
    old = issuance_crl.make(pki.ports, "root")
    new = issuance_crl.make(pki.ports, "root")
    with pki.register.writing() as book:
        assert not book.put_crl("root", old)
        assert not book.put_crl("root", new)
    crl_files.publish(pki.register, "root", pki.folder / "root.crl")
    assert numbered(pki.folder / "root.crl") == 2


def test_an_expired_certificate_stands_on_one_crl_more(pki: SmallPki) -> None:
    serial = pki.issue(lifetime=timedelta(days=2)).certified.serial
    issuance_states.revoke(pki.ports, Selector(serial=serial), "keyCompromise")
    listed = []
    for _ in range(4):
        found = x509.load_der_x509_crl(issuance_crl.make(pki.ports, "root").der)
        listed.append(found.get_revoked_certificate_by_serial_number(serial) is not None)
        pki.clock.at += 1.5 * DAY
    assert listed == [True, True, True, False], "RFC 5280 3.3"


def test_others_run_while_a_hundred_thousand_entries_are_written() -> None:
    """A builder that holds the interpreter would let the other thread run once or twice."""
    now = datetime.now(UTC)
    authority = issue.root("a root", certs.key(), 1, issue.validity(now, issue.AUTHORITY_LIFETIME))
    entries = [crl.Entry(serial=(1 << 158) + n, at=now.timestamp(), reason="keyCompromise") for n in range(100_000)]
    ticks, done = 0, threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            time.sleep(0.001)
            ticks += 1

    other = threading.Thread(target=tick)
    other.start()
    der = crl.build(authority, 1, now, now + timedelta(days=7), entries)
    done.set()
    other.join()
    assert len(x509.load_der_x509_crl(der)) == 100_000
    assert ticks > 10
