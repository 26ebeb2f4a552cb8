"""Where the sealing key comes from, and that a lost one is never replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from hsmgate.adapters.keystores import OWN_KEY, open_software
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import Database, connect
from hsmgate.domain.key import KeyAttributes, KeySpec
from hsmgate.errors import Failure, Reason

P256 = "1.2.840.10045.3.1.7"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = connect(None, None, None, tmp_path)
    yield made
    made.close()


class Opener:
    """Opens keystores over one database; `said` holds the log."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self.folder, self.said = database, folder, LogCapture()

    def __call__(
        self, key_file: Path | None = None, key: str | None = None, attestation: str = "attestation-key"
    ) -> SoftwareKeystore:
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.said])
        return open_software(self._database, key_file, key, self.folder, attestation, lambda: 1e9, log)

    def refused(self, key_file: Path | None = None, key: str | None = None, attestation: str = "a") -> str:
        with pytest.raises(Failure) as caught:
            self(key_file, key, attestation)
        assert caught.value.reason is Reason.CONFIG_INVALID
        return str(caught.value)


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Opener:
    return Opener(database, tmp_path)


def test_a_sealing_key_is_made_once_and_said_at_every_start(opened: Opener) -> None:
    opened()
    made = (opened.folder / OWN_KEY).read_bytes()
    assert (opened.folder / OWN_KEY).stat().st_mode & 0o777 == 0o600
    opened()
    assert (opened.folder / OWN_KEY).read_bytes() == made
    lines = [entry["detail"] for entry in opened.said.entries]
    assert [": made " in line for line in lines] == [True, False]
    assert all(str(opened.folder / OWN_KEY) in line for line in lines)
    assert made.decode().strip() not in repr(opened.said.entries)


def test_a_lost_sealing_key_is_not_replaced(opened: Opener) -> None:
    opened()
    kept = (opened.folder / OWN_KEY).rename(opened.folder / "kept")
    assert "put its copy back" in opened.refused()
    assert not (opened.folder / OWN_KEY).exists()
    (opened.folder / OWN_KEY).symlink_to("nowhere")
    assert "no such file" in opened.refused()
    (opened.folder / OWN_KEY).unlink()
    kept.rename(opened.folder / OWN_KEY)
    opened()


def test_a_configured_key_is_used_and_none_is_made(opened: Opener) -> None:
    passphrase = "correct horse battery staple"
    opened(key=passphrase)
    assert not (opened.folder / OWN_KEY).exists()
    assert opened.said.entries == []
    assert "not the key that the database was made with" in opened.refused(key="another passphrase")


def test_the_key_of_one_way_does_not_open_what_the_other_sealed(opened: Opener) -> None:
    opened()
    moved = (opened.folder / OWN_KEY).rename(opened.folder / "moved.key")
    opened(key_file=moved)
    assert "not the key" in opened.refused(key="correct horse battery staple")


def test_the_name_of_the_attestation_key_must_not_be_a_clients(opened: Opener) -> None:
    keystore = opened()
    keystore.create(KeySpec("orders", "EC", KeyAttributes(sign=True), curve_oid=P256), None)
    assert "hsm.attestation-key-name: orders" in opened.refused(attestation="orders")
    keystore.attest(b"")
    again = opened()
    assert again.attestation_public_key() == keystore.attestation_public_key()
