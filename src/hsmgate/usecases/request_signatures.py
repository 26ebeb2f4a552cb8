"""Signatures that the calling application makes over its requests (approvals.md section 6)."""

from collections.abc import Callable
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hsmgate.domain.compact_json import compact
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_DIGESTS: MappingProxyType[str, Callable[[], hashes.HashAlgorithm]] = MappingProxyType(
    {
        "SHA-224": hashes.SHA224,
        "SHA-256": hashes.SHA256,
        "SHA-384": hashes.SHA384,
        "SHA-512": hashes.SHA512,
        "SHA3-224": hashes.SHA3_224,
        "SHA3-256": hashes.SHA3_256,
        "SHA3-384": hashes.SHA3_384,
        "SHA3-512": hashes.SHA3_512,
    }
)
_EDDSA = "EdDSA"
DIGESTS = (*_DIGESTS, _EDDSA)
_MOST_RSA_BITS = 16384


class RequestSignature(Record):
    """A signature and who made it: a public key (SubjectPublicKeyInfo) or a certificate, DER."""

    signature: bytes
    digest: str
    public_key: bytes | None = None
    certificate: bytes | None = None


def verify(given: RequestSignature, text: bytes) -> None:
    """Whether it signs the compact form of `text`, the octets of the inner object as they came.

    Failure: SIGNATURE_INVALID, INVALID_INPUT (no or two signers, a digest that there is not), INVALID_CERTIFICATE.
    """
    _check(given, compact(text), "requestSignature")


def signer_of(given: RequestSignature) -> bytes:
    """The key of the signer as SubjectPublicKeyInfo. Failure: INVALID_INPUT, INVALID_CERTIFICATE."""
    key = _signer(given)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def meta_data_holds(given: RequestSignature, meta_data: bytes, signature: bytes) -> bool:
    """Whether the signer of the request signed its metadata too. Never a reason to refuse: older clients put
    something else there.
    """
    try:
        _check(RequestSignature(signature, given.digest, given.public_key, given.certificate), meta_data, "")
    except Failure:
        return False
    return True


def _check(given: RequestSignature, data: bytes, name: str) -> None:
    if given.digest not in DIGESTS:
        raise Failure(Reason.INVALID_INPUT, f"digestAlgorithm of {name} is one of {', '.join(DIGESTS)}.")
    try:
        _verify(_signer(given), given, data)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise Failure(Reason.SIGNATURE_INVALID, f"{name} does not verify.") from None


def _signer(given: RequestSignature) -> PublicKeyTypes:
    if (given.public_key is None) == (given.certificate is None):
        raise Failure(Reason.INVALID_INPUT, "requestSignature needs publicKey or certificate, one of them.")
    try:
        if given.certificate is not None:
            return x509.load_der_x509_certificate(given.certificate).public_key()
        return load_der_public_key(given.public_key or b"")
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        name = "publicKey" if given.certificate is None else "certificate"
        raise Failure(Reason.INVALID_CERTIFICATE, f"{name} of requestSignature cannot be read.") from None


def _verify(key: object, given: RequestSignature, data: bytes) -> None:
    """The formats of the JDK: PKCS#1 v1.5, DER, and the raw octets of EdDSA."""
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(given.signature, data)
    elif given.digest == _EDDSA:
        raise InvalidSignature
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size <= _MOST_RSA_BITS:
        key.verify(given.signature, data, padding.PKCS1v15(), _DIGESTS[given.digest]())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(given.signature, data, ec.ECDSA(_DIGESTS[given.digest]()))
    elif isinstance(key, dsa.DSAPublicKey):
        key.verify(given.signature, data, _DIGESTS[given.digest]())
    else:
        raise InvalidSignature
