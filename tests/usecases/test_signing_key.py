"""Certificates, requests and OCSP answers signed by keys of a keystore, judged by openssl."""

import copy
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from hsmgate.domain.key import KeySpec
from hsmgate.errors import Reason
from hsmgate.pki import issue
from hsmgate.usecases.ports import Keystore
from hsmgate.usecases.signing_key import SigningKey, signing_key
from support.hsm_tokens import open_keystore, softhsm
from support.keystore_contract import SIGNS, label, raises, spec_of
from support.keystores import software_keystore

NOW = datetime.now(UTC)
LIFETIME = issue.validity(NOW, timedelta(days=30))


@pytest.fixture(scope="module", params=["software", "token"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
    folder = tmp_path_factory.mktemp("signer")
    if request.param == "software":
        with software_keystore(folder, 0.0) as keystore:
            yield keystore
        return
    in_token = open_keystore(softhsm(folder / "token"), folder)
    yield in_token
    in_token.close()


def key_of(store: Keystore, kind: str) -> SigningKey:
    return signing_key(store, store.create(spec_of(kind, label()), None))


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, **certificates: x509.Certificate) -> None:
    for name, certificate in certificates.items():
        (folder / name).write_bytes(certificate.public_bytes(Encoding.PEM))


@pytest.mark.parametrize("kind", ["secp256r1", "secp384r1", "RSA-2048", "ED25519"])
def test_a_key_of_a_keystore_is_a_certificate_authority(store: Keystore, tmp_path: Path, kind: str) -> None:
    root = issue.root("Root in a token", key_of(store, kind), 1, LIFETIME)
    below = key_of(store, "secp256r1")
    middle = issue.intermediate("Issuing", below.public_key(), root, 2, LIFETIME)
    issuer = issue.Authority(certificate=middle, key=below)
    leaf = issue.client("client", ec.generate_private_key(ec.SECP256R1()).public_key(), issuer, 3, LIFETIME)
    written(tmp_path, root=root.certificate, middle=middle, leaf=leaf)
    assert "leaf: OK" in openssl(tmp_path, "verify", "-x509_strict", "-CAfile", "root", "-untrusted", "middle", "leaf")


@pytest.mark.parametrize("kind", ["secp256r1", "RSA-2048"])
def test_a_key_of_a_keystore_signs_ocsp_answers_requests_and_crls(store: Keystore, tmp_path: Path, kind: str) -> None:
    key = key_of(store, kind)
    root = issue.root("Root", key, 1, LIFETIME)
    leaf = issue.client("client", ec.generate_private_key(ec.SECP256R1()).public_key(), root, 3, LIFETIME)
    written(tmp_path, root=root.certificate, leaf=leaf)
    responder = ocsp.OCSPResponseBuilder().add_response(
        leaf, root.certificate, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD, NOW, NOW + timedelta(hours=1), None, None
    )
    answer = responder.responder_id(ocsp.OCSPResponderEncoding.HASH, root.certificate).sign(key, hashes.SHA256())
    (tmp_path / "answer").write_bytes(answer.public_bytes(Encoding.DER))
    question = ("-issuer", "root", "-cert", "leaf", "-CAfile", "root", "-respin", "answer", "-no_nonce")
    assert "leaf: good" in openssl(tmp_path, "ocsp", *question)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    (tmp_path / "request").write_bytes(request.public_bytes(Encoding.PEM))
    openssl(tmp_path, "req", "-verify", "-noout", "-in", "request")
    crl = x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
    crl = crl.last_update(NOW).next_update(NOW + timedelta(days=1))
    (tmp_path / "crl").write_bytes(crl.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    openssl(tmp_path, "crl", "-in", "crl", "-CAfile", "root", "-noout")


def test_digests_that_were_made_before_are_signed(store: Keystore) -> None:
    digest, made = hashlib.sha256(b"m").digest(), Prehashed(hashes.SHA256())
    curve, modulus = key_of(store, "secp256r1"), key_of(store, "RSA-2048")
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert isinstance(modulus, rsa.RSAPrivateKey)
    curve.public_key().verify(curve.sign(digest, ec.ECDSA(made)), b"m", ec.ECDSA(hashes.SHA256()))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    for used in (padding.PKCS1v15(), pss, padding.PSS(pss.mgf, padding.PSS.DIGEST_LENGTH)):
        signature = modulus.sign(digest, used, made)
        modulus.public_key().verify(signature, b"m", used, hashes.SHA256())


def test_what_it_cannot_do_is_said(store: Keystore) -> None:
    curve, modulus, edwards = (key_of(store, kind) for kind in ("secp256r1", "RSA-2048", "ED25519"))
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert isinstance(modulus, rsa.RSAPrivateKey)
    sha256 = hashes.SHA256()
    absent: list[Callable[[], object]] = [
        lambda: curve.sign(b"m", ec.ECDSA(hashes.SHA3_256())),
        lambda: curve.sign(b"m", ec.ECDSA(sha256, deterministic_signing=True)),
        lambda: curve.exchange(ec.ECDH(), curve.public_key()),
        lambda: modulus.sign(b"m", padding.PSS(padding.MGF1(sha256), 20), sha256),
        lambda: modulus.sign(b"m", padding.PSS(padding.MGF1(hashes.SHA1()), 32), sha256),
        lambda: modulus.decrypt(b"m" * 256, padding.PKCS1v15()),
    ]
    for ask in absent:
        with raises(Reason.NOT_IMPLEMENTED):
            ask()
    for key in (curve, modulus, edwards):
        assert copy.deepcopy(key) is copy.copy(key) is key
        with raises(Reason.KEY_FORBIDS):
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for numbers in (curve.private_numbers, modulus.private_numbers):
        with raises(Reason.KEY_FORBIDS):
            numbers()
    secret = store.create(KeySpec(label(), "AES", SIGNS, key_size=256), None)
    with raises(Reason.INVALID_KEY_TYPE):
        signing_key(store, secret)
