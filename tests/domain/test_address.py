"""Addresses: judged by published ones, in the spelling of each chain, and by libwally."""

import base64
import binascii
import hashlib

import msgspec
import pytest
import wallycore
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.domain.address import FORMATS, address_of, check_address_format
from hsmgate.domain.curve import ED25519_OID, SECP256K1_OID
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.policy import Policy
from hsmgate.errors import Failure, Reason

BITCOIN = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
RIPPLE = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"


def key_of(public: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey, wanted: str) -> Key:
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    is_ec = isinstance(public, ec.EllipticCurvePublicKey)
    return Key(
        "",
        "coins",
        "EC" if is_ec else "ED",
        KeyAttributes(sign=True),
        0,
        curve_oid=SECP256K1_OID if is_ec else None,
        public_key=der,
        address_format=wanted,
    )


def base58check(text: str, alphabet: str) -> bytes:
    """The 20 octets of an address, whose checksum holds."""
    number = 0
    for letter in text:
        number = number * 58 + alphabet.index(letter)
    octets = number.to_bytes(25)
    assert hashlib.sha256(hashlib.sha256(octets[:21]).digest()).digest()[:4] == octets[21:]
    assert octets[0] == 0
    return octets[1:21]


def strkey(text: str) -> bytes:
    """The 32 octets of a Stellar address or seed (SEP-23), whose checksum holds."""
    octets = base64.b32decode(text)
    assert binascii.crc_hqx(octets[:33], 0) == int.from_bytes(octets[33:], "little")
    return octets[1:33]


def test_published_addresses() -> None:
    """The keys 1 and 2 of Bitcoin and Ethereum, XRP's account of genesis, and the first of SEP-5's test vectors."""
    one = ec.derive_private_key(1, ec.SECP256K1()).public_key()
    two = ec.derive_private_key(2, ec.SECP256K1()).public_key()
    genesis = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256K1(), bytes.fromhex("0330E7FC9D56BB25D6893BA3F317AE5BCF33B3291BD63DB32654A313222F7FD020")
    )
    seed = strkey("SBGWSG6BTNCKCOB3DIFBGCVMUPQFYPA2G4O34RMTB343OYPXU5DJDVMN")
    stellar = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    known: list[tuple[ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey, str, bytes]] = [
        (one, "BTC", base58check("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", BITCOIN)),
        (two, "BTC", base58check("1cMh228HTCiwS8ZsaakH8A8wze1JR5ZsP", BITCOIN)),
        (one, "ETH", bytes.fromhex("7E5F4552091A69125d5DfCb7b8C2659029395Bdf")),
        (two, "ETH", bytes.fromhex("2B5AD5c4795c026514f8317c7a215E218DcCD6cF")),
        (genesis, "XRP", base58check("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", RIPPLE)),
        (stellar, "XLM", strkey("GDRXE2BQUC3AZNPVFSCEZ76NJ3WWL25FYFK6RGZGIEKWE4SOOHSUJUJ6")),
    ]
    assert {name for _, name, _ in known} == set(FORMATS)
    for public, name, address in known:
        assert address_of(key_of(public, name)) == address, name


def test_any_key_has_the_address_that_libwally_finds() -> None:
    for _ in range(50):
        public = ec.generate_private_key(ec.SECP256K1()).public_key()
        compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        for name in ("BTC", "XRP"):
            assert address_of(key_of(public, name)) == bytes(wallycore.hash160(compressed))


def test_a_key_without_a_format_has_no_address() -> None:
    public = ec.derive_private_key(1, ec.SECP256K1()).public_key()
    assert address_of(msgspec.structs.replace(key_of(public, "BTC"), address_format=None)) is None


def spec(wanted: str | None, algorithm: str, curve_oid: str | None, policy: Policy | None) -> KeySpec:
    return KeySpec("coins", algorithm, KeyAttributes(sign=True), curve_oid, policy=policy, address_format=wanted)


def test_keys_that_may_have_an_address() -> None:
    for name in ("BTC", "ETH", "XRP", None):
        check_address_format(spec(name, "EC", SECP256K1_OID, Policy()))
    for curve_oid in (None, ED25519_OID):
        check_address_format(spec("XLM", "ED", curve_oid, Policy()))
    check_address_format(spec(None, "AES", None, None))


@pytest.mark.parametrize(
    ("wanted", "algorithm", "curve_oid", "policy", "reason"),
    [
        ("BTC", "EC", SECP256K1_OID, None, Reason.ADDRESS_NEEDS_POLICY),
        ("DOGE", "EC", SECP256K1_OID, None, Reason.ADDRESS_NEEDS_POLICY),
        ("DOGE", "EC", SECP256K1_OID, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("IOTA", "ED", None, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("btc", "EC", SECP256K1_OID, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("", "EC", SECP256K1_OID, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("ETH", "EC", "1.2.840.10045.3.1.7", Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("XRP", "ED", None, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("XLM", "EC", SECP256K1_OID, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
        ("BTC", "RSA", None, Policy(), Reason.UNSUPPORTED_ADDRESS_FORMAT),
    ],
)
def test_keys_that_may_not(
    wanted: str, algorithm: str, curve_oid: str | None, policy: Policy | None, reason: Reason
) -> None:
    with pytest.raises(Failure) as caught:
        check_address_format(spec(wanted, algorithm, curve_oid, policy))
    assert caught.value.reason is reason
