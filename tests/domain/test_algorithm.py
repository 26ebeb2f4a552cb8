import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ObjectIdentifier

from hsmgate.domain.algorithm import (
    KEY_ALGORITHMS,
    check_curve,
    check_key_size,
    key_algorithm,
    key_algorithm_of_oid,
)
from hsmgate.domain.curve import CURVES, Curve, curve
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS, signature_algorithm, signature_algorithm_for
from hsmgate.errors import Reason
from support.keystore_contract import raises

LISTED = [
    line for line in (Path(__file__).parent / "key_algorithms.txt").read_text().splitlines() if not line.startswith("#")
]
HMACS = ["HMACSHA1", "HMACSHA224", "HMACSHA256", "HMACSHA384", "HMACSHA512"]
OFFERED = {"RSA", "EC", "ED", "DSA", "AES", "ChaCha20", "Camellia", "TDEA", *HMACS}
# enums.md section 2, all OIDs of it
CURVE_OIDS = [
    "1.3.132.0.32",
    "1.3.132.0.33",
    "1.3.132.0.10",
    "1.2.840.10045.3.1.7",
    "1.3.132.0.34",
    "1.3.132.0.35",
    "1.2.840.10045.3.1.1",
    "1.2.840.10045.3.1.2",
    "1.2.840.10045.3.1.3",
    "1.3.36.3.3.2.8.1.1.5",
    "1.3.36.3.3.2.8.1.1.1",
    "1.3.36.3.3.2.8.1.1.7",
    "1.3.36.3.3.2.8.1.1.9",
    "1.3.36.3.3.2.8.1.1.11",
    "1.3.36.3.3.2.8.1.1.13",
    "1.2.250.1.223.101.256.1",
]
EXTRA = {"HMACSHA1", "HMACSHA224", "HMACSHA384", "HMACSHA512"}  # the contract infers them from the HSM


def key(algorithm: str, curve_oid: str | None = None) -> Key:
    return Key("", "k", algorithm, KeyAttributes(), 0, curve_oid=curve_oid)


def test_the_table_has_the_types_of_the_contract_and_no_others() -> None:
    assert len(LISTED) == 44
    assert {row.name for row in KEY_ALGORITHMS} == {*LISTED, *EXTRA}
    assert len({row.name for row in KEY_ALGORITHMS}) == len(KEY_ALGORITHMS)


@pytest.mark.parametrize("name", [*LISTED, *sorted(EXTRA)])
def test_a_listed_type_is_offered_or_not_implemented_with_a_reason(name: str) -> None:
    if name in OFFERED:
        row = key_algorithm(name)
        assert (row.name, row.absent) == (name, "")
        assert row.oid
    else:
        with raises(Reason.NOT_IMPLEMENTED):
            key_algorithm(name)


@pytest.mark.parametrize("name", ["", "rsa", "RSA ", "Ec", "ML-DSA", "é", "x" * 9999])
def test_unknown_types_are_invalid_input(name: str) -> None:
    with raises(Reason.INVALID_INPUT) as caught:
        key_algorithm(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("name", "known"),
    [("CHACHA20", "ChaCha20"), ("chacha20", "ChaCha20"), ("camellia", "Camellia"), ("CAMELLIA", "Camellia")],
)
def test_two_names_may_be_written_in_any_case(name: str, known: str) -> None:
    assert key_algorithm(name).name == known


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.2.840.10045.2.1", "EC"),
        ("1.3.101.112", "ED"),
        ("1.2.840.113549.1.1.1", "RSA"),
        ("1.0.18033.3.2.1", "AES"),
        ("1.2.840.10040.4.1", "DSA"),
        ("1.0.18033.3.2.2", "Camellia"),
        ("1.2.840.113549.1.9.16.3.18", "ChaCha20"),
        ("1.0.18033.3.1.1", "TDEA"),
        ("1.2.840.113549.2.9", "HMACSHA256"),
    ],
)
def test_types_are_found_by_oid(oid: str, name: str) -> None:
    assert key_algorithm_of_oid(oid).name == name


def test_oids_of_types_that_nobody_offers_are_not_implemented() -> None:
    for oid in ("1.3.6.1.4.1.44668.5.3.1.1", "2.16.840.1.101.3.4.3.17", "1.3.6.1.5.5.7.6.34"):
        with raises(Reason.NOT_IMPLEMENTED):
            key_algorithm_of_oid(oid)
    for oid in ("", "1.2.3"):
        with raises(Reason.INVALID_INPUT):
            key_algorithm_of_oid(oid)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("RSA", size) for size in (2048, 3072, 4096, 8192)),
        *((name, size) for name in ("AES", "Camellia") for size in (128, 192, 256)),
        ("DSA", 1024),
        ("DSA", 2048),
        ("ChaCha20", 256),
        ("HMACSHA256", 256),
    ],
)
def test_sizes_of_the_contract_are_taken(name: str, size: int) -> None:
    assert check_key_size(key_algorithm(name), size) == size


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("RSA", None),
        ("RSA", 0),
        ("RSA", 1024),
        ("RSA", 2049),
        ("RSA", -2048),
        ("AES", 0),
        ("AES", 512),
        ("ChaCha20", None),
        ("TDEA", 192),
        ("HMACSHA256", 128),
        ("EC", 256),
        ("ED", 1),
    ],
)
def test_other_sizes_are_refused(name: str, size: int | None) -> None:
    with raises(Reason.INVALID_KEY_SIZE):
        check_key_size(key_algorithm(name), size)


