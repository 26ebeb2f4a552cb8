"""The life of delegates: made when needed, kept, renewed at half of it, replaced when revoked."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select

from hsmgate.adapters import private_files
from hsmgate.adapters.own_secret import OwnKeystore
from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.responder_rows import ResponderRows
from hsmgate.adapters.sql.schema import issued
from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp_signing import SignerKey, check_key
from hsmgate.pki.responder import Signer
from hsmgate.responder.known import KnownAuthorities
from hsmgate.responder.registry import SignerSource
from hsmgate.usecases.ports import SignExtra
from support import certs
from support.certs import NOW
from support.hsm_tokens import open_keystore, softhsm
from support.keystore_contract import raises
from support.keystores import software_keystore
from support.own_responder import OwnResponder, pair, request_of
from support.pki_rows import Pki

DAY = 86400.0


class Lab:
    """A clock, and the signers of one authority as they are made anew after a restart."""

    def __init__(self, pki: Pki, sign_with: str = "delegate", keystore: OwnKeystore | None = None) -> None:
        self.in_keystore = keystore is not None
        self.pki, self.clock, self.sign_with, self.keystore = pki, NOW.timestamp() + 1, sign_with, keystore
        self.events: list[str] = []
        self.keys = 0
        self.signers = self.restarted()

    def _log(self, _: object, __: str, fields: dict[str, object]) -> str:
        self.events.append(str(fields["event"]))
        raise structlog.DropEvent

    def restarted(self) -> SignerSource:
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._log])  # type: ignore[list-item]

        def opened(where: str) -> SignerKey:
            self.keys += 1
            return check_key(SigningKeyStore(self.pki.data_dir).open(where))

        known = KnownAuthorities(
            AuthorityRows(self.pki.database),
            ResponderRows(self.pki.database),
            opened,
            {},
            self.pki.data_dir,
            7 * DAY,
            self.sign_with,
            lambda: self.clock,
            os.urandom,
            log,
            self._opened,
            in_keystore=self.in_keystore,
        )
        served = known.served("clients")
        assert served is not None
        self.signers = served.signers
        return self.signers

    def _opened(self) -> OwnKeystore:
        assert self.keystore is not None
        return self.keystore

    @property
    def files(self) -> list[Path]:
        folder = self.pki.data_dir / "responder"
        return list(folder.iterdir()) if folder.exists() else []

    def rows(self) -> dict[int, bytes]:
        with self.pki.database.engine.connect() as connection:
            found = connection.execute(
                select(issued.c.serial, issued.c.certificate).where(issued.c.profile == "responder")
            )
            return {int(serial, 16): der for serial, der in found}


def certificate(signer: Signer) -> x509.Certificate:
    return x509.load_der_x509_certificate(signer.certificates[0])


@pytest.fixture
def lab(pki: Pki) -> Lab:
    pki.authority()
    return Lab(pki)


def test_it_is_what_clients_accept_and_stands_in_the_database(lab: Lab) -> None:
    cert = certificate(lab.signers.current())
    usages = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    cert.extensions.get_extension_for_class(x509.OCSPNoCheck)
    assert cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert abs(cert.not_valid_after_utc.timestamp() - lab.clock - 7 * DAY) < 2
    assert lab.rows() == {cert.serial_number: lab.signers.current().certificates[0]}
    assert [path.stat().st_mode & 0o777 for path in lab.files] == [0o600]
    assert lab.keys == 1


def test_a_restart_goes_on_with_it(lab: Lab) -> None:
    first = lab.signers.current().certificates
    assert lab.restarted().current().certificates == first
    assert lab.keys == 1


def test_it_is_renewed_at_half_of_its_life(lab: Lab) -> None:
    first = lab.signers.current()
    lab.clock += 3.4 * DAY
    assert lab.signers.current() is first
    lab.clock += 0.2 * DAY
    second = lab.signers.current()
    assert second.certificates != first.certificates
    assert len(lab.rows()) == 2
    assert lab.restarted().current().certificates == second.certificates


@pytest.mark.parametrize("what", ["key", "database", "disk"])
def test_where_no_successor_can_be_made_the_old_one_signs_until_its_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    first = lab.signers.current()
    lab.clock += 4 * DAY

    def fails(*_: object) -> None:
        raise Failure(Reason.STORE_UNREADABLE, "no")

    key = lab.pki.data_dir / "clients.key"
    with monkeypatch.context() as patched:
        if what == "key":
            key.rename(key.with_suffix(".away"))
        elif what == "database":
            patched.setattr(ResponderRows, "record", fails)
        else:
            patched.setattr(private_files, "put", fails)
        assert lab.signers.current() is first
        assert lab.signers.current() is first
        assert lab.events.count("responder.delegate-not-renewed") == 1
        lab.clock += 4 * DAY
        with pytest.raises(Failure):
            lab.signers.current()
    if what == "key":
        key.with_suffix(".away").rename(key)
    assert lab.signers.current().not_after > lab.clock


def test_one_that_was_revoked_is_replaced(lab: Lab) -> None:
    first = certificate(lab.signers.current())
    lab.pki.set("clients", first.serial_number, lab.clock, "keyCompromise")
    lab.signers.check()
    second = certificate(lab.signers.current())
    assert second.serial_number != first.serial_number
    lab.pki.set("clients", second.serial_number, lab.clock, "keyCompromise")
    assert certificate(lab.restarted().current()).serial_number not in (first.serial_number, second.serial_number)
    assert "responder.delegate-unusable" in lab.events


@pytest.mark.parametrize("spoil", ["cut", "foreign", "expired"])
def test_a_file_that_cannot_be_used_is_replaced(lab: Lab, spoil: str) -> None:
    first = lab.signers.current()
    (file,) = lab.files
    if spoil == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif spoil == "foreign":
        other = certs.authority("another")
        file.write_bytes(pair(other))
    else:
        lab.clock += 8 * DAY
    second = lab.restarted().current()
    assert second.certificates != first.certificates
    assert "responder.delegate-unusable" in lab.events


def test_it_does_not_outlive_its_authority(pki: Pki) -> None:
    made = certs.authority("CA of clients", private=certs.key("p256", "short"), end=NOW + timedelta(days=2))
    pki.authority(made=made)
    lab = Lab(pki)
    assert lab.signers.current().not_after == (NOW + timedelta(days=2)).timestamp()
    lab.clock += 3 * DAY
    with pytest.raises(Failure) as caught:
        lab.signers.current()
    assert caught.value.reason is Reason.EXPIRED


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "ed25519", "rsa2048"])
def test_the_authority_may_sign_itself_with_any_kind_of_key(pki: Pki, tmp_path: Path, kind: str) -> None:
    issuer = pki.authority(made=certs.authority("CA of clients", private=certs.key(kind, "own")))
    leaf = pki.issue()
    with OwnResponder(pki.database, tmp_path, "sign-with: authority") as served:
        assert served.judge(leaf, issuer, time.time()).responder == "CN=CA of clients"
    with OwnResponder(pki.database, tmp_path) as served:
        assert served.judge(leaf, issuer, time.time()).responder == "CN=CA of clients OCSP"


def test_answers_are_signed_ahead_and_again_in_time(pki: Pki, tmp_path: Path) -> None:
    issuer = pki.authority()
    leaves = [pki.issue(subject=f"client {number}") for number in range(5)]
    with OwnResponder(pki.database, tmp_path, "pre-sign: true") as served:
        served.look()
        (ahead,) = served._responder.opened.background
        served.call(ahead.__self__.once)  # type: ignore[attr-defined]
        assert served.answers.cached == 6, served.lines  # the delegate's own among them
        time.sleep(1.1)
        for leaf in leaves:
            served.get(request_of(leaf, issuer))
        assert served.answers.hits == 5
        pki.revoke(leaves[0])
        before = served.get(request_of(leaves[1], issuer)).body
        served.call(ahead.__self__.once)  # type: ignore[attr-defined]
        assert served.get(request_of(leaves[1], issuer)).body == before


# with their keys in the keystore


@pytest.fixture(params=["software", "token"])
def keystore(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OwnKeystore]:
    if request.param == "software":
        with software_keystore(tmp_path / "keys", NOW.timestamp()) as opened:
            yield opened
        return
    token = open_keystore(softhsm(tmp_path / "token"), tmp_path / "keys")
    yield token
    token.close()


@pytest.fixture
def kept(pki: Pki, keystore: OwnKeystore) -> Lab:
    pki.authority()
    return Lab(pki, keystore=keystore)


def test_in_the_keystore_it_signs_and_a_restart_goes_on_with_it(kept: Lab, keystore: OwnKeystore) -> None:
    signer = kept.signers.current()
    (label,) = keystore.labels()
    assert label.startswith("hsmgate/ocsp-delegate/")
    public = certificate(signer).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    public.verify(signer.key.sign(b"m", ec.ECDSA(hashes.SHA256())), b"m", ec.ECDSA(hashes.SHA256()))
    (file,) = kept.files
    assert file.read_bytes().startswith(f"keystore:{label}\n-----BEGIN CERTIFICATE-----".encode())
    assert b"PRIVATE" not in file.read_bytes()
    assert kept.restarted().current().certificates == signer.certificates
    assert keystore.labels() == [label]


def test_in_the_keystore_no_client_can_use_it(kept: Lab, keystore: OwnKeystore) -> None:
    kept.signers.current()
    key = keystore.find(keystore.labels()[0])
    for password in (None, "", "guess"):
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            keystore.sign(key, password, "SHA256_WITH_ECDSA", b"m", SignExtra())
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            keystore.delete(key, password)


def test_in_the_keystore_the_one_before_is_destroyed(kept: Lab, keystore: OwnKeystore) -> None:
    first, labels = certificate(kept.signers.current()), keystore.labels()
    kept.clock += 4 * DAY
    second = certificate(kept.signers.current())
    assert second != first
    assert len(keystore.labels()) == 1
    assert keystore.labels() != labels
    kept.pki.set("clients", second.serial_number, kept.clock, "keyCompromise")
    kept.signers.check()
    assert certificate(kept.signers.current()) not in {first, second}
    assert len(keystore.labels()) == 1


def test_in_the_keystore_a_crash_leaves_no_key_behind(
    kept: Lab, keystore: OwnKeystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResponderRows, "record", dies)
        with pytest.raises(KeyboardInterrupt):
            kept.signers.current()
    assert len(keystore.labels()) == 1
    kept.restarted().current()
    assert len(keystore.labels()) == 1
    assert [file.suffix for file in kept.files] == [".pem"]


def test_in_the_keystore_a_token_that_is_away_is_waited_for(
    kept: Lab, keystore: OwnKeystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept.signers.current().certificates

    def away(_: str) -> None:
        raise Failure(Reason.CONNECTIVITY)

    with monkeypatch.context() as patch:
        patch.setattr(keystore, "find", away)
        with raises(Reason.CONNECTIVITY):
            kept.restarted().current()
    assert kept.restarted().current().certificates == first


def test_in_the_keystore_after_files_and_back(kept: Lab, keystore: OwnKeystore) -> None:
    """Whoever changes the setting gets a new delegate, and nothing of the old one is left."""
    first = kept.signers.current().certificates
    kept.in_keystore = False
    second = kept.restarted().current().certificates
    assert second != first
    assert b"PRIVATE KEY" in kept.files[0].read_bytes()
    assert keystore.labels() == []
    kept.in_keystore = True
    assert kept.restarted().current().certificates not in (first, second)
    assert b"PRIVATE KEY" not in kept.files[0].read_bytes()
