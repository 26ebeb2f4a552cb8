import hashlib
from typing import NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.domain.curve import CURVES, SECP256K1_OID, curve
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.signature import raw
from hsmgate.domain.verification import verify
from hsmgate.errors import Reason
from support import bip340
from support.keystore_contract import raises

P256 = curve("1.2.840.10045.3.1.7")
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


class Pair(NamedTuple):
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    key: Key


def pair(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, **more: object) -> Pair:
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kind = "RSA" if isinstance(private, rsa.RSAPrivateKey) else "EC" if more else "ED"
    size = private.key_size if isinstance(private, rsa.RSAPrivateKey) else None
    return Pair(
        private,
        Key("", "k", kind, KeyAttributes(), 0, key_size=size, public_key=public, **more),  # type: ignore[arg-type]
    )


RSA = pair(rsa.generate_private_key(65537, 2048))
EC = pair(ec.generate_private_key(ec.SECP256R1()), curve_oid=P256.oid)
K1 = pair(ec.generate_private_key(ec.SECP256K1()), curve_oid=SECP256K1_OID)
ED = pair(ed25519.Ed25519PrivateKey.generate())


def ecdsa(message: bytes, of: Pair = EC) -> bytes:
    assert isinstance(of.private, ec.EllipticCurvePrivateKey)
    return of.private.sign(message, ec.ECDSA(SHA256()))


def test_both_twins_of_an_ecdsa_signature_verify() -> None:
    r, s = decode_dss_signature(ecdsa(b"m"))
    for twin in (s, P256.order - s):
        verify(EC.key, "SHA256_WITH_ECDSA", b"m", encode_dss_signature(r, twin))
        verify(EC.key, "SHA256_WITH_ECDSA", b"m", raw(r, twin, P256))


def test_a_raw_signature_that_is_also_der_verifies() -> None:
    """Its r and s begin with octets that make the whole parse as DER of another pair; the message is made to fit."""
    r_octets = _octets_that_are_der()
    key, digest, s = _key_and_digest_for(r_octets)
    signature = r_octets + s.to_bytes(32, "big")
    other = decode_dss_signature(signature)
    assert other[0] != int.from_bytes(r_octets, "big")
    verify(key, "NONE_WITH_ECDSA", digest, signature)
    with raises(Reason.SIGNATURE_INVALID):
        verify(key, "NONE_WITH_ECDSA", digest, raw(*other, curve(SECP256K1_OID)))


def _octets_that_are_der() -> bytes:
    """The first half of a DER signature of 64 octets that is the x of a point on secp256k1."""
    for number in range(1, 2**16):
        half = b"\x30\x3e\x02\x1d\x11" + number.to_bytes(27, "big")
        if bip340.lift_x(int.from_bytes(half, "big")) is not None:
            return half
    raise AssertionError


