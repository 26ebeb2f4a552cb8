"""Keys of the keystore sign certificates, CRLs and requests, and stay where they are."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.adapters import keystore_signer
from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.key import KeyAttributes, KeySpec
from hsmgate.errors import Failure, Reason
from hsmgate.pki import crl, csr, issue
from support.keystores import software_keystore

NOW = datetime.now(UTC).replace(microsecond=0)
PASSWORD = "of the authority"


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareKeystore]:
    with software_keystore(tmp_path_factory.mktemp("keystore"), NOW.timestamp()) as opened:
        yield opened


@pytest.fixture
def keys(keystore: SoftwareKeystore, tmp_path: Path) -> SigningKeyStore:
    return SigningKeyStore(tmp_path, lambda _: PASSWORD, lambda _: PASSWORD, lambda: keystore)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_openssl_verifies_what_a_key_of_the_keystore_signed(keys: SigningKeyStore, tmp_path: Path, kind: str) -> None:
    keys.make(f"keystore:ca-{kind}", kind)
    key = keys.open(f"keystore:ca-{kind}")
    root = issue.root("a root", key, 1, issue.validity(NOW, issue.AUTHORITY_LIFETIME))
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    leaf = issue.client("a client", public, root, 2, issue.validity(NOW, issue.CLIENT_LIFETIME))
    (tmp_path / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (tmp_path / "crl.pem").write_bytes(crl.pem(crl.build(root, 1, NOW, NOW + timedelta(days=1), [])))
    command = ["openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "root.pem"]
    done = subprocess.run([*command, "leaf.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert csr.read(csr.make("a request", key)).public_key == root.certificate.public_key()


@pytest.mark.parametrize("kind", ["p256", "rsa2048", "ed25519"])
def test_the_private_part_does_not_leave(keys: SigningKeyStore, kind: str) -> None:
    key = keys.make(f"keystore:stays-{kind}", kind)
    with pytest.raises(Failure, match="does not leave") as caught:
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert caught.value.reason is Reason.KEY_FORBIDS


def test_other_schemes_are_refused_and_not_faked(keys: SigningKeyStore) -> None:
    key = keys.make("keystore:schemes", "rsa2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    with pytest.raises(Failure, match="does not do"):
        key.sign(b"x", padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())


def test_a_key_without_passphrase_is_not_made(keystore: SoftwareKeystore, tmp_path: Path) -> None:
    keys = SigningKeyStore(tmp_path, keystore=lambda: keystore)
    with pytest.raises(Failure, match="needs a passphrase"):
        keys.make("keystore:open", "p256")
    assert "open" not in keystore.labels()


def test_the_passphrase_is_that_of_the_key(keystore: SoftwareKeystore, keys: SigningKeyStore, tmp_path: Path) -> None:
    keys.make("keystore:locked", "p256")
    wrong = SigningKeyStore(tmp_path, lambda _: "wrong", keystore=lambda: keystore)
    with pytest.raises(Failure) as caught:
        wrong.open("keystore:locked")
    assert caught.value.reason is Reason.KEY_PASSWORD_MISMATCH


def test_a_label_is_used_once_and_forgotten_where_nothing_came_of_it(
    keystore: SoftwareKeystore, keys: SigningKeyStore
) -> None:
    keys.make("keystore:once", "p256")
    with pytest.raises(Failure) as caught:
        keys.make("keystore:once", "p256")
    assert caught.value.reason is Reason.KEY_EXISTS
    keys.forget("keystore:once")
    assert "once" not in keystore.labels()
    keys.forget("keystore:once")


def test_keys_that_may_not_sign_or_certify_are_refused(keystore: SoftwareKeystore, keys: SigningKeyStore) -> None:
    keystore.create(KeySpec("mute", "EC", KeyAttributes(decrypt=True), curve_oid="1.2.840.10045.3.1.7"), None)
    with pytest.raises(Failure) as caught:
        keys.open("keystore:mute")
    assert caught.value.reason is Reason.KEY_FORBIDS
    with pytest.raises(Failure) as caught:
        keys.open("keystore:nowhere")
    assert caught.value.reason is Reason.KEY_NOT_FOUND
    for kind in ("ed448", "rsa8192"):
        with pytest.raises(Failure) as caught:
            keystore_signer.make(keystore, "odd", kind, PASSWORD)
        assert caught.value.reason is Reason.INVALID_INPUT


def test_a_certificate_names_the_key(keys: SigningKeyStore) -> None:
    key = keys.make("keystore:named", "p256")
    root = issue.root("a root", key, 1, issue.validity(NOW, issue.AUTHORITY_LIFETIME))
    assert isinstance(root.certificate, x509.Certificate)
    assert root.certificate.public_key() == keys.open("keystore:named").public_key()
