"""Encrypt and decrypt a payload with a key."""

from hsmgate.domain.cipher import (
    Cipher,
    Encrypted,
    check_ciphertext,
    check_plaintext,
    cipher_for,
    tag_bits,
)
from hsmgate.domain.key import Key
from hsmgate.domain.usage import check_public_use, check_use, may
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import CipherExtra, Ports

_LEGACY = frozenset({"PKCS1", "RAW"})


class Encrypt(Record):
    """What to encrypt, with what; `tag_length` in bits."""

    label: str
    cipher: str
    payload: bytes
    password: str | None = None
    tag_length: int | None = None
    aad: bytes = b""


class Decrypt(Record):
    """What to decrypt; the tag of an authenticating cipher stands behind `payload`."""

    label: str
    cipher: str
    payload: bytes
    password: str | None = None
    iv: bytes | None = None
    tag_length: int | None = None
    aad: bytes = b""


class Decrypted(Record):
    """A payload, and a remark where the key should not be used like this."""

    payload: bytes
    remark: str = ""


def encrypt(ports: Ports, wish: Encrypt) -> Encrypted:
    """Encrypt; IVs are made by the keystore.

    Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, ALGORITHM_NOT_FOR_KEY, KEY_FORBIDS, KEY_BLOCKED, INVALID_PAYLOAD,
    INVALID_TAG_LENGTH, INVALID_INPUT.
    """
    key = find(ports, wish.label)
    row = cipher_for(key, wish.cipher)
    bits = tag_bits(row, wish.tag_length, shortest=ports.rules.shortest_tag, opening=False)
    _check_aad(row, wish.aad)
    check_plaintext(row, wish.payload, key.key_size)
    check_public_use(key, "encrypt")  # a secret key has no policy
    return ports.keystore.encrypt(key, wish.password, row.name, wish.payload, CipherExtra(aad=wish.aad, tag_bits=bits))


def decrypt(ports: Ports, wish: Decrypt) -> Decrypted:
    """Decrypt. Whatever is wrong with an RSA ciphertext, or under a tag or padding, is DECRYPT_FAILED alike.

    Failure: as encrypt(); APPROVALS_MISSING, DECRYPT_FAILED.
    """
    key, row, extra, remark = check_decryption(ports, wish)
    return Decrypted(ports.keystore.decrypt(key, wish.password, row.name, wish.payload, extra), remark)


def check_decryption(ports: Ports, wish: Decrypt) -> tuple[Key, Cipher, CipherExtra, str]:
    """What decrypt() works with, where the key may do it. Failure: as decrypt(), but for what only trying shows."""
    key = find(ports, wish.label)
    row = cipher_for(key, wish.cipher)
    remark = _check_legacy(ports, key, row)
    bits = tag_bits(row, wish.tag_length, shortest=ports.rules.shortest_tag, opening=True)
    _check_aad(row, wish.aad)
    check_ciphertext(row, wish.payload, wish.iv, bits)
    check_use(key, "decrypt")
    return key, row, CipherExtra(iv=wish.iv, aad=wish.aad, tag_bits=bits), remark


def _check_aad(row: Cipher, aad: bytes) -> None:
    if aad and not row.has_tag:  # to pass over it would let the caller believe that it is authenticated
        raise Failure(Reason.INVALID_INPUT, f"{row.name} does not authenticate additionalAuthenticationData")


def _check_legacy(ports: Ports, key: Key, row: Cipher) -> str:
    """Failures of PKCS#1 v1.5 are an oracle for whoever sees them, and a raw private operation signs as well."""
    if row.mode in _LEGACY and not ports.rules.rsa_legacy:
        raise Failure(Reason.NOT_IMPLEMENTED, f"{row.name} is switched off by hsmgate.ciphers.rsa-legacy")
    if row.mode != "RAW" or not may(key, "sign"):
        return ""
    if not ports.rules.raw_rsa_of_signers:
        raise Failure(Reason.KEY_FORBIDS, f"The key '{key.label}' may sign, so {row.name} is refused.")
    return f"{row.name} with a key that may sign: who may decrypt with it can make its signatures"
