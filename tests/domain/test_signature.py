import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hsmgate.domain.curve import CURVES, SECP256K1_OID, Curve, curve
from hsmgate.domain.digest import DIGESTS
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.signature import canonical, check_form, der_readings, express, is_eth_signature, low, raw
from hsmgate.errors import Reason
from support.keystore_contract import raises

K1 = curve(SECP256K1_OID)
P256 = curve("1.2.840.10045.3.1.7")
OFFERED = [row for row in CURVES if not row.absent]
ETH = "KECCAK256_WITH_ECDSA"


def key_of(private: ec.EllipticCurvePrivateKey, oid: str) -> Key:
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key("", "k", "EC", KeyAttributes(), 0, curve_oid=oid, public_key=public)


@pytest.fixture(scope="module")
def private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256K1())


def eth_signature(private: ec.EllipticCurvePrivateKey, payload: bytes) -> tuple[Key, bytes, bytes]:
    digest = DIGESTS["KECCAK-256"](payload)
    der = private.sign(digest, ec.ECDSA(Prehashed(SHA256())))
    key = key_of(private, SECP256K1_OID)
    return key, digest, express(der, "ETH", key, ETH, payload)


@pytest.mark.parametrize("row", OFFERED, ids=lambda row: row.name)
@given(data=st.data())
def test_der_and_raw_say_the_same(row: Curve, data: st.DataObject) -> None:
    numbers = st.one_of(st.integers(1, row.order - 1), st.integers(1, 300))
    r, s = data.draw(numbers), data.draw(numbers)
    der = encode_dss_signature(r, s)
    key = Key("", "k", "EC", KeyAttributes(), 0, curve_oid=row.oid)
    octets = express(der, "RAW", key, "SHA256_WITH_ECDSA", b"")
    assert len(octets) == 2 * row.size
    assert (int.from_bytes(octets[: row.size], "big"), int.from_bytes(octets[row.size :], "big")) == (r, s)
    assert der in der_readings(octets, row)
    assert der in der_readings(der, row)
    assert express(der, "DER", key, "SHA256_WITH_ECDSA", b"") == der


def test_a_raw_signature_that_happens_to_be_der_is_read_both_ways() -> None:
    # 30 3e 02 .. .. 02 .. .. : 64 octets that are a good DER signature and a good RAW one on a curve of 32 octets
    der = encode_dss_signature(int.from_bytes(b"\x11" * 29, "big"), int.from_bytes(b"\x22" * 29, "big"))
    assert len(der) == 64
    r, s = int.from_bytes(der[:32], "big"), int.from_bytes(der[32:], "big")
    assert der_readings(der, P256) == [der, encode_dss_signature(r, s)]


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x30",
        bytes(64),
        b"\xff" * 64,
        b"\x01" * 63,
        b"\x01" * 65,
        encode_dss_signature(0, 1),
        encode_dss_signature(1, 0),
        encode_dss_signature(P256.order, 1),
        encode_dss_signature(1, P256.order),
        encode_dss_signature(1 << 4000, 1),
        encode_dss_signature(1, 1) + b"\0",
        bytes.fromhex("30060201ff020101"),  # r = -1
        bytes.fromhex("30080202000102020001"),  # leading zeros
        bytes.fromhex("308106020101020101"),  # long form of a short length
        bytes.fromhex("30800201010201010000"),  # indefinite length
        bytes.fromhex("3009020101020101020101"),  # a third number
        raw(P256.order, 1, P256),
        raw(1, 0, P256),
    ],
    ids=lambda wrong: wrong[:12].hex() or "empty",
)
def test_malformed_signatures_have_no_reading(wrong: bytes) -> None:
    assert der_readings(wrong, P256) == []


@given(st.binary(max_size=150))
def test_reading_never_fails(octets: bytes) -> None:
    for row in OFFERED:
        for der in der_readings(octets, row):
            r, s = decode_dss_signature(der)
            assert 0 < r < row.order
            assert 0 < s < row.order


@given(st.integers(1, K1.order - 1))
def test_low_s_is_the_smaller_of_the_two(s: int) -> None:
    assert low(s, K1) in {s, K1.order - s}
    assert low(s, K1) <= K1.order // 2
    assert canonical(encode_dss_signature(1, s), K1) == encode_dss_signature(1, low(s, K1))
    assert canonical(encode_dss_signature(1, s), P256) == encode_dss_signature(1, s)


def test_eth_is_made_whatever_s_the_keystore_gave(private: ec.EllipticCurvePrivateKey) -> None:
    key, digest, signature = eth_signature(private, b"m")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    high = encode_dss_signature(r, K1.order - s)
    assert express(high, "ETH", key, ETH, b"m") == signature
    assert is_eth_signature(signature, digest, key)


