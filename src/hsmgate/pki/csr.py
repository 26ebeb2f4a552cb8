"""Certification requests (PKCS#10, RFC 2986): made for our keys, read from strangers, who may ask for anything."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificateIssuerPublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import names, pem, signing
from hsmgate.record import Record

MOST_OCTETS = 64 * 1024  # a request with an RSA-8192 key and a hundred names has below 8 KB
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


class Request(Record):
    """What was asked for, by the holder of the key. `names`: what the subjectAltName of the request holds."""

    subject: x509.Name
    names: tuple[x509.GeneralName, ...]
    public_key: CertificateIssuerPublicKeyTypes


# what pyca raises for requests and certificates that it does not know
UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip


def make(subject: str | x509.Name, key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """A request for a key, DER. Failure: WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE, INVALID_INPUT."""
    digest = signing.digest_for(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]) if isinstance(subject, str) else subject
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest).public_bytes(Encoding.DER)


def read(content: bytes) -> Request:
    """A request in PEM or DER, its signature checked: whoever asks has the key.

    Extensions but the names are not even returned: what a certificate may do is the issuer's to say.
    Failure: INVALID_INPUT, WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE.
    """
    try:
        request = x509.load_der_x509_csr(_der(content))
        if not request.is_signature_valid:
            raise Failure(Reason.INVALID_INPUT, "the request is not signed by the key that it asks for")
        return Request(
            subject=names.printable(request.subject),
            names=_names(request),
            public_key=signing.usable(request.public_key()),
        )
    except UNREADABLE:
        raise Failure(Reason.INVALID_INPUT, "the request is not one that can be read (PKCS#10, PEM or DER)") from None


def _der(content: bytes) -> bytes:
    if len(content) > MOST_OCTETS:
        raise Failure(Reason.INVALID_INPUT, f"a request has at most {MOST_OCTETS} bytes")
    if not content.lstrip().startswith(b"-----BEGIN"):
        return content
    found = [block for block in pem.blocks(content) if block.label in _LABELS]
    if len(found) != 1:
        raise Failure(Reason.INVALID_INPUT, "the file holds no request, or more than one")
    return pem.decode(found[0])


def _names(request: x509.CertificateSigningRequest) -> tuple[x509.GeneralName, ...]:
    try:
        return tuple(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()
