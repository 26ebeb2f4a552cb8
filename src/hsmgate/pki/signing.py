"""Which keys certificates may have here, and with which digest an authority signs."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificateIssuerPublicKeyTypes,
    PublicKeyTypes,
)

from hsmgate.errors import Failure, Reason

LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
EDWARDS = (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
_DIGESTS: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "secp256r1": hashes.SHA256,  # FIPS 186-5: a digest as strong as the curve
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}


def usable(key: PublicKeyTypes) -> CertificateIssuerPublicKeyTypes:
    """The key, as one that a certificate may have. Failure: WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE."""
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key.key_size, key.public_numbers().e)
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _DIGESTS:
            raise _unsupported(f"a key on {key.curve.name}")
        return key
    if isinstance(key, EDWARDS):
        return key
    raise _unsupported("a key of this type")


def digest_for(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The digest that goes with the key; None: EdDSA hashes by itself. Failure: as `usable`."""
    public = usable(key.public_key())
    if isinstance(public, EDWARDS):
        return None
    return _DIGESTS[public.curve.name]() if isinstance(public, ec.EllipticCurvePublicKey) else hashes.SHA256()


def _check_rsa(bits: int, exponent: int) -> None:
    if bits < LEAST_RSA_BITS:
        raise Failure(Reason.WEAK_CERTIFICATE, f"an RSA key needs at least {LEAST_RSA_BITS} bits")
    if bits > MOST_RSA_BITS:  # everybody who verifies pays for it
        raise _unsupported(f"an RSA key of more than {MOST_RSA_BITS} bits")
    if exponent < 65537:  # FIPS 186-5 5.4
        raise Failure(Reason.WEAK_CERTIFICATE, "an RSA key needs a public exponent of at least 65537")


def _unsupported(what: str) -> Failure:
    return Failure(
        Reason.UNSUPPORTED_CERTIFICATE, f"{what} is not certified here: RSA, P-256, P-384, P-521, Ed25519 or Ed448"
    )
