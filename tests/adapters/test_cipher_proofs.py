"""Every cipher of the contract, both ways, against an implementation that shares nothing with ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.adapters import rsa_ciphers, software_ciphers
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.cipher import CIPHERS, TAG_BITS, Cipher, check_plaintext, cipher
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.public_key import rsa_key
from hsmgate.errors import Reason
from hsmgate.usecases.ports import CipherExtra
from support import known_answers
from support.cipher_judges import JUDGES
from support.keystore_contract import raises
from support.keystores import software_keystore

CONTRACT = Path(__file__).parent / "cipher_algorithms.txt"
LISTED = {line.split()[1]: line.split()[0] for line in CONTRACT.read_text().splitlines() if not line.startswith("#")}
AAD = b"authenticated only \xff"
SIZES = {"RSA": (2048,), "AES": (128, 192, 256), "ChaCha20": (256,), "Camellia": (128, 192, 256), "TDEA": (None,)}
USES = KeyAttributes(decrypt=True, encrypt=True)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftwareKeystore]:
    with software_keystore(tmp_path_factory.mktemp("ciphers"), 0) as keystore:
        yield keystore


@pytest.fixture(scope="module")
def keys(store: SoftwareKeystore) -> dict[str, list[Key]]:
    return {
        name: [store.create(KeySpec(f"{name} {size}", name, USES, key_size=size), None) for size in sizes]
        for name, sizes in SIZES.items()
    }


def secret(store: SoftwareKeystore, key: Key) -> bytes:
    material = store._keys.material(store._keys.current(key), None)
    if isinstance(material, bytes):
        return material
    return material.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def extra(row: Cipher, **more: object) -> CipherExtra:
    fields = {"aad": AAD, "tag_bits": 128} if row.has_tag else {}
    return CipherExtra(**(fields | more))  # type: ignore[arg-type]


def payloads(row: Cipher) -> list[bytes]:
    """Around the bounds of blocks; as long as RSA takes."""
    if row.is_rsa:
        most = {"RAW": 256, "PKCS1": 245}.get(row.mode) or 254 - 2 * {
            "1": 20,
            "224": 28,
            "256": 32,
            "384": 48,
            "512": 64,
        }[row.digest[3:]]
        octets = bytes(range(1, 256)) + b"\xfe"
        return [b"\x01", octets[:16], octets[:most]]
    lengths = (16, 32, 4096) if row.block and not row.padded else (0, 1, 15, 16, 17, 4096)
    return [bytes(index * 7 % 256 for index in range(length)) for length in lengths]


def test_the_table_has_the_values_of_the_contract_and_no_others() -> None:
    assert {row.name: row.key for row in CIPHERS} == LISTED
    assert len(CIPHERS) == len(LISTED) == 22


@pytest.mark.parametrize("name", LISTED)
def test_every_value_is_proven_and_offered(store: SoftwareKeystore, name: str) -> None:
    assert name in JUDGES
    assert name in store.capabilities().ciphers
    assert not key_algorithm(LISTED[name]).absent


@pytest.mark.parametrize("name", LISTED)
def test_others_open_what_we_seal(store: SoftwareKeystore, keys: dict[str, list[Key]], name: str) -> None:
    row = cipher(name)
    for key in keys[row.key]:
        ivs = set()
        for payload in payloads(row):
            check_plaintext(row, payload, key.key_size)
            made = store.encrypt(key, None, name, payload, extra(row))
            assert len(made.iv or b"") == row.iv
            assert (made.tag is not None) == row.has_tag
            opened = JUDGES[name].open((secret(store, key), made.iv or b"", AAD), made.ciphertext + (made.tag or b""))
            assert opened == (payload.rjust(256, b"\0") if row.mode == "RAW" else payload)
            ivs.add(made.iv)
        assert not row.iv or len(ivs) == len(payloads(row))


@pytest.mark.parametrize("name", LISTED)
def test_we_open_what_others_seal(store: SoftwareKeystore, keys: dict[str, list[Key]], name: str) -> None:
    row = cipher(name)
    iv = bytes(range(0xF0, 0xF0 + row.iv))
    for key in keys[row.key]:
        for payload in payloads(row):
            sealed = JUDGES[name].seal((secret(store, key), iv, AAD), payload)
            opened = store.decrypt(key, None, name, sealed, extra(row, iv=iv or None))
            assert opened == (payload.rjust(256, b"\0") if row.mode == "RAW" else payload)


@pytest.mark.parametrize("bits", TAG_BITS)
def test_a_short_tag_is_the_beginning_of_the_whole_one(
    store: SoftwareKeystore, keys: dict[str, list[Key]], bits: int
) -> None:
    key, row = keys["AES"][-1], cipher("AES_GCM")
    made = store.encrypt(key, None, row.name, b"payload", extra(row, tag_bits=bits))
    whole = JUDGES[row.name].seal((secret(store, key), made.iv or b"", AAD), b"payload")
    assert made.ciphertext + (made.tag or b"") == whole[: 7 + bits // 8]
    sealed = whole[: 7 + bits // 8]
    assert store.decrypt(key, None, row.name, sealed, extra(row, iv=made.iv, tag_bits=bits)) == b"payload"
    for place in range(len(sealed)):
        wrong = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with raises(Reason.DECRYPT_FAILED):
            store.decrypt(key, None, row.name, wrong, extra(row, iv=made.iv, tag_bits=bits))


@pytest.mark.parametrize("name", ["AES_GCM", "CHACHA20_AEAD"])
def test_what_authenticates_notices_every_change(
    store: SoftwareKeystore, keys: dict[str, list[Key]], name: str
) -> None:
    key, row = keys[cipher(name).key][0], cipher(name)
    made = store.encrypt(key, None, name, b"payload", extra(row))
    sealed, iv = made.ciphertext + (made.tag or b""), made.iv or b""
    assert store.decrypt(key, None, name, sealed, extra(row, iv=iv)) == b"payload"
    for wrong, changed in (
        (sealed[:-1] + bytes([sealed[-1] ^ 0x80]), extra(row, iv=iv)),
        (bytes([sealed[0] ^ 1]) + sealed[1:], extra(row, iv=iv)),
        (sealed[1:], extra(row, iv=iv)),
        (sealed, extra(row, iv=iv[::-1])),
        (sealed, extra(row, iv=iv, aad=AAD + b"\0")),
        (sealed, extra(row, iv=iv, aad=b"")),
    ):
        with raises(Reason.DECRYPT_FAILED):
            store.decrypt(key, None, name, wrong, changed)


# known answers


def run(monkeypatch: pytest.MonkeyPatch, name: str, key: bytes, iv: bytes, payload: bytes, aad: bytes = b"") -> bytes:
    """Encrypt with an IV that is not chosen by us."""
    with monkeypatch.context() as patched:
        patched.setattr("hsmgate.adapters.software_ciphers.os.urandom", lambda length: iv[:length])
        made = software_ciphers.encrypt(key, cipher(name), payload, CipherExtra(aad=aad, tag_bits=128))
    return made.ciphertext + (made.tag or b"")


FILES = [
    (
        "AES_ECB",
        [f"ciphers/AES/ECB/ECB{kind}{bits}.rsp" for kind in ("GFSbox", "KeySbox", "MMT") for bits in (128, 192, 256)],
    ),
    (
        "AES_CBC_NO_PADDING",
        [f"ciphers/AES/CBC/CBC{kind}{bits}.rsp" for kind in ("GFSbox", "KeySbox", "MMT") for bits in (128, 192, 256)],
    ),
    ("AES_CTR", [f"ciphers/AES/CTR/aes-{bits}-ctr.txt" for bits in (128, 192, 256)]),
    ("TDEA_ECB", ["ciphers/3DES/ECB/TECBMMT3.rsp"]),
    ("TDEA_CBC_NO_PADDING", ["ciphers/3DES/CBC/TCBCMMT3.rsp"]),
    ("CAMELLIA_CBC_NO_PADDING", ["ciphers/Camellia/camellia-cbc.txt"]),
    ("CHACHA20", ["ciphers/ChaCha20/rfc7539.txt"]),
]


def key_of(answer: known_answers.Answer) -> bytes:
    return bytes.fromhex(answer.get("KEY") or answer["KEY1"] + answer["KEY2"] + answer["KEY3"])


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in FILES for file in files])
def test_known_answers(monkeypatch: pytest.MonkeyPatch, name: str, file: str) -> None:
    tried = 0
    for answer in known_answers.answers(file):
        if "PLAINTEXT" not in answer or answer.get("INITIAL_BLOCK_COUNTER", "0") != "0":
            continue
        key, iv = key_of(answer), bytes.fromhex(answer.get("IV") or answer.get("NONCE") or "")
        plain, sealed = bytes.fromhex(answer["PLAINTEXT"]), bytes.fromhex(answer["CIPHERTEXT"])
        assert run(monkeypatch, name, key, iv, plain) == sealed
        assert software_ciphers.decrypt(key, cipher(name), sealed, CipherExtra(iv=iv)) == plain
        tried += 1
    assert tried


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_known_answers_of_camellia_by_its_makers(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    answers = list(known_answers.camellia_ecb(bits))
    assert len(answers) > 100
    for key, plain, sealed in answers[::7]:
        assert len(key) == bits // 8
        assert run(monkeypatch, "CAMELLIA_ECB", key, b"", plain) == sealed
        assert software_ciphers.decrypt(key, cipher("CAMELLIA_ECB"), sealed, CipherExtra()) == plain


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_known_answers_of_gcm(bits: int) -> None:
    """NIST's decryptions, every length of tag that the contract has, right and wrong ones."""
    right = wrong = 0
    for answer in known_answers.answers(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp")[::4]:
        if answer["IVLEN"] != "96" or int(answer["TAGLEN"]) not in TAG_BITS or answer["PTLEN"] == "0":
            continue
        sealed = bytes.fromhex(answer["CT"] + answer["TAG"])
        more = CipherExtra(bytes.fromhex(answer["IV"]), bytes.fromhex(answer["AAD"]), int(answer["TAGLEN"]))
        if "FAIL" in answer:
            wrong += 1
            with raises(Reason.DECRYPT_FAILED):
                software_ciphers.decrypt(key_of(answer), cipher("AES_GCM"), sealed, more)
        else:
            right += 1
            opened = software_ciphers.decrypt(key_of(answer), cipher("AES_GCM"), sealed, more)
            assert opened.hex() == answer["PT"]
    assert right > 50
    assert wrong > 50


def test_known_answers_of_chacha20_poly1305(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    for answer in known_answers.answers("ciphers/ChaCha20Poly1305/openssl.txt"):
        if len(answer["IV"]) != 24 or "PLAINTEXT" not in answer:
            continue
        key, iv, aad = (bytes.fromhex(answer[name]) for name in ("KEY", "IV", "AAD"))
        sealed, more = bytes.fromhex(answer["CIPHERTEXT"] + answer["TAG"]), CipherExtra(iv, aad, 128)
        if "RESULT" in answer:
            with raises(Reason.DECRYPT_FAILED):
                software_ciphers.decrypt(key, cipher("CHACHA20_AEAD"), sealed, more)
            continue
        plain = bytes.fromhex(answer["PLAINTEXT"])
        assert run(monkeypatch, "CHACHA20_AEAD", key, iv, plain, aad) == sealed
        assert software_ciphers.decrypt(key, cipher("CHACHA20_AEAD"), sealed, more) == plain
        tried += 1
    assert tried


# RSA: whatever is wrong, it is the same


@pytest.mark.parametrize("name", [row.name for row in CIPHERS if row.is_rsa])
def test_wrong_rsa_ciphertexts_are_all_alike(store: SoftwareKeystore, keys: dict[str, list[Key]], name: str) -> None:
    (key,) = keys["RSA"]
    public = rsa_key(key)
    modulus = public.public_numbers().n
    sealed = store.encrypt(key, None, name, b"payload", CipherExtra()).ciphertext
    wrong = [b"", b"\0", sealed[:-1], sealed + b"\0", b"\0" + sealed, modulus.to_bytes(256, "big"), b"\xff" * 256]
    if name != "RSA_NO_PADDING":  # which has no wrong ones below the modulus
        raw = cipher("RSA_NO_PADDING")
        blocks = [
            bytes(256),
            b"\x00\x01" + b"\xff" * 254,
            b"\x00\x02" + b"\xff" * 7 + b"\0" + b"\x05" * 246,
            b"\x00\x02" + b"\xff" * 254,
        ]
        wrong += [rsa_ciphers.encrypt(public, raw, block) for block in blocks]
    said = set()
    for octets in wrong:
        with raises(Reason.DECRYPT_FAILED) as caught:
            store.decrypt(key, None, name, octets, CipherExtra())
        said.add(caught.value.args)
    assert len(said) == 1
