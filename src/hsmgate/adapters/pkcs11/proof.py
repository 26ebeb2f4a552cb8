"""No signature leaves unverified: handles may have come to point at other keys."""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsmgate.domain.scheme import ecdsa, rsa_padding
from hsmgate.domain.signature_algorithm import SignatureAlgorithm

_load = lru_cache(maxsize=1024)(load_der_public_key)
_ecdsa = lru_cache(maxsize=64)(lambda length: ecdsa(bytes(length)))  # it depends on nothing else


def is_sound(public_key: bytes, algorithm: SignatureAlgorithm, octets: bytes, signature: bytes) -> bool:
    """Whether a signature over what to_be_signed() gave verifies under the SubjectPublicKeyInfo of the record."""
    public = _load(public_key)
    try:
        if isinstance(public, rsa.RSAPublicKey) and algorithm.scheme == "RAW-PKCS1":
            return public.recover_data_from_signature(signature, PKCS1v15(), None) == octets
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, octets, *rsa_padding(algorithm, octets))
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, octets, _ecdsa(len(octets)))
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, octets)
        else:
            return False
    except InvalidSignature:
        return False
    return True
