"""RSA encryption: OAEP by the cryptographic library; PKCS#1 v1.5 and the bare operation where it tells too much or
too little.
"""

import os
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hsmgate.domain.cipher import Cipher
from hsmgate.errors import Failure, Reason

if TYPE_CHECKING:
    from Crypto.PublicKey import RSA

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA1": hashes.SHA1,
    "SHA224": hashes.SHA224,
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
_MARK = 32  # octets that stand for "wrong": no message is these by chance


def encrypt(public: rsa.RSAPublicKey, row: Cipher, payload: bytes) -> bytes:
    """Encrypt a payload of a length that check_plaintext() let pass. Failure: INVALID_PAYLOAD (not below n)."""
    if row.mode == "OAEP":
        return public.encrypt(payload, oaep(row.digest))
    if row.mode == "PKCS1":
        return public.encrypt(payload, padding.PKCS1v15())
    numbers = public.public_numbers()
    message = int.from_bytes(payload, "big")
    if message >= numbers.n:
        raise Failure(Reason.INVALID_PAYLOAD, "the payload, read as a number, is not below the modulus")
    return pow(message, numbers.e, numbers.n).to_bytes(_octets(public), "big")


def decrypt(private: rsa.RSAPrivateKey, row: Cipher, ciphertext: bytes) -> bytes:
    """Decrypt. Failure: DECRYPT_FAILED, whatever is wrong."""
    modulus = private.public_key().public_numbers().n
    if len(ciphertext) != _octets(private.public_key()) or int.from_bytes(ciphertext, "big") >= modulus:
        raise _failed()
    if row.mode == "OAEP":
        return _open_oaep(private, row.digest, ciphertext)
    return open_pkcs1(private, ciphertext) if row.mode == "PKCS1" else _raw(private, ciphertext)


def oaep(digest: str) -> padding.OAEP:
    """OAEP with this hash for label and MGF1, and no label."""
    hashing = _HASHES[digest]()
    return padding.OAEP(padding.MGF1(hashing), hashing, None)


def open_pkcs1(private: rsa.RSAPrivateKey, ciphertext: bytes) -> bytes:
    """The message of a PKCS#1 v1.5 ciphertext. Failure: DECRYPT_FAILED, in the same time wherever the padding is wrong.

    The cryptographic library would answer a wrong padding with random octets, which no client could tell from a
    payload; this one looks at every octet before it says anything.
    """
    from Crypto.Cipher import PKCS1_v1_5

    wrong = os.urandom(_MARK)
    opened = PKCS1_v1_5.new(_other_library(private)).decrypt(ciphertext, wrong)
    if opened == wrong:
        raise _failed()
    return opened


def _open_oaep(private: rsa.RSAPrivateKey, digest: str, ciphertext: bytes) -> bytes:
    try:
        return private.decrypt(ciphertext, oaep(digest))
    except ValueError:
        raise _failed() from None


def _raw(private: rsa.RSAPrivateKey, ciphertext: bytes) -> bytes:
    """The private operation alone, blinded; as long as the modulus. A wrong result would give the key away."""
    number, numbers = int.from_bytes(ciphertext, "big"), private.public_key().public_numbers()
    other: Any = _other_library(private)
    opened: bytes = other._decrypt_to_bytes(number)  # noqa: SLF001 - nothing public does it
    if pow(int.from_bytes(opened, "big"), numbers.e, numbers.n) != number:
        raise Failure(Reason.KEYSTORE, "a private operation went wrong")
    return opened


def _other_library(private: rsa.RSAPrivateKey) -> "RSA.RsaKey":
    from Crypto.PublicKey import RSA  # here: a start is shorter without

    numbers = private.private_numbers()
    public = numbers.public_numbers
    return RSA.construct((public.n, public.e, numbers.d, numbers.p, numbers.q), consistency_check=False)


def _octets(public: rsa.RSAPublicKey) -> int:
    return (public.key_size + 7) // 8


def _failed() -> Failure:
    return Failure(Reason.DECRYPT_FAILED)
