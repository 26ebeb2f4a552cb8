"""What the private key is applied to: payload lengths and digests of the signature algorithms."""

import hashlib
from collections.abc import Callable

from hsmgate.domain.signature_algorithm import SignatureAlgorithm
from hsmgate.errors import Failure, Reason

_PKCS1_OVERHEAD = 11  # octets around the payload, RFC 8017 section 7.2.1


def _keccak(bits: int) -> Callable[[bytes], bytes]:
    """The original Keccak, with padding 0x01, which is not SHA-3."""

    def digest(data: bytes) -> bytes:
        from Crypto.Hash import keccak  # here, as all of this package: a start is shorter without

        return keccak.new(digest_bits=bits, data=data).digest()

    return digest


def _hash(name: str) -> Callable[[bytes], bytes]:
    # the contract has SHA-1: for signatures whose verifiers know nothing else
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    **{name: _hash(name.lower()) for name in ("SHA1", "SHA224", "SHA256", "SHA384", "SHA512")},
    **{name: _hash(name.lower().replace("-", "_")) for name in ("SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512")},
    **{f"KECCAK-{bits}": _keccak(bits) for bits in (224, 256, 384, 512)},
}


def to_be_signed(algorithm: SignatureAlgorithm, payload: bytes, key_size: int | None) -> bytes:
    """The octets that enter the scheme: the digest, or the payload itself where the caller hashed or nobody does.

    Failure: INVALID_PAYLOAD (a length that the algorithm, or an RSA key of `key_size` bits, does not take).
    """
    _check_length(algorithm, len(payload), key_size)
    if algorithm.prehashed or not algorithm.digest:
        return payload
    digest = DIGESTS[algorithm.digest]
    octets = payload
    for _ in range(algorithm.rounds):
        octets = digest(octets)
    return octets


def _check_length(algorithm: SignatureAlgorithm, length: int, key_size: int | None) -> None:
    if algorithm.lengths and length not in algorithm.lengths:
        wanted = " or ".join(map(str, algorithm.lengths))
        raise Failure(Reason.INVALID_PAYLOAD, f"the payload of {algorithm.name} has {wanted} bytes, not {length}")
    if length < algorithm.shortest:
        raise Failure(Reason.INVALID_PAYLOAD, f"the payload of {algorithm.name} is empty")
    if algorithm.scheme == "RAW-PKCS1" and length > (key_size or 0) // 8 - _PKCS1_OVERHEAD:
        raise Failure(Reason.INVALID_PAYLOAD, f"the payload of {algorithm.name} is longer than the key allows")
