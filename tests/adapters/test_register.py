"""The register: several operators at once, damaged rows, and a million certificates."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.errors import Failure, Reason
from hsmgate.usecases import issuance_crl, issuance_states
from hsmgate.usecases.issuance_ports import Wanted
from hsmgate.usecases.issuance_states import Selector
from support.database_servers import DatabasePlace
from support.small_pki import SmallPki, small_pki

TURNS, FINDS = 20, 400

log = logging.getLogger(__name__)


@pytest.fixture
def pki(tmp_path: Path) -> Iterator[SmallPki]:
    with small_pki(tmp_path / "pki") as made:
        made.root()
        yield made


@pytest.fixture
def shared(tmp_path: Path, place: DatabasePlace) -> Iterator[SmallPki]:
    """One over each kind of database."""
    with small_pki(tmp_path / "pki", None, place) as made:
        made.root()
        yield made


def together(*functions: object) -> list[str]:
    """Run them at once; the names of the reasons of those that failed."""
    failed: list[str] = []
    ready = threading.Barrier(len(functions))

    def run(function: object) -> None:
        ready.wait()
        try:
            function()  # type: ignore[operator]
        except Failure as failure:
            failed.append(failure.reason.name)

    threads = [threading.Thread(target=run, args=(one,)) for one in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_of_many_who_revoke_one_certificate_one_does(shared: SmallPki, place: DatabasePlace) -> None:
    serial = shared.issue().certified.serial

    def revoke() -> None:
        with small_pki(shared.folder, shared.clock, place) as other:
            issuance_states.revoke(other.ports, Selector(serial=serial), "superseded")

    assert together(*[revoke] * 4) == ["REVOKED"] * 3


def test_many_who_issue_and_make_crls_at_once_lose_nothing(shared: SmallPki, place: DatabasePlace) -> None:
    numbers: list[int] = []

    def work() -> None:
        with small_pki(shared.folder, shared.clock, place) as other:
            for _ in range(3):
                serial = other.issue().certified.serial
                issuance_states.revoke(other.ports, Selector(serial=serial), "unspecified")
                numbers.append(issuance_crl.make(other.ports, "root").number)

    assert together(*[work] * 4) == []
    assert sorted(numbers) == list(range(1, 13))
    rows = list(shared.register.listed(Wanted(state="revoked"), shared.clock()))
    assert len(rows) == 12
    newest = shared.register.crl("root")
    assert newest is not None
    assert newest.number == 12


def test_of_many_who_make_one_authority_one_does(shared: SmallPki, place: DatabasePlace) -> None:
    def init() -> None:
        with small_pki(shared.folder, shared.clock, place) as other:
            other.authority("second", None)

    failed = together(*[init] * 3)
    assert len(failed) == 2
    assert set(failed) <= {"INVALID_INPUT", "KEY_EXISTS", "STORE_UNREADABLE"}
    entry = shared.register.authority("second")
    assert entry is not None
    shared.issue(issuer="second")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE issued SET serial = 'zz'",
        "UPDATE issued SET not_after = 'soon'",
        "UPDATE issued SET subject = x'00'",
        "UPDATE issued SET revoked_at = 'then'",
        "UPDATE authority SET settings = '{\"unknown\": 1}'",
        "UPDATE authority SET certificate = 7",
    ],
)
def test_what_is_damaged_is_not_believed(pki: SmallPki, damage: str) -> None:
    pki.issue()
    with closing(sqlite3.connect(pki.folder / "pki.db")) as raw, raw:
        raw.execute(damage)
    with pytest.raises(Failure) as caught:
        list(pki.register.listed(Wanted(), pki.clock()))
    assert caught.value.reason is Reason.INTEGRITY


def test_an_unknown_reason_is_not_put_on_a_crl(pki: SmallPki) -> None:
    issuance_states.revoke(pki.ports, Selector(serial=pki.issue().certified.serial), "unspecified")
    with closing(sqlite3.connect(pki.folder / "pki.db")) as raw, raw:
        raw.execute("UPDATE issued SET reason = 'boredom'")
    with pytest.raises(Failure) as caught:
        issuance_crl.make(pki.ports, "root")
    assert caught.value.reason is Reason.INTEGRITY


def fill(folder: Path, count: int) -> None:
    """Rows of an authority `big`, as an import makes them: serial number n expires at n seconds."""
    with closing(sqlite3.connect(folder / "pki.db")) as raw, raw:
        raw.execute("UPDATE authority SET name = 'big'")
        raw.executemany(
            "INSERT INTO issued VALUES ('big', ?, 'client', ?, 0.0, ?, NULL, NULL, NULL, 0.0)",
            ((f"{n * 7919:x}", f"CN=client {n}", 2e9 + n) for n in range(1, count + 1)),
        )


def timed(job: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    begin = time.thread_time()
    job()
    return time.thread_time() - begin


def costs(pki: SmallPki, count: int, turn: int) -> dict[str, float]:
    """CPU seconds of finding FINDS certificates, of a page at the middle, of the first page of what expires soon."""
    reads = AuthorityRows(pki.database)
    serials = [(n * 2654435761 % count + 1) * 7919 for n in range(turn * FINDS, (turn + 1) * FINDS)]
    middle = Wanted(authority="big", after=("big", count // 2 * 7919), limit=100)
    soon = Wanted(authority="big", expires_before=2e9 + 200, limit=100)

    def find() -> None:
        assert all(reads.find("big", serial) is not None for serial in serials)

    def page(wanted: Wanted, now: float) -> None:
        assert len(list(pki.register.listed(wanted, now))) == 100

    return {"find": timed(find), "page": timed(lambda: page(middle, 0.0)), "expiring": timed(lambda: page(soon, 1e9))}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_million_certificates_cost_what_a_thousand_do(tmp_path: Path) -> None:
    with ExitStack() as stack:
        registers = {}
        for count in (1_000, 1_000_000):
            pki = registers[count] = stack.enter_context(small_pki(tmp_path / str(count)))
            pki.root()
            fill(pki.folder, count)
        # in turns, other certificates in each, and the best of each: other processes share this machine
        turns = [{count: costs(pki, count, turn) for count, pki in registers.items()} for turn in range(TURNS)]
    for name in turns[0][1_000]:
        few, many = (min(turn[count][name] for turn in turns) * 1e6 for count in registers)
        log.info("%s: %.1f us of a thousand, %.1f us of a million", name, few, many)
        assert many < 2 * few, f"{name}: {few} us, {many} us"
