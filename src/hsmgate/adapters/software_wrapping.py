"""Wraps and unwraps the octets of keys, by the cryptographic library."""

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap,
    aes_key_wrap_with_padding,
)

from hsmgate.adapters import rsa_ciphers
from hsmgate.domain.cipher import Cipher, cipher
from hsmgate.domain.wrapping import WrapMethod, check_length
from hsmgate.errors import Failure, Reason

_BLOCK = 8  # octets, RFC 3394
_OAEP = (cipher("RSA_PADDING_OAEP_WITH_SHA1"), cipher("RSA_PADDING_OAEP_WITH_SHA256"))  # the first wraps
_PKCS1 = cipher("RSA_PADDING_PKCS")


def wrap_by_secret(secret: bytes, row: WrapMethod, octets: bytes) -> bytes:
    """Under a secret key. Failure: ALGORITHM_NOT_FOR_KEY (RFC 3394 takes whole blocks only)."""
    if row.scheme == "KWP":
        return aes_key_wrap_with_padding(secret, octets)
    if row.wraps:  # DER tells its own length, so zeros behind it are no part of it
        octets += bytes(-len(octets) % _BLOCK)
    check_length(row, len(octets), 0)
    return aes_key_wrap(secret, octets)


def wrap_by_public(public: rsa.RSAPublicKey, row: WrapMethod, octets: bytes) -> bytes:
    """Under an RSA public key. Failure: ALGORITHM_NOT_FOR_KEY (it is too short for this key)."""
    check_length(row, len(octets), public.key_size)
    return rsa_ciphers.encrypt(public, _OAEP[0] if row.scheme == "OAEP" else _PKCS1, octets)


def unwrap_by_secret(secret: bytes, row: WrapMethod, wrapped: bytes) -> bytes:
    """The octets of the key. Failure: UNWRAP_FAILED."""
    try:
        octets = (aes_key_unwrap_with_padding if row.scheme == "KWP" else aes_key_unwrap)(secret, wrapped)
    except (InvalidUnwrap, ValueError):
        raise _failed() from None
    return _without_padding(octets) if row.wraps else octets


def unwrap_by_private(private: rsa.RSAPrivateKey, row: WrapMethod, wrapped: bytes) -> bytes:
    """The octets of the key; whoever wrapped by OAEP with SHA-256 is understood too. Failure: UNWRAP_FAILED."""
    for tried in _OAEP if row.scheme == "OAEP" else (_PKCS1,):
        for octets in _opened(private, tried, wrapped):
            return octets
    raise _failed()


def _opened(private: rsa.RSAPrivateKey, row: Cipher, wrapped: bytes) -> Iterator[bytes]:
    try:
        yield rsa_ciphers.decrypt(private, row, wrapped)
    except Failure as failure:
        if failure.reason is not Reason.DECRYPT_FAILED:
            raise


def _without_padding(octets: bytes) -> bytes:
    """A DER value without what filled its last block: zeros, or as PKCS#7 fills. Failure: UNWRAP_FAILED."""
    length = _der_length(octets)
    rest = octets[length:]
    if 0 < length <= len(octets) and rest in (bytes(len(rest)), bytes([len(rest)]) * len(rest)) and len(rest) <= _BLOCK:
        return octets[:length]
    raise _failed()


def _der_length(octets: bytes) -> int:
    """Octets of the first DER value, head included; 0: it is none."""
    if len(octets) < 2 or octets[1] == 0x80:
        return 0
    if octets[1] < 0x80:
        return 2 + octets[1]
    end = 2 + (octets[1] & 0x7F)
    return end + int.from_bytes(octets[2:end], "big")


def _failed() -> Failure:
    return Failure(Reason.UNWRAP_FAILED)
