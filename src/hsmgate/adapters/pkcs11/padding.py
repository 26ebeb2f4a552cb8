"""Paddings of RSA signatures (RFC 8017, 9), made outside for tokens that have the bare operation only."""

import hashlib
import os

from hsmgate.errors import Failure, Reason

_HASHES = {20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512"}  # by length, as in domain/scheme.py
_LEAST_FILL = 8  # octets of PKCS#1 v1.5


def pkcs1(data: bytes, bits: int) -> bytes:
    """EMSA-PKCS1-v1_5 around `data`, as long as a modulus of so many bits. Failure: INVALID_PAYLOAD (too long)."""
    fill = (bits + 7) // 8 - 3 - len(data)
    if fill < _LEAST_FILL:
        raise Failure(Reason.INVALID_PAYLOAD, f"the payload is too long for an RSA key of {bits} bits")
    return b"\0\1" + b"\xff" * fill + b"\0" + data


def pss(digest: bytes, bits: int) -> bytes:
    """EMSA-PSS of a digest, with MGF1 of its hash and a random salt of its length, as long as the modulus.

    Failure: INVALID_PAYLOAD (the key is too short for it).
    """
    name, size = _HASHES[len(digest)], len(digest)
    octets = (bits - 1 + 7) // 8
    fill = octets - 2 * size - 2
    if fill < 0:
        raise Failure(Reason.INVALID_PAYLOAD, f"the digest is too long for an RSA key of {bits} bits")
    salt = os.urandom(size)
    seed = _hashed(name, bytes(8) + digest + salt)
    block = bytes(fill) + b"\1" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mgf1(name, seed, len(block)), strict=True))
    masked[0] &= 0xFF >> (8 * octets - (bits - 1))
    return (bytes(masked) + seed + b"\xbc").rjust((bits + 7) // 8, b"\0")


def _mgf1(name: str, seed: bytes, length: int) -> bytes:
    made = b"".join(_hashed(name, seed + count.to_bytes(4, "big")) for count in range(-(-length // len(seed))))
    return made[:length]


def _hashed(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()  # the contract has SHA-1
