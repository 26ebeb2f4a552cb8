"""From certificates as they stand in a store to entries: parsed, named uniquely, each certificate once."""

import unicodedata
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cryptography import x509
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki.store_limits import ALIAS_CHARACTERS, CERTIFICATE_BYTES, ENTRIES
from hsmgate.record import Record

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # they could forge log lines or turn the reading direction


class Entry(Record):
    """One certificate of a truststore. Aliases are unique without regard to case."""

    alias: str
    der: bytes

    @property
    def sha256(self) -> str:
        """Lower-case hex."""
        return sha256(self.der).hexdigest()


class Found(Record):
    """A certificate as a format's reader found it; `alias` None: the format or the file gives none."""

    alias: str | None
    der: bytes


def printable(text: str) -> bool:
    """Whether the text can stand in a log line as it is."""
    return all(unicodedata.category(character) not in _UNPRINTABLE for character in text)


def certificate(der: bytes, where: str) -> x509.Certificate:
    """Parse one certificate with its names and dates. Failure: STORE_UNREADABLE naming `where`."""
    if len(der) > CERTIFICATE_BYTES:
        raise Failure(
            Reason.STORE_UNREADABLE,
            f"{where} is a certificate of {len(der)} bytes; at most {CERTIFICATE_BYTES} are accepted",
        )
    try:
        parsed = x509.load_der_x509_certificate(der)
        _ = parsed.subject, parsed.issuer, parsed.not_valid_before_utc, parsed.not_valid_after_utc, parsed.serial_number
    except (ValueError, TypeError, x509.InvalidVersion):  # TypeError: pyca's word for a BIT STRING in a name
        raise Failure(Reason.STORE_UNREADABLE, f"{where} is a certificate that does not parse") from None
    return parsed


def name_of(der: bytes, where: str) -> str:
    """An alias that depends on the certificate alone: its common name and the start of its SHA-256."""
    subject = certificate(der, where).subject
    parts = subject.get_attributes_for_oid(NameOID.COMMON_NAME) or list(subject)
    value = parts[-1].value if parts else ""
    text = value if isinstance(value, str) else ""
    name = "".join(character if printable(character) else "?" for character in text[:64]).strip()
    return f"{name or 'certificate'}-{sha256(der).hexdigest()[:8]}"


def named(found: Sequence[Found]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """One entry for each certificate found, in order and doubles too, with unique aliases; and the warnings."""
    if len(found) > ENTRIES:
        raise Failure(Reason.STORE_UNREADABLE, f"holds {len(found)} certificates; at most {ENTRIES} are accepted")
    taken: dict[str, bytes] = {}
    entries, warnings = [], []
    for number, item in enumerate(found, 1):
        wanted = item.alias or name_of(item.der, f"entry {number}")
        certificate(item.der, f"entry {number}")
        if len(wanted) > ALIAS_CHARACTERS:
            raise Failure(Reason.STORE_UNREADABLE, f"entry {number} has an alias of {len(wanted)} characters")
        if not printable(wanted):
            raise Failure(Reason.STORE_UNREADABLE, f"entry {number} has an alias that cannot be printed")
        alias = _free(wanted, item.der, number, taken)
        if alias != wanted and taken[wanted.lower()] != item.der:
            warnings.append(f'two certificates have the alias "{wanted}"; the second is called "{alias}" here')
        taken[alias.lower()] = item.der
        entries.append(Entry(alias=alias, der=item.der))
    return tuple(entries), tuple(warnings)


def _free(wanted: str, der: bytes, number: int, taken: Mapping[str, bytes]) -> str:
    """The first free form of an alias; only a file written to collide has none."""
    digest = sha256(der).hexdigest()[:8]
    for alias in (wanted, f"{wanted}-{digest}", f"{wanted}-{digest}-{number}"):
        if alias.lower() not in taken:
            return alias
    raise Failure(Reason.STORE_UNREADABLE, f"entry {number} has an alias that collides with those of others")


def once(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Each certificate once, under its first alias; a warning names both aliases."""
    first: dict[bytes, Entry] = {}
    warnings = []
    for entry in entries:
        kept = first.setdefault(entry.der, entry)
        if kept is not entry:
            warnings.append(f'"{kept.alias}" and "{entry.alias}" are the same certificate; it counts once')
    return tuple(first.values()), tuple(warnings)
