"""Reads what `openssl ca` keeps: the lines of its index.txt, and its serial files. Texts in, values out."""

import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import HOLD, Issued, Revoked
from hsmgate.record import Record

MOST_LINES = 2_000_000
MOST_CHARACTERS = 8192  # of a line
_FIELDS = 6  # status, expiry, revocation, serial, file, subject
_SERIAL = re.compile(r"[0-9A-Fa-f]{1,40}")
_TIME = re.compile(r"([0-9]{2}|[0-9]{4})([0-9]{10})Z")
_PART = re.compile(r"/(?=[A-Za-z][A-Za-z0-9.]*=)")
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_REASONS = {  # as openssl spells them; some have a value behind a comma
    "": "unspecified",
    "unspecified": "unspecified",
    "keyCompromise": "keyCompromise",
    "CACompromise": "cACompromise",
    "affiliationChanged": "affiliationChanged",
    "superseded": "superseded",
    "cessationOfOperation": "cessationOfOperation",
    "certificateHold": HOLD,
    "holdInstruction": HOLD,
    "keyTime": "keyCompromise",
    "CAkeyTime": "cACompromise",
    "privilegeWithdrawn": "privilegeWithdrawn",
    "AACompromise": "aACompromise",
    "removeFromCRL": "unspecified",  # belongs into delta CRLs; who is listed as revoked, is
}
_ATTRIBUTES = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
}


class Listed(Record):
    """One line: a certificate that was issued. `name`: its subject as openssl wrote it."""

    serial: int
    issued: Issued
    name: str

    @property
    def subject(self) -> str:
        """RFC 4514 where it could be read, else as it stands."""
        return _subject(self.name)

    @property
    def file_name(self) -> str:
        """What openssl calls its copy, in newcerts."""
        text = f"{self.serial:X}"
        return f"{'0' * (len(text) % 2)}{text}.pem"


def listed(line: str) -> Listed:
    """A line without its end. Failure: STORE_UNREADABLE; the caller knows which line it is."""
    fields = line.split("\t")
    if len(line) > MOST_CHARACTERS or len(fields) != _FIELDS:
        raise _broken(f"it has not the {_FIELDS} fields of index.txt, separated by tabs")
    status, expiry, revocation, serial, _, subject = fields
    if status not in ("V", "R", "E") or (status == "R") != bool(revocation):
        raise _broken("its status is not V, R or E, or does not go with its revocation date")
    if not _SERIAL.fullmatch(serial) or int(serial, 16) == 0:
        raise _broken("its serial number is not hexadecimal")
    issued = Issued(not_after=_time(expiry), revoked=_revoked(revocation) if revocation else None)
    return Listed(serial=int(serial, 16), issued=issued, name=subject)


def index(content: bytes) -> dict[int, Issued]:
    """A whole index.txt: certificates by serial number. Failure: STORE_UNREADABLE with the line; without an end too."""
    if content and not content.endswith(b"\n"):
        raise _broken("its last line has no end: it is being written, or was cut off")
    try:
        lines = content.decode().split("\n")[:-1]
    except UnicodeDecodeError:
        raise _broken("it is not UTF-8 text") from None
    if len(lines) > MOST_LINES:
        raise _broken(f"it has more than {MOST_LINES} lines")
    found: dict[int, Issued] = {}
    for at, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            one = listed(line.rstrip("\r"))
        except Failure as failure:
            raise _broken(f"line {at}: {failure}") from None
        if one.serial in found:
            raise _broken(f"line {at}: its serial number is there twice")
        found[one.serial] = one.issued
    return found


def number(text: str) -> int:
    """What a serial or crlnumber file holds: the next one, in hex. Failure: STORE_UNREADABLE."""
    if not _SERIAL.fullmatch(text.strip()):
        raise _broken("it holds no number in hex")
    return int(text.strip(), 16)


def _revoked(text: str) -> Revoked:
    when, _, rest = text.partition(",")
    reason = rest.partition(",")[0]
    if reason not in _REASONS:
        raise _broken("its reason for the revocation is not known")
    return Revoked(at=_time(when), reason=_REASONS[reason])


def _time(text: str) -> float:
    """UTCTime or GeneralizedTime."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise _broken("it has a date that is none")
    year = int(found[1])
    if len(found[1]) == 2:
        year += 2000 if year < 50 else 1900  # RFC 5280 4.1.2.5.1
    month, day, hour, minute, second = (int(found[2][at : at + 2]) for at in range(0, 10, 2))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        raise _broken("it has a date that is none") from None


def _subject(text: str) -> str:
    """`/C=CH/O=Example/CN=a` as RFC 4514. A slash inside a value cannot be told from one before the next attribute."""
    try:
        parts = [part.partition("=") for part in _PART.split(text)[1:]]
        attributes = [x509.NameAttribute(_ATTRIBUTES[kind], _decoded(value)) for kind, _, value in parts]
        return x509.Name(attributes).rfc4514_string() or text
    except (KeyError, ValueError):
        return text


def _decoded(value: str) -> str:
    octets = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
    try:
        return octets.encode("latin-1").decode()
    except UnicodeError:
        return octets


def _broken(why: str) -> Failure:
    return Failure(Reason.STORE_UNREADABLE, why)