def _key_and_digest_for(r_octets: bytes) -> tuple[Key, bytes, int]:
    """For any r (the x of a point R) and s there is a key, Q = (sR - zG) / r, for which (r, s) signs z."""
    r = int.from_bytes(r_octets, "big")
    s = int.from_bytes(b"\x11\x02\x1d\x22" + b"\x33" * 28, "big")
    digest = hashlib.sha256(b"m").digest()
    inverse = pow(r, -1, bip340.N)
    found = bip340.CURVE.add(
        bip340.CURVE.multiply(bip340.lift_x(r), s * inverse % bip340.N),
        bip340.CURVE.multiply(bip340.G, -int.from_bytes(digest, "big") * inverse % bip340.N),
    )
    assert found is not None
    public = ec.EllipticCurvePublicNumbers(*found, ec.SECP256K1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return msgspec.structs.replace(K1.key, public_key=der), digest, s


@pytest.mark.parametrize("of", [RSA, EC, K1, ED], ids=lambda of: of.key.algorithm)
@given(signature=st.binary(max_size=300), payload=st.binary(max_size=40))
def test_nonsense_is_an_invalid_signature_and_nothing_else(of: Pair, signature: bytes, payload: bytes) -> None:
    algorithm = {"RSA": "NONESHA256_WITH_RSA_PSS", "EC": "KECCAK256_WITH_ECDSA", "ED": "EDDSA"}[of.key.algorithm]
    with raises(Reason.SIGNATURE_INVALID):
        verify(of.key, algorithm, payload.ljust(32)[:32], signature)


@given(signature=st.one_of(st.binary(max_size=80), st.binary(min_size=64, max_size=64)))
def test_nonsense_is_no_schnorr_signature(signature: bytes) -> None:
    with raises(Reason.SIGNATURE_INVALID):
        verify(K1.key, "NONE_WITH_EC_SCHNORR_BIP0340", bytes(32), signature)


@pytest.mark.parametrize("length", [0, 1, 255, 257, 512])
def test_rsa_signatures_have_the_length_of_the_modulus(length: int) -> None:
    for algorithm in ("SHA256_WITH_RSA", "SHA256_WITH_RSA_PSS", "NONE_WITH_RSA"):
        with raises(Reason.SIGNATURE_INVALID):
            verify(RSA.key, algorithm, bytes(32), b"\x01" * length)


def test_pss_salts_of_another_length_are_refused() -> None:
    assert isinstance(RSA.private, rsa.RSAPrivateKey)
    for salt, hashing in ((0, SHA256()), (20, SHA256()), (222, SHA256()), (32, SHA512())):
        signature = RSA.private.sign(b"m", padding.PSS(padding.MGF1(hashing), salt), SHA256())
        with raises(Reason.SIGNATURE_INVALID):
            verify(RSA.key, "SHA256_WITH_RSA_PSS", b"m", signature)
    good = RSA.private.sign(b"m", padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    verify(RSA.key, "SHA256_WITH_RSA_PSS", b"m", good)


def test_ed25519_signatures_have_one_form() -> None:
    assert isinstance(ED.private, ed25519.Ed25519PrivateKey)
    good = ED.private.sign(b"m")
    verify(ED.key, "EDDSA", b"m", good)
    twin = (int.from_bytes(good[32:], "little") + ED25519_ORDER).to_bytes(32, "little")
    with raises(Reason.SIGNATURE_INVALID):  # RFC 8032, 5.1.7: S is below the order
        verify(ED.key, "EDDSA", b"m", good[:32] + twin)


def test_payloads_that_no_signature_can_be_of_are_told() -> None:
    with raises(Reason.INVALID_PAYLOAD):
        verify(RSA.key, "NONESHA256_WITH_RSA", b"short", bytes(256))
    with raises(Reason.INVALID_PAYLOAD):
        verify(EC.key, "NONE_WITH_ECDSA", b"", bytes(64))


def test_algorithms_must_fit_the_key() -> None:
    with raises(Reason.ALGORITHM_NOT_FOR_KEY):
        verify(EC.key, "SHA256_WITH_RSA", b"m", bytes(64))
    with raises(Reason.ALGORITHM_NOT_FOR_KEY):
        verify(EC.key, "SHA256_WITH_DSA", b"m", bytes(64))
    with raises(Reason.NOT_IMPLEMENTED):
        verify(EC.key, "ML_DSA", b"m", bytes(64))


UNFIT = {
    "none": None,
    "empty": b"",
    "nonsense": b"\x30\x03\x02\x01\x01",
    "of RSA": RSA.key.public_key,
    "of EC": EC.key.public_key,
    "of another curve": K1.key.public_key,
    "of ED": ED.key.public_key,
    "not on the curve": (EC.key.public_key or b"")[:-1] + bytes([(EC.key.public_key or b"")[-1] ^ 1]),
}


@pytest.mark.parametrize("public", UNFIT)
def test_a_record_without_a_fitting_public_key_is_no_verdict(public: str) -> None:
    for of, algorithm in (
        (RSA, "SHA256_WITH_RSA"),
        (EC, "SHA256_WITH_ECDSA"),
        (ED, "EDDSA"),
        (K1, "NONE_WITH_EC_SCHNORR_BIP0340"),
    ):
        if UNFIT[public] != of.key.public_key:
            key = msgspec.structs.replace(of.key, public_key=UNFIT[public])
            with raises(Reason.KEYSTORE):
                verify(key, algorithm, bytes(32), bytes(64))


def test_an_rsa_key_of_another_size_than_its_record_is_no_verdict() -> None:
    with raises(Reason.KEYSTORE):
        verify(msgspec.structs.replace(RSA.key, key_size=4096), "SHA256_WITH_RSA", b"m", bytes(256))


def test_every_offered_curve_verifies() -> None:
    for row in CURVES:
        if not row.absent:
            made = pair(ec.generate_private_key(_curve(row.oid)), curve_oid=row.oid)
            verify(made.key, "SHA256_WITH_ECDSA", b"m", ecdsa(b"m", made))


def _curve(oid: str) -> ec.EllipticCurve:
    return ec.get_curve_for_oid(ObjectIdentifier(oid))()
