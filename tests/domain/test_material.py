"""Keys from outside: what is read, in which forms, and what is not believed."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from Crypto.PublicKey import DSA, RSA
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hsmgate.domain.material import (
    Material,
    certified_material,
    private_material,
    public_material,
    secret_material,
)
from hsmgate.errors import Reason
from support.keystore_contract import raises

P256 = "1.2.840.10045.3.1.7"
K224 = "1.3.132.0.33"


def pkcs8(private: object) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined, no-any-return]


def older(private: object) -> bytes:
    return private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())  # type: ignore[attr-defined, no-any-return]


def spki(private: object) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module")
def private_keys() -> dict[str, object]:
    return {
        "RSA": rsa.generate_private_key(65537, 2048),
        "EC": ec.generate_private_key(ec.SECP256R1()),
        "ED": ed25519.Ed25519PrivateKey.generate(),
        "DSA": dsa.generate_private_key(1024),
    }


@pytest.mark.parametrize("algorithm", ["RSA", "EC", "ED", "DSA"])
def test_private_keys_in_every_form(private_keys: dict[str, object], algorithm: str) -> None:
    private = private_keys[algorithm]
    sizes = {"RSA": 2048, "DSA": 1024}
    for form in (pkcs8, older) if algorithm in {"RSA", "EC"} else (pkcs8,):
        read = private_material(algorithm, form(private))
        assert read == Material(
            algorithm, pkcs8(private), spki(private), None, P256 if algorithm == "EC" else None, sizes.get(algorithm)
        )
    public = public_material(algorithm, spki(private))
    assert (public.public, public.private, public.secret) == (spki(private), None, None)
    assert "private" not in repr(read).lower()


@pytest.mark.parametrize("algorithm", ["RSA", "EC", "ED", "DSA"])
def test_a_key_of_another_type_is_none(private_keys: dict[str, object], algorithm: str) -> None:
    for other, private in private_keys.items():
        if other != algorithm:
            with raises(Reason.KEY_ENCODING):
                private_material(algorithm, pkcs8(private))
            with raises(Reason.KEY_ENCODING):
                public_material(algorithm, spki(private))


def test_what_is_no_key_at_all(private_keys: dict[str, object]) -> None:
    whole = pkcs8(private_keys["RSA"])
    for octets in (
        b"",
        b"\0",
        b"\x30\x00",
        whole[:-1],
        whole[1:],
        whole + b"\0",
        b"\x30\x84\xff\xff\xff\xff",
        b"x" * 4096,
    ):
        with raises(Reason.KEY_ENCODING):
            private_material("RSA", octets)
        with raises(Reason.KEY_ENCODING):
            public_material("RSA", octets)
        with raises(Reason.CERTIFICATE_ENCODING):
            certified_material("RSA", octets)


def test_locked_private_keys_are_none(private_keys: dict[str, object]) -> None:
    key = RSA.import_key(pkcs8(private_keys["RSA"]))
    octets = key.export_key("DER", passphrase="secret", pkcs=8)
    with raises(Reason.KEY_ENCODING):
        private_material("RSA", octets)


def rsa_numbers(private_keys: dict[str, object]) -> RSA.RsaKey:
    return RSA.import_key(pkcs8(private_keys["RSA"]))


def test_numbers_that_do_not_belong_together_are_found(private_keys: dict[str, object]) -> None:
    key = rsa_numbers(private_keys)
    wrong = RSA.construct((key.n, key.e, key.d + 2, key.p, key.q), consistency_check=False)
    with raises(Reason.KEY_ENCODING):
        private_material("RSA", wrong.export_key("DER", pkcs=8))


@pytest.mark.parametrize("size", [1024, 2056])
def test_rsa_keys_of_other_sizes(size: int) -> None:
    private = rsa.generate_private_key(65537, size)
    with raises(Reason.INVALID_KEY_SIZE):
        private_material("RSA", pkcs8(private))
    with raises(Reason.INVALID_KEY_SIZE):
        public_material("RSA", spki(private))


def test_a_modulus_of_one_bit_less_has_another_size(private_keys: dict[str, object]) -> None:
    modulus = rsa_numbers(private_keys).n >> 1 | 1
    with raises(Reason.INVALID_KEY_SIZE):
        public_material("RSA", RSA.construct((modulus, 65537)).export_key("DER"))


def test_an_exponent_that_would_cost_everybody_much(private_keys: dict[str, object]) -> None:
    modulus = rsa_numbers(private_keys).n
    with raises(Reason.KEY_ENCODING):
        public_material("RSA", RSA.construct((modulus, (1 << 64) + 1)).export_key("DER"))
    assert public_material("RSA", RSA.construct((modulus, 3)).export_key("DER")).key_size == 2048


def test_curves_are_those_of_the_table() -> None:
    assert private_material("EC", pkcs8(ec.generate_private_key(ec.SECP224R1()))).curve_oid == K224
    for name, reason in (("prime192v1", Reason.NOT_IMPLEMENTED), ("secp224k1", Reason.KEY_ENCODING)):
        command = ["openssl", "ecparam", "-name", name, "-genkey", "-noout", "-outform", "DER"]
        with raises(reason):
            private_material("EC", subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)


def test_a_curve_by_its_parameters_is_read_as_the_named_one_or_not_at_all(tmp_path: Path) -> None:
    command = [
        "openssl",
        "ecparam",
        "-name",
        "prime256v1",
        "-param_enc",
        "explicit",
        "-genkey",
        "-noout",
        "-outform",
        "DER",
    ]
    octets = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    try:
        read = private_material("EC", octets)
    except Exception as error:
        assert getattr(error, "reason", None) is Reason.KEY_ENCODING  # noqa: PT017
    else:
        assert read.curve_oid == P256


@pytest.mark.parametrize("make", [ed448.Ed448PrivateKey.generate, x25519.X25519PrivateKey.generate])
def test_other_edwards_keys_are_none(make: Callable[[], object]) -> None:
    with raises(Reason.KEY_ENCODING):
        private_material("ED", pkcs8(make()))


def test_parameters_of_dsa_are_proven(private_keys: dict[str, object]) -> None:
    good = DSA.import_key(spki(private_keys["DSA"]))
    y, g, p, q = (int(getattr(good, name)) for name in "ygpq")
    for wrong in ((1, g, p, q), (y, 1, p, q), (y, p - 1, p, q), (y, g, p + 2, q), (y, g, p, q + 2), (p - 1, g, p, q)):
        with raises(Reason.KEY_ENCODING):
            public_material("DSA", DSA.construct(wrong, consistency_check=False).export_key("DER"))


@pytest.mark.parametrize(
    ("algorithm", "lengths"),
    [
        ("AES", {16, 24, 32}),
        ("Camellia", {16, 24, 32}),
        ("ChaCha20", {32}),
        ("TDEA", {24}),
        ("HMACSHA256", set(range(14, 513))),
        ("HMACSHA1", set(range(14, 513))),
    ],
)
def test_secret_keys_have_their_lengths(algorithm: str, lengths: set[int]) -> None:
    for length in (0, 1, 8, 13, 14, 15, 16, 17, 20, 23, 24, 25, 31, 32, 33, 64, 512, 513, 4096):
        octets = bytes((index * 37 + 1) % 256 for index in range(length))
        if length in lengths:
            read = secret_material(algorithm, octets)
            assert (read.secret, read.public, read.private) == (octets, None, None)
            assert read.key_size == (None if algorithm == "TDEA" else length * 8)
        else:
            with raises(Reason.INVALID_KEY_SIZE):
                secret_material(algorithm, octets)


def test_a_tdea_key_has_three_parts() -> None:
    one, two, three = b"12345678", b"abcdefgh", b"ABCDEFGH"
    assert secret_material("TDEA", one + two + three).secret == one + two + three
    for degenerate in (one + one + two, one + two + two, one * 3, one + bytes(octet ^ 1 for octet in one) + two):
        with raises(Reason.KEY_ENCODING):
            secret_material("TDEA", degenerate)


def test_types_are_not_mistaken_for_each_other() -> None:
    with raises(Reason.INVALID_KEY_TYPE):
        secret_material("RSA", bytes(32))
    readers: list[Callable[[str, bytes], Material]] = [private_material, public_material, certified_material]
    for read in readers:
        with raises(Reason.INVALID_KEY_TYPE):
            read("AES", bytes(32))
    for read in [*readers, secret_material]:
        with raises(Reason.NOT_IMPLEMENTED):
            read("BLS", bytes(32))
        with raises(Reason.INVALID_INPUT):
            read("X", bytes(32))
