"""Ciphers: every value of the contract (enums.md section 4), what it takes and what it gives."""

from typing import Literal

from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

Mode = Literal["OAEP", "PKCS1", "RAW", "GCM", "CTR", "CBC", "ECB", "CHACHA20", "CHACHA20-POLY1305"]

TAG_BITS = (64, 96, 104, 112, 120, 128)
FULL_TAG = 128
_PKCS1_OVERHEAD = 11  # octets around the payload, RFC 8017 section 7.2.1
_DIGEST_OCTETS = {"SHA1": 20, "SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64}


class Cipher(Record):
    """One value of cipherAlgorithm. `iv` and `block` in octets; without `padded` a payload is whole blocks."""

    name: str
    key: str  # a name of the key algorithm table
    mode: Mode
    digest: str = ""  # of OAEP and its MGF1
    iv: int = 0  # made at random by each encryption
    block: int = 0
    padded: bool = False  # PKCS#7

    @property
    def is_rsa(self) -> bool:
        return self.key == "RSA"

    @property
    def has_tag(self) -> bool:
        """Whether it authenticates: ciphertexts are followed by a tag."""
        return self.mode in {"GCM", "CHACHA20-POLY1305"}


class Encrypted(Record):
    """What an encryption gives; `tag` is not part of `ciphertext`."""

    ciphertext: bytes
    iv: bytes | None = None
    tag: bytes | None = None


def _blocks(name: str, key: str, size: int, *, cbc: str, plain: str) -> tuple[Cipher, ...]:
    """The three modes of a block cipher: CBC with padding, CBC without, ECB without."""
    return (
        Cipher(cbc, key, "CBC", iv=size, block=size, padded=True),
        Cipher(plain, key, "CBC", iv=size, block=size),
        Cipher(f"{name}_ECB", key, "ECB", block=size),
    )


CIPHERS: tuple[Cipher, ...] = (
    *(Cipher(f"RSA_PADDING_OAEP_WITH_{digest}", "RSA", "OAEP", digest) for digest in reversed(_DIGEST_OCTETS)),
    Cipher("RSA_PADDING_OAEP", "RSA", "OAEP", "SHA1"),
    Cipher("RSA_PADDING_PKCS", "RSA", "PKCS1"),
    Cipher("RSA", "RSA", "PKCS1"),
    Cipher("RSA_NO_PADDING", "RSA", "RAW"),
    Cipher("AES_GCM", "AES", "GCM", iv=12),
    Cipher("AES_CTR", "AES", "CTR", iv=16),
    *_blocks("AES", "AES", 16, cbc="AES", plain="AES_CBC_NO_PADDING"),
    Cipher("CHACHA20", "ChaCha20", "CHACHA20", iv=12),
    Cipher("CHACHA20_AEAD", "ChaCha20", "CHACHA20-POLY1305", iv=12),
    *_blocks("CAMELLIA", "Camellia", 16, cbc="CAMELLIA", plain="CAMELLIA_CBC_NO_PADDING"),
    *_blocks("TDEA", "TDEA", 8, cbc="TDEA_CBC", plain="TDEA_CBC_NO_PADDING"),
)
_BY_NAME = {row.name: row for row in CIPHERS}


def cipher(name: str) -> Cipher:
    """The row of this name. Failure: INVALID_INPUT."""
    row = _BY_NAME.get(name)
    if row is None:
        raise Failure(Reason.INVALID_INPUT, f"cipherAlgorithm {name[:64]!r} is not known")
    return row


def cipher_for(key: Key, name: str) -> Cipher:
    """The row of this name, which fits this key. Failure: as cipher; ALGORITHM_NOT_FOR_KEY."""
    row = cipher(name)
    if row.key != key.algorithm:
        raise Failure(Reason.ALGORITHM_NOT_FOR_KEY, f"cipherAlgorithm {name} does not fit the key")
    return row


def tag_bits(row: Cipher, asked: int | None, *, shortest: int, opening: bool) -> int:
    """The length of the tag in bits, 0 for a cipher without one, where what was asked is ignored.

    Absent is the full length. 0 is it too where a tag is made; where one is checked it might be meant as "no check",
    and AES_GCM refuses it. Failure: INVALID_TAG_LENGTH (`shortest` bits are the least).
    """
    if not row.has_tag:
        return 0
    if asked is None or (asked == 0 and not (opening and row.mode == "GCM")):
        return FULL_TAG
    fixed = row.mode != "GCM" and asked != FULL_TAG
    if asked not in TAG_BITS or asked < shortest or fixed:
        wanted = ", ".join(str(bits) for bits in TAG_BITS if bits >= (FULL_TAG if fixed else shortest))
        raise Failure(Reason.INVALID_TAG_LENGTH, f"tagLength of {row.name} is one of {wanted}, in bits")
    return asked


def check_plaintext(row: Cipher, payload: bytes, key_size: int | None) -> None:
    """Whether the cipher takes a payload of this length. Failure: INVALID_PAYLOAD."""
    if row.block and not row.padded:
        _check_blocks(row, payload)
    if row.is_rsa and len(payload) > (most := _most(row, (key_size or 0) // 8)):
        raise Failure(Reason.INVALID_PAYLOAD, f"{row.name} takes at most {most} bytes with this key")


def check_ciphertext(row: Cipher, octets: bytes, iv: bytes | None, tag: int) -> None:
    """Whether something of this length can be a ciphertext, `tag` (bits) included. RSA's lengths are not told here:
    whatever is wrong with its ciphertexts looks the same. Failure: INVALID_PAYLOAD, INVALID_INPUT (the IV).
    """
    if len(iv or b"") != row.iv:
        wanted = f"must have {row.iv} bytes" if row.iv else "must be null"
        raise Failure(Reason.INVALID_INPUT, f"initializationVector of {row.name} {wanted}")
    if len(octets) < tag // 8:
        raise Failure(Reason.INVALID_PAYLOAD, "encryptedPayload is shorter than its tag")
    if row.block:
        _check_blocks(row, octets)


def _check_blocks(row: Cipher, octets: bytes) -> None:
    if not octets or len(octets) % row.block:
        raise Failure(Reason.INVALID_PAYLOAD, f"{row.name} takes whole blocks of {row.block} bytes")


def _most(row: Cipher, modulus: int) -> int:
    """Octets that a modulus of so many octets takes."""
    if row.mode == "OAEP":
        return modulus - 2 * _DIGEST_OCTETS[row.digest] - 2  # RFC 8017 section 7.1.1
    return modulus - (_PKCS1_OVERHEAD if row.mode == "PKCS1" else 0)
