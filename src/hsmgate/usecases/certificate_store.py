"""The certificates beside keys: each is of its key, or it is not kept."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.pki.csr import UNREADABLE
from hsmgate.usecases.ports import Certificates, Ports


def certificates(ports: Ports) -> Certificates:
    """Failure: NOT_IMPLEMENTED (there is no store)."""
    if ports.certificates is None:
        raise Failure(Reason.NOT_IMPLEMENTED, "Certificates are not served here.")
    return ports.certificates


def put(ports: Ports, key: Key, der: bytes) -> None:
    """Keep it. Failure: CERTIFICATE_ENCODING, INVALID_CERTIFICATE (of another key), KEY_NOT_FOUND (it is gone)."""
    if public_key_of(der) != key.public_key:
        raise Failure(Reason.INVALID_CERTIFICATE, f"The certificate is not one of the key '{key.label}'.")
    certificates(ports).put(key, der)


def find(ports: Ports, key: Key) -> bytes | None:
    """The certificate of a key, where it has one. Failure: INTEGRITY."""
    return None if ports.certificates is None else ports.certificates.find(key)


def der_of(given: bytes) -> bytes:
    """The octets of one certificate and nothing else. Failure: CERTIFICATE_ENCODING."""
    public_key_of(given)
    return given


def public_key_of(der: bytes) -> bytes:
    """SubjectPublicKeyInfo DER, as keys have it. Failure: CERTIFICATE_ENCODING."""
    try:
        public = x509.load_der_x509_certificate(der).public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE:
        raise Failure(Reason.CERTIFICATE_ENCODING, "certificate is no X.509 certificate (DER, Base64).") from None
