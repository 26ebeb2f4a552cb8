"""Whether a certificate is proven to be the issuer of another, so that a CertID may be made with it."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from hsmgate.errors import Failure
from hsmgate.pki import path as paths


def proves_issuer(cert: x509.Certificate, candidate: x509.Certificate) -> bool:
    """Whether `candidate` issued `cert` beyond doubt: name, signature, AKI where present, and no chosen RSA exponent.

    For one given RSA signature a key that verifies it is easily made where the exponent may be chosen. So it must be
    65537, or the AKI must be the hash of the very key; a subject key identifier is only what a certificate claims.
    """
    try:
        paths.check_signature(cert, candidate)
    except Failure:
        return False
    wanted = _authority_key(cert)
    if wanted is not None and not matches(wanted, candidate):
        return False
    key = candidate.public_key()
    chosen = isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e != 65537
    return not chosen or wanted == _hash_of_key(candidate)


def names_other_key(cert: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the AKI of `cert` says that another key than the issuer's signed it."""
    wanted = _authority_key(cert)
    return wanted is not None and not matches(wanted, issuer)


def matches(wanted: bytes, candidate: x509.Certificate) -> bool:
    """Whether an AKI's key identifier is the candidate's, as its SKI says or as RFC 5280 4.2.1.2 (1) counts it."""
    try:
        claimed = candidate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        claimed = None
    return wanted in (claimed, _hash_of_key(candidate))


def _authority_key(cert: x509.Certificate) -> bytes | None:
    try:
        return cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _hash_of_key(cert: x509.Certificate) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(cert.public_key()).digest
