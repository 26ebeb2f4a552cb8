"""Subjects and alternative names of certificates, in the contract's fields (endpoints.md section 6.1)."""

import re
from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der_write, names
from hsmgate.record import Record

MOST_NAMES = 100
_UTF8_STRING = 0x0C
_LONGEST_OTHER = 1000
_OTHER_NAME = re.compile(r"([0-2](?:\.(?:0|[1-9][0-9]{0,9})){1,20});(?:UTF8:)?(.+)")
_COUNTRY = re.compile("[A-Za-z]{2}")
_KINDS = {"DNS": "dns", "IP": "ip", "URI": "uri", "EMAIL": "email"}


class Part(Record):
    """A part of a subject; `longest`: in octets of UTF-8, after RFC 5280 appendix A."""

    field: str  # of standardCertificateAttributes
    oid: x509.ObjectIdentifier
    longest: int = 64


# in the order of the contract; its pseudonym is taken and does not appear
PARTS = (
    Part("commonName", NameOID.COMMON_NAME),
    Part("organizationUnitName", NameOID.ORGANIZATIONAL_UNIT_NAME),
    Part("organizationName", NameOID.ORGANIZATION_NAME),
    Part("organizationIdentifier", NameOID.ORGANIZATION_IDENTIFIER, 256),
    Part("locality", NameOID.LOCALITY_NAME, 128),
    Part("stateOrProvinceName", NameOID.STATE_OR_PROVINCE_NAME, 128),
    Part("country", NameOID.COUNTRY_NAME, 2),
    Part("email", NameOID.EMAIL_ADDRESS, 255),
    Part("title", NameOID.TITLE),
    Part("surname", NameOID.SURNAME),
    Part("givenName", NameOID.GIVEN_NAME),
    Part("initials", NameOID.INITIALS),
    Part("generationQualifier", NameOID.GENERATION_QUALIFIER),
)


def subject(given: Mapping[str, str | None]) -> x509.Name:
    """A subject of these fields; null and empty ones are absent. Failure: INVALID_CERTIFICATE_REQUEST."""
    if not given.get("commonName"):
        raise _wrong("commonName is needed.")
    return x509.Name([_attribute(part, text) for part in PARTS if (text := given.get(part.field))])


def alternative(kind: str, value: str) -> x509.GeneralName:
    """A name of a SAN type; OTHERNAME is `OID;UTF8:text`. Failure: INVALID_CERTIFICATE_REQUEST."""
    if kind == "OTHERNAME":
        return _other(value)
    try:
        return names.general_name(f"{_KINDS[kind]}:{value}")
    except Failure:
        raise _wrong(f"sanValue {value[:80]!a} is not a name of type {kind}.") from None


def checked(found: x509.GeneralName) -> x509.GeneralName:
    """A name of somebody's request, held to the same rules. Failure: INVALID_CERTIFICATE_REQUEST."""
    if isinstance(found, x509.OtherName):
        return _checked_other(found)
    try:
        return names.checked((found,))[0]
    except Failure as failure:
        raise _wrong(failure.detail) from None


def _attribute(part: Part, text: str) -> x509.NameAttribute[str]:
    fits = text.isprintable() and bool(text.strip()) and len(text.encode("utf-8", "replace")) <= part.longest
    if part.field == "country":
        fits = _COUNTRY.fullmatch(text) is not None
    if part.field == "email":
        fits = fits and text.isascii()
    try:
        if fits:
            return x509.NameAttribute(part.oid, text)
    except ValueError:
        pass
    raise _wrong(f"{part.field} {text[:80]!a} is not one that a certificate can hold.")


def _other(value: str) -> x509.OtherName:
    match = _OTHER_NAME.fullmatch(value)
    if match is None or not match[2].isprintable() or len(match[2]) > _LONGEST_OTHER:
        raise _wrong(f"sanValue {value[:80]!a} is not a name of type OTHERNAME: OID;UTF8:text.")
    try:
        oid = x509.ObjectIdentifier(match[1])
    except ValueError:
        raise _wrong(f"sanValue {value[:80]!a} begins with no object identifier.") from None
    return x509.OtherName(oid, der_write.tlv(_UTF8_STRING, match[2].encode()))


def _checked_other(found: x509.OtherName) -> x509.OtherName:
    for head in (2, 3, 4):  # octets of the tag and of a length that is below 65536
        text = found.value[head:].decode("utf-8", "replace")
        if der_write.tlv(_UTF8_STRING, text.encode()) == found.value:
            return _other(f"{found.type_id.dotted_string};UTF8:{text}")
    raise _wrong("The request holds a name of type OTHERNAME that is no UTF8String.")


def _wrong(detail: str) -> Failure:
    return Failure(Reason.INVALID_CERTIFICATE_REQUEST, detail)
