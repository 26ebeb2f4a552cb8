"""Signs octets with any kind of private key, and names the algorithm as X.509 does."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der_write as write
from hsmgate.pki.path import MIN_EC_BITS, MIN_RSA_BITS

# in memory, or an object of the same class that signs in a token
SignerKey = CertificateIssuerPrivateKeyTypes

_RSA_SHA256 = write.sequence(write.oid("1.2.840.113549.1.1.11"), write.NULL)
_ECDSA: tuple[tuple[int, hashes.SHA256 | hashes.SHA384 | hashes.SHA512, bytes], ...] = (  # up to this size of the curve
    (256, hashes.SHA256(), write.sequence(write.oid("1.2.840.10045.4.3.2"))),
    (384, hashes.SHA384(), write.sequence(write.oid("1.2.840.10045.4.3.3"))),
    (10_000, hashes.SHA512(), write.sequence(write.oid("1.2.840.10045.4.3.4"))),
)
_ED25519 = write.sequence(write.oid("1.3.101.112"))
_ED448 = write.sequence(write.oid("1.3.101.113"))


def check_key(key: object) -> SignerKey:
    """A key that may sign for others to believe. Failure: WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE (its type)."""
    if isinstance(key, rsa.RSAPrivateKey):
        bits, least = key.key_size, MIN_RSA_BITS
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        bits, least = key.curve.key_size, MIN_EC_BITS
    elif isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key
    else:
        raise Failure(Reason.UNSUPPORTED_CERTIFICATE, "keys of this type sign no OCSP answers")
    if bits < least:
        raise Failure(Reason.WEAK_CERTIFICATE, f"a signing key of {bits} bits is too weak, at least {least} needed")
    return key


def digest_of(key: SignerKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The digest that goes with a key; None: EdDSA hashes by itself."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return next(digest for most, digest, _ in _ECDSA if key.curve.key_size <= most)
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def sign(key: SignerKey, octets: bytes) -> tuple[bytes, bytes]:
    """(AlgorithmIdentifier DER, signature). RSA: PKCS#1 v1.5 with SHA-256; ECDSA: the digest of the curve's size."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _RSA_SHA256, key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        digest, algorithm = next((d, a) for most, d, a in _ECDSA if key.curve.key_size <= most)
        return algorithm, key.sign(octets, ec.ECDSA(digest))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _ED25519, key.sign(octets)
    if isinstance(key, ed448.Ed448PrivateKey):
        return _ED448, key.sign(octets)
    raise Failure(Reason.UNSUPPORTED_CERTIFICATE, "keys of this type sign no OCSP answers")
