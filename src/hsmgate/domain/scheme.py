"""The signature schemes in the words of the cryptographic library; digests are made before, in domain/digest.py."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from hsmgate.domain.signature_algorithm import SignatureAlgorithm

# RSA has SHA-1 and SHA-2 only, whose lengths tell them apart; NONE_WITH_RSA_PSS is defined by that
_BY_LENGTH: dict[int, hashes.HashAlgorithm] = {
    20: hashes.SHA1(),  # noqa: S303 - the contract has it, for verifiers that know nothing else
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


def rsa_padding(algorithm: SignatureAlgorithm, octets: bytes) -> tuple[padding.AsymmetricPadding, Prehashed]:
    """Padding and hash of PKCS1 and PSS for these octets, of a length that to_be_signed() let pass."""
    hashing = _BY_LENGTH[len(octets)]
    if algorithm.scheme == "PSS":
        return padding.PSS(padding.MGF1(hashing), hashing.digest_size), Prehashed(hashing)
    return padding.PKCS1v15(), Prehashed(hashing)


def ecdsa(octets: bytes, *, deterministic: bool = False) -> ec.ECDSA:
    """ECDSA over octets of any length; the leftmost bits that fit the order are used (FIPS 186-5, 6.4.1)."""
    if deterministic:  # RFC 6979 needs the hash itself: SHA-256, in the contract's one value
        return ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    return ec.ECDSA(digest_of_length(len(octets)))


def digest_of_length(length: int) -> Prehashed:
    """Stands for "a digest of this length": nothing is hashed."""
    return Prehashed(hashes.SHAKE256(length))