def test_both_parities_come_and_each_recovers_the_key(private: ec.EllipticCurvePrivateKey) -> None:
    seen = set()
    for number in range(60):
        payload = str(number).encode()
        key, digest, signature = eth_signature(private, payload)
        assert is_eth_signature(signature, digest, key)
        assert is_eth_signature(signature[:-1] + bytes([signature[-1] - 27]), digest, key)
        assert not is_eth_signature(signature[:-1] + bytes([55 - signature[-1]]), digest, key)
        seen.add(signature[-1])
    assert seen == {27, 28}


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good[:-1],
        lambda good: good + b"\0",
        lambda good: good[:-1] + b"\x02",
        lambda good: good[:-1] + b"\x1d",
        lambda good: good[:-1] + b"\xff",
        lambda good: good[:32] + (K1.order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + good[64:],
        lambda good: (
            good[:32] + (K1.order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big") + bytes([55 - good[64]])
        ),
        lambda good: bytes(65),
        lambda good: b"\xff" * 64 + good[64:],
        lambda good: bytes(32) + good[32:],
        lambda good: good[:32] + bytes(32) + good[64:],
        lambda good: K1.order.to_bytes(32, "big") + good[32:],
    ],
)
def test_other_eth_signatures_are_none(private: ec.EllipticCurvePrivateKey, change: Callable[[bytes], bytes]) -> None:
    key, digest, good = eth_signature(private, b"m")
    assert not is_eth_signature(change(good), digest, key)


def test_an_eth_signature_of_another_key_or_message_is_none(private: ec.EllipticCurvePrivateKey) -> None:
    key, digest, good = eth_signature(private, b"m")
    other = key_of(ec.generate_private_key(ec.SECP256K1()), SECP256K1_OID)
    assert not is_eth_signature(good, digest, other)
    assert not is_eth_signature(good, hashlib.sha256(b"m").digest(), key)


def test_a_signature_of_another_key_has_no_eth_form(private: ec.EllipticCurvePrivateKey) -> None:
    other = key_of(ec.generate_private_key(ec.SECP256K1()), SECP256K1_OID)
    der = private.sign(DIGESTS["KECCAK-256"](b"m"), ec.ECDSA(Prehashed(SHA256())))
    with raises(Reason.KEYSTORE):
        express(der, "ETH", other, ETH, b"m")


RSA = Key("", "k", "RSA", KeyAttributes(), 0, key_size=2048)
ED = Key("", "k", "ED", KeyAttributes(), 0)
EC_K1 = Key("", "k", "EC", KeyAttributes(), 0, curve_oid=SECP256K1_OID)
EC_P256 = Key("", "k", "EC", KeyAttributes(), 0, curve_oid=P256.oid)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA, "SHA256_WITH_RSA"),
        (ED, "EDDSA"),
        (EC_P256, ETH),
        (EC_K1, "SHA256_WITH_ECDSA"),
        (EC_K1, "KECCAK512_WITH_ECDSA"),
        (EC_K1, "NONE_WITH_ECDSA"),
        (EC_K1, "NONE_WITH_EC_SCHNORR_BIP0340"),
    ],
)
def test_eth_needs_keccak_256_on_secp256k1(key: Key, algorithm: str) -> None:
    with raises(Reason.INVALID_INPUT):
        check_form("ETH", key, algorithm)
    with raises(Reason.INVALID_INPUT):
        express(b"s", "ETH", key, algorithm, b"")


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "SHA256_WITH_RSA"), (ED, "EDDSA"), (EC_K1, "NONE_WITH_EC_SCHNORR_BIP0340")]
)
@pytest.mark.parametrize("form", ["DER", "RAW"])
def test_other_signatures_are_the_same_in_der_and_raw(key: Key, algorithm: str, form: str) -> None:
    assert express(b"octets", form, key, algorithm, bytes(32)) == b"octets"


@pytest.mark.parametrize("form", ["", "der", "P1363", "x" * 999])
def test_unknown_forms_are_invalid_input(form: str) -> None:
    with raises(Reason.INVALID_INPUT) as caught:
        check_form(form, EC_P256, "SHA256_WITH_ECDSA")
    assert len(str(caught.value)) < 200


def test_a_keystore_that_gives_no_der_is_told() -> None:
    for form in ("RAW", "ETH"):
        with raises(Reason.KEYSTORE):
            express(b"nothing", form, EC_K1, ETH, b"")
    with raises(Reason.KEYSTORE):
        canonical(b"nothing", K1)
