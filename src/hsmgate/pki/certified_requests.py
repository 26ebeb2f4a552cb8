"""Certification requests of strangers (PKCS#10), for the key API: what of them a certificate may repeat."""

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import certified_names, names
from hsmgate.pki.certified import EXTENDED_KEY_USAGES, KEY_USAGES, Wanted
from hsmgate.pki.csr import MOST_OCTETS, UNREADABLE
from hsmgate.record import Record

_MADE_ANEW = {ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER}


class Asked(Record):
    """A request whose signature holds. `public_key`: SubjectPublicKeyInfo DER."""

    subject: x509.Name
    public_key: bytes
    extensions: x509.Extensions


def read(der: bytes) -> Asked:
    """Failure: CSR_ENCODING (cannot be read), INVALID_CERTIFICATE_REQUEST (not signed by the key it asks for)."""
    if len(der) > MOST_OCTETS:
        raise Failure(Reason.CSR_ENCODING, f"certificateSigningRequest is longer than {MOST_OCTETS} bytes.")
    try:
        request = x509.load_der_x509_csr(der)
        proven = request.is_signature_valid
        asked = Asked(
            subject=request.subject,
            public_key=request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            extensions=request.extensions,
        )
    except UNREADABLE:
        raise Failure(
            Reason.CSR_ENCODING, "certificateSigningRequest is no request (PKCS#10) that can be read."
        ) from None
    if not proven:
        raise _wrong("certificateSigningRequest is not signed by the key that it asks for.")
    return asked


def subject(asked: Asked) -> x509.Name:
    """Its subject, as it stands. Failure: INVALID_CERTIFICATE_REQUEST."""
    try:
        return names.printable(asked.subject)
    except Failure as failure:
        raise _wrong(f"The subject of the request cannot be certified: {failure.detail}.") from None


def copied(wanted: Wanted, asked: Asked) -> Wanted:
    """What is wanted, with what the request asks for beside it: the wish of the authority is the stronger one.

    Nobody becomes an authority by asking. Failure: INVALID_CERTIFICATE_REQUEST (what is not copied).
    """
    found = wanted
    for extension in asked.extensions:
        value = extension.value
        if isinstance(value, x509.KeyUsage):
            found = found if wanted.key_usage else msgspec.structs.replace(found, key_usage=_usages(value))
        elif isinstance(value, x509.ExtendedKeyUsage):
            purposes = _purposes(value)
            found = found if wanted.extended_key_usage else msgspec.structs.replace(found, extended_key_usage=purposes)
        elif isinstance(value, x509.SubjectAlternativeName):
            found = found if wanted.names else msgspec.structs.replace(found, names=_names(value))
        elif isinstance(value, x509.BasicConstraints):
            if value.ca and not wanted.authority:
                raise _wrong("The request asks for an authority: say certificateAuthority true, or NO_COPY.")
        elif extension.oid not in _MADE_ANEW:
            raise _wrong(f"The request asks for extension {extension.oid.dotted_string}, which is never copied.")
    return found


def _usages(value: x509.KeyUsage) -> tuple[str, ...]:
    def is_set(field: str) -> bool:
        only_with_agreement = field in {"encipher_only", "decipher_only"}
        return bool((value.key_agreement or not only_with_agreement) and getattr(value, field))

    return tuple(name for name, field in KEY_USAGES.items() if is_set(field))


def _purposes(value: x509.ExtendedKeyUsage) -> tuple[str, ...]:
    by_oid = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
    for oid in value:
        if oid not in by_oid:
            raise _wrong(f"The request asks for the extended usage {oid.dotted_string}, which is never copied.")
    return tuple(dict.fromkeys(by_oid[oid] for oid in value))


def _names(value: x509.SubjectAlternativeName) -> tuple[x509.GeneralName, ...]:
    found = list(value)
    if len(found) > certified_names.MOST_NAMES:
        raise _wrong(f"A certificate has at most {certified_names.MOST_NAMES} names.")
    return tuple(certified_names.checked(name) for name in found)


def _wrong(detail: str) -> Failure:
    return Failure(Reason.INVALID_CERTIFICATE_REQUEST, detail)
