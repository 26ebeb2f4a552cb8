"""Every wrap method of the contract, both ways, against an implementation that shares nothing with ours."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA1, SHA256, SHA512
from Crypto.PublicKey import RSA

from hsmgate.adapters import software_wrapping
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import Material
from hsmgate.domain.wrapping import WRAP_METHODS, WrapMethod, wrap_method
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Locked
from support import known_answers
from support.cipher_judges import JUDGES, openssl
from support.keystore_contract import label, raises
from support.keystores import software_keystore

CONTRACT = Path(__file__).parent / "wrap_methods.txt"
LISTED = {line.split()[1]: line.split()[0] for line in CONTRACT.read_text().splitlines() if not line.startswith("#")}
OFFERED = [row.name for row in WRAP_METHODS if not row.absent]
LEAVES = KeyAttributes(sign=True, decrypt=True, extractable=True, sensitive=False)
P256 = "1.2.840.10045.3.1.7"
KINDS: dict[str, KeySpec] = {
    "DSA": KeySpec("", "DSA", LEAVES, key_size=1024),
    "EC": KeySpec("", "EC", LEAVES, curve_oid=P256),
    "ED": KeySpec("", "ED", LEAVES),
    "RSA": KeySpec("", "RSA", LEAVES, key_size=2048),
    "AES": KeySpec("", "AES", LEAVES, key_size=256),
    "AES-128": KeySpec("", "AES", LEAVES, key_size=128),
    "ChaCha20": KeySpec("", "ChaCha20", LEAVES, key_size=256),
    "Camellia": KeySpec("", "Camellia", LEAVES, key_size=192),
    "TDEA": KeySpec("", "TDEA", LEAVES),
    "HMACSHA1": KeySpec("", "HMACSHA1", LEAVES),
    "HMACSHA512": KeySpec("", "HMACSHA512", LEAVES),
}


def pkcs1_open(key: bytes, wrapped: bytes) -> bytes:
    return JUDGES["RSA"].open((key, b"", b""), wrapped)


def pkcs1_seal(key: bytes, octets: bytes) -> bytes:
    return JUDGES["RSA"].seal((key, b"", b""), octets)


Run = Callable[[bytes, bytes], bytes]  # key (a secret, or PKCS#8 DER), octets -> octets
SEAL: dict[str, Run] = {
    "KW": lambda key, octets: bytes(AES.new(key, AES.MODE_KW).seal(octets)),
    "KWP": lambda key, octets: bytes(AES.new(key, AES.MODE_KWP).seal(octets)),
    "PKCS1": pkcs1_seal,
    "OAEP": lambda key, octets: bytes(PKCS1_OAEP.new(RSA.import_key(key), SHA1).encrypt(octets)),
}
OPEN: dict[str, Run] = {
    "KW": lambda key, octets: bytes(AES.new(key, AES.MODE_KW).unseal(octets)),
    "KWP": lambda key, octets: bytes(AES.new(key, AES.MODE_KWP).unseal(octets)),
    "PKCS1": pkcs1_open,
    "OAEP": lambda key, octets: bytes(PKCS1_OAEP.new(RSA.import_key(key), SHA1).decrypt(octets)),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareKeystore]:
    with software_keystore(tmp_path_factory.mktemp("wrapping"), 0) as keystore:
        yield keystore


@pytest.fixture(scope="module")
def keys(store: SoftwareKeystore) -> dict[str, Key]:
    return {
        name: store.create(KeySpec(name, spec.algorithm, LEAVES, spec.curve_oid, spec.key_size), None)
        for name, spec in KINDS.items()
    }


def material(store: SoftwareKeystore, key: Key) -> bytes:
    found: Material = store.take_out(key, None)
    return found.private or found.secret or b""


def travellers(row: WrapMethod) -> list[str]:
    if row.wraps:
        return [row.wraps]
    secrets = [name for name in KINDS if name not in {"DSA", "EC", "ED", "RSA"}]
    return [name for name in secrets if name != "HMACSHA1" or row.scheme != "KW"]  # 20 octets are no whole blocks


def test_the_table_has_the_values_of_the_contract_and_no_others() -> None:
    assert {row.name: row.key for row in WRAP_METHODS} == LISTED
    assert len(WRAP_METHODS) == len(LISTED) == 17


@pytest.mark.parametrize("name", LISTED)
def test_every_value_is_either_proven_or_absent_with_its_reason(store: SoftwareKeystore, name: str) -> None:
    row = next(row for row in WRAP_METHODS if row.name == name)
    proven = row.scheme in SEAL and row.scheme in OPEN
    assert proven != bool(row.absent)
    assert (name in store.capabilities().wrap_methods) == proven
    if row.absent:
        with raises(Reason.INVALID_INPUT if row.key == "ML-KEM" else Reason.NOT_IMPLEMENTED):
            wrap_method(name)


@pytest.mark.parametrize("name", OFFERED)
def test_others_open_what_we_wrap(store: SoftwareKeystore, keys: dict[str, Key], name: str) -> None:
    row = wrap_method(name)
    wrapping = keys[row.key]
    for kind in travellers(row):
        wrapped = store.wrap(Locked(keys[kind]), Locked(wrapping), name)
        opened = OPEN[row.scheme](material(store, wrapping), wrapped)
        octets = material(store, keys[kind])
        assert opened[: len(octets)] == octets
        assert opened[len(octets) :] == (bytes(-len(octets) % 8) if row.scheme == "KW" else b"")
        if row.wraps:
            shown = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=opened[: len(octets)])
            assert shown == keys[kind].public_key


@pytest.mark.parametrize("name", OFFERED)
def test_we_open_what_others_wrap(store: SoftwareKeystore, keys: dict[str, Key], name: str) -> None:
    row = wrap_method(name)
    wrapping = keys[row.key]
    for kind in travellers(row):
        key, octets = keys[kind], material(store, keys[kind])
        fillings = [bytes(-len(octets) % 8), bytes([8 - len(octets) % 8]) * (8 - len(octets) % 8)]
        for filling in fillings if row.scheme == "KW" and row.wraps else [b""]:
            wrapped = SEAL[row.scheme](material(store, wrapping), octets + filling)
            spec = KeySpec(label(), key.algorithm, LEAVES)
            made = store.unwrap(Locked(wrapping), name, wrapped, spec, None)
            assert material(store, made) == octets
            assert (made.algorithm, made.key_size, made.curve_oid) == (key.algorithm, key.key_size, key.curve_oid)
            assert (made.public_key, made.origin) == (key.public_key, "imported")


def test_oaep_with_sha_256_is_understood_and_others_are_not(store: SoftwareKeystore, keys: dict[str, Key]) -> None:
    private = RSA.import_key(material(store, keys["RSA"]))
    for digest in (SHA256, SHA512):
        wrapped = bytes(PKCS1_OAEP.new(private, digest).encrypt(b"k" * 16))
        try:
            made = store.unwrap(Locked(keys["RSA"]), "RSA_WRAP_OAEP", wrapped, KeySpec(label(), "AES", LEAVES), None)
        except Failure as failure:
            assert (digest, failure.reason) == (SHA512, Reason.UNWRAP_FAILED)  # noqa: PT017
        else:
            assert (digest, material(store, made)) == (SHA256, b"k" * 16)


@pytest.mark.parametrize("name", OFFERED)
def test_wrong_ones_are_all_alike(store: SoftwareKeystore, keys: dict[str, Key], name: str) -> None:
    row = wrap_method(name)
    wrapping = keys[row.key]
    seal, key = SEAL[row.scheme], material(store, wrapping)
    right = store.wrap(Locked(keys[travellers(row)[0]]), Locked(wrapping), name)
    wrong = [b"", right[:-8], right + bytes(8), right[:-1], bytes(len(right)), os.urandom(len(right))]
    wrong += [right[:-1] + bytes([right[-1] ^ 1]), bytes([right[0] ^ 1]) + right[1:]]
    wrong += [
        seal(key, octets) for octets in (bytes(40), b"\x30\x82\xff\xff" + bytes(36), b"\x30\x80" + bytes(38), b"0" * 56)
    ]
    said = set()
    for octets in wrong:
        with raises(Reason.UNWRAP_FAILED) as caught:
            store.unwrap(Locked(wrapping), name, octets, KeySpec(label(), row.wraps or "AES", LEAVES), None)
        said.add(caught.value.args)
    assert len(said) == 1


def test_lengths_that_do_not_fit_are_told_before_anything_is_lost(
    store: SoftwareKeystore, keys: dict[str, Key]
) -> None:
    long = store.bring_in(
        KeySpec("long", "HMACSHA256", LEAVES), Material("HMACSHA256", secret=bytes(246), key_size=1968), None
    )
    for key, wrapping, name in (
        (keys["HMACSHA1"], keys["AES"], "AES_WRAP"),
        (long, keys["RSA"], "RSA_WRAP_PAD"),
        (long, keys["RSA"], "RSA_WRAP_OAEP"),
    ):
        with raises(Reason.ALGORITHM_NOT_FOR_KEY):
            store.wrap(Locked(key), Locked(wrapping), name)


# known answers: NIST's test vectors of SP 800-38F


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize(("file", "name"), [("KW", "AES_WRAP"), ("KWP", "AES_WRAP_PAD")])
def test_known_answers(file: str, name: str, bits: int) -> None:
    row, tried = wrap_method(name), 0
    for answer in known_answers.answers(f"keywrap/kwtestvectors/{file}_AE_{bits}.txt")[::9]:
        if "P" in answer and len(answer["P"]) >= 2:
            key, plain, wrapped = (bytes.fromhex(answer[part]) for part in ("K", "P", "C"))
            assert software_wrapping.wrap_by_secret(key, row, plain) == wrapped
            assert software_wrapping.unwrap_by_secret(key, row, wrapped) == plain
            tried += 1
    assert tried > 20


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize(("file", "name"), [("KW", "AES_WRAP"), ("KWP", "AES_WRAP_PAD")])
def test_known_failures(file: str, name: str, bits: int) -> None:
    row, right, wrong = wrap_method(name), 0, 0
    for answer in known_answers.answers(f"keywrap/kwtestvectors/{file}_AD_{bits}.txt")[::5]:
        if "C" not in answer:
            continue
        key, wrapped = bytes.fromhex(answer["K"]), bytes.fromhex(answer["C"])
        if "FAIL" in answer:
            wrong += 1
            with raises(Reason.UNWRAP_FAILED):
                software_wrapping.unwrap_by_secret(key, row, wrapped)
        else:
            right += 1
            assert software_wrapping.unwrap_by_secret(key, row, wrapped).hex() == answer["P"]
    assert right > 20
    assert wrong > 5