@pytest.mark.parametrize("name", HMACS)
def test_keys_for_macs_are_as_long_as_the_hash(name: str) -> None:
    size = {"HMACSHA1": 160}.get(name, int(name[-3:]) if name != "HMACSHA1" else 0)
    for absent in (None, 0):
        assert check_key_size(key_algorithm(name), absent) == size


@pytest.mark.parametrize("name", ["EC", "ED", "TDEA"])
@pytest.mark.parametrize("size", [None, 0])
def test_where_the_size_is_no_choice_zero_is_absent(name: str, size: int | None) -> None:
    assert check_key_size(key_algorithm(name), size) is None


def test_the_table_has_the_curves_of_the_contract_and_no_others() -> None:
    assert {oid for row in CURVES for oid in (row.oid, *row.other_oids)} == set(CURVE_OIDS)


@pytest.mark.parametrize("row", [row for row in CURVES if not row.absent], ids=lambda row: row.name)
def test_curves_have_the_order_of_their_standard(row: Curve) -> None:
    known = ec.get_curve_for_oid(ObjectIdentifier(row.oid))()
    assert (row.name, row.order) == (known.name, known.group_order)
    assert row.size == (row.order.bit_length() + 7) // 8
    name = {"secp256r1": "prime256v1"}.get(row.name, row.name)
    shown = ["openssl", "ecparam", "-name", name, "-param_enc", "explicit", "-text", "-noout"]
    text = subprocess.run(shown, capture_output=True, text=True, check=True, timeout=30).stdout
    order = text.split("Order:")[1].split("Cofactor")[0]
    assert int("".join(order.replace(":", "").split()), 16) == row.order


@pytest.mark.parametrize("oid", CURVE_OIDS)
def test_a_listed_curve_is_offered_or_not_implemented_with_a_reason(oid: str) -> None:
    row = next(row for row in CURVES if oid in {row.oid, *row.other_oids})
    if row.absent:
        with raises(Reason.NOT_IMPLEMENTED):
            curve(oid)
    else:
        assert check_curve(key_algorithm("EC"), oid) == row.oid


@pytest.mark.parametrize("text", ["p23.a1.b1.x0.y1.g28.h1", "23.a1.b1.x0.y1.g28.h1"])
def test_a_curve_given_by_its_parameters_is_not_implemented(text: str) -> None:
    with raises(Reason.NOT_IMPLEMENTED):
        curve(text)


@pytest.mark.parametrize(
    "oid",
    ["1.2.3", "secp256r1", "P-256", "1.3.101.112", "p23.a1.b1.x0.y1.g28", "p.a1.b1.x0.y1.g28.h1", "x" * 9999, "......"],
)
def test_unknown_curves_are_invalid_input(oid: str) -> None:
    with raises(Reason.INVALID_INPUT) as caught:
        check_curve(key_algorithm("EC"), oid)
    assert len(str(caught.value)) < 200


def test_curves_belong_to_ec() -> None:
    for missing in (None, ""):
        with raises(Reason.INVALID_INPUT):
            check_curve(key_algorithm("EC"), missing)
        assert check_curve(key_algorithm("RSA"), missing) is None
        assert check_curve(key_algorithm("ED"), missing) is None
    assert check_curve(key_algorithm("ED"), "1.3.101.112") is None
    for name in ("RSA", "ED", "AES"):
        with raises(Reason.INVALID_INPUT):
            check_curve(key_algorithm(name), "1.2.840.10045.3.1.7")


def test_every_absent_row_has_its_reason_and_every_other_a_scheme() -> None:
    for row in SIGNATURE_ALGORITHMS:
        assert bool(row.absent) != bool(row.scheme)
        if row.absent:
            with raises(Reason.NOT_IMPLEMENTED):
                signature_algorithm(row.name)


@pytest.mark.parametrize(
    "name", ["", "SHA256", "sha256_with_rsa", "SHA256withRSA", "NONESHA1_WITH_RSA_PSS", "x" * 9999]
)
def test_unknown_signature_algorithms_are_invalid_input(name: str) -> None:
    with raises(Reason.INVALID_INPUT) as caught:
        signature_algorithm(name)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("signs", "algorithm", "reason"),
    [
        (key("RSA"), "SHA256_WITH_ECDSA", Reason.ALGORITHM_NOT_FOR_KEY),
        (key("EC", "1.2.840.10045.3.1.7"), "EDDSA", Reason.ALGORITHM_NOT_FOR_KEY),
        (key("EC", "1.2.840.10045.3.1.7"), "NONE_WITH_EC_SCHNORR_BIP0340", Reason.ALGORITHM_NOT_FOR_KEY),
        (key("AES"), "SHA256_WITH_RSA", Reason.INVALID_KEY_TYPE),
        (key("RSA"), "ML_DSA", Reason.NOT_IMPLEMENTED),
        (key("RSA"), "RSA", Reason.INVALID_INPUT),
    ],
)
def test_algorithms_must_fit_the_key(signs: Key, algorithm: str, reason: Reason) -> None:
    with raises(reason):
        signature_algorithm_for(signs, algorithm)


def test_the_schnorr_algorithm_fits_secp256k1() -> None:
    assert signature_algorithm_for(key("EC", "1.3.132.0.10"), "NONE_WITH_EC_SCHNORR_BIP0340").lengths == (32,)
