"""requestSignature: over the octets that came, by every kind of key, and by nobody else."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hsmgate.errors import Failure, Reason
from hsmgate.usecases.request_signatures import DIGESTS, RequestSignature, meta_data_holds, verify
from support import certs
from support.store_tools import run

TEXT = b'{ "payload" : "aGVsbG8=",\n "signKeyName":"a b" }'
SIGNED = b'{"payload":"aGVsbG8=","signKeyName":"a b"}'
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
HASHES = {name: getattr(hashes, name.replace("SHA-", "SHA").replace("-", "_")) for name in DIGESTS if name != "EdDSA"}


def spki(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def refused(given: RequestSignature, text: bytes = TEXT) -> Reason:
    with pytest.raises(Failure) as caught:
        verify(given, text)
    return caught.value.reason


@pytest.mark.parametrize("digest", HASHES)
def test_every_digest_with_rsa_and_ecdsa(digest: str) -> None:
    made = RSA.sign(SIGNED, padding.PKCS1v15(), HASHES[digest]())
    verify(RequestSignature(made, digest, public_key=spki(RSA)), TEXT)
    verify(RequestSignature(EC.sign(SIGNED, ec.ECDSA(HASHES[digest]())), digest, public_key=spki(EC)), TEXT)
    for other in DIGESTS:
        if other != digest:
            assert refused(RequestSignature(made, other, public_key=spki(RSA))) is Reason.SIGNATURE_INVALID


def test_other_kinds_of_keys() -> None:
    signer = dsa.generate_private_key(1024)
    verify(RequestSignature(signer.sign(SIGNED, hashes.SHA256()), "SHA-256", public_key=spki(signer)), TEXT)
    for edwards in (ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()):
        public = edwards.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        verify(RequestSignature(edwards.sign(SIGNED), "EdDSA", public_key=public), TEXT)
        verify(RequestSignature(edwards.sign(SIGNED), "SHA-256", public_key=public), TEXT)  # clients name it always
    agreement = x25519.X25519PrivateKey.generate().public_key()
    public = agreement.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert refused(RequestSignature(b"x" * 64, "EdDSA", public_key=public)) is Reason.SIGNATURE_INVALID


def test_a_certificate_stands_for_its_key() -> None:
    root = certs.authority("root")
    assert isinstance(root.key, ec.EllipticCurvePrivateKey)
    made = root.key.sign(SIGNED, ec.ECDSA(hashes.SHA256()))
    verify(RequestSignature(made, "SHA-256", certificate=root.der), TEXT)
    both = RequestSignature(made, "SHA-256", certificate=root.der, public_key=spki(root.key))
    assert refused(both) is Reason.INVALID_INPUT
    assert refused(RequestSignature(made, "SHA-256")) is Reason.INVALID_INPUT
    assert refused(RequestSignature(made, "SHA-256", certificate=spki(EC))) is Reason.INVALID_CERTIFICATE
    assert refused(RequestSignature(made, "SHA-256", public_key=root.der)) is Reason.INVALID_CERTIFICATE
    assert refused(RequestSignature(made, "SHA-256", public_key=b"\0")) is Reason.INVALID_CERTIFICATE


def test_openssl_signs_what_is_verified(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "text").write_bytes(SIGNED)
    run("openssl", "dgst", "-sha256", "-sign", tmp_path / "key.pem", "-out", tmp_path / "signature", tmp_path / "text")
    verify(RequestSignature((tmp_path / "signature").read_bytes(), "SHA-256", public_key=spki(RSA)), TEXT)


@pytest.mark.parametrize(
    "text",
    [
        b'{"signKeyName":"a b","payload":"aGVsbG8="}',  # another order
        b'{"payload":"aGVsbG8\\u003d","signKeyName":"a b"}',  # the same value, written in another way
        b'{"payload":"aGVsbG8=","signKeyName":"a  b"}',
        b'{"payload":"aGVsbG8=","signKeyName":"a b","payload":"eA=="}',
        SIGNED + b" " + SIGNED,
        b"",
    ],
)
def test_another_text(text: bytes) -> None:
    made = RSA.sign(SIGNED, padding.PKCS1v15(), hashes.SHA256())
    assert refused(RequestSignature(made, "SHA-256", public_key=spki(RSA)), text) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("digest", ["SHA-1", "MD5", "sha-256", "", "SHA256"])
def test_another_digest(digest: str) -> None:
    assert refused(RequestSignature(b"x", digest, public_key=spki(RSA))) is Reason.INVALID_INPUT


@pytest.mark.parametrize("signature", [b"", b"x", b"\0" * 256, b"\xff" * 300])
def test_no_signature(signature: bytes) -> None:
    for signer in (RSA, EC):
        assert refused(RequestSignature(signature, "SHA-256", public_key=spki(signer))) is Reason.SIGNATURE_INVALID


def test_metadata_is_signed_as_its_octets_and_never_refused() -> None:
    data = b'{"app": "orders"}'
    given = RequestSignature(b"", "SHA-256", public_key=spki(RSA))
    assert meta_data_holds(given, data, RSA.sign(data, padding.PKCS1v15(), hashes.SHA256()))
    assert not meta_data_holds(given, data, hashlib.sha256(data).hexdigest().encode())  # what an older client sends
    assert not meta_data_holds(given, data, b"")
