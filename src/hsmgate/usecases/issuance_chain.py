"""Who signs, and what stands above: the authorities of the register as issuers."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.errors import Failure, Reason
from hsmgate.pki import issue, name_constraints
from hsmgate.pki.issue import Validity
from hsmgate.usecases.issuance_ports import AuthorityEntry, Book, Certified, IssuancePorts, Register

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # also the name of its files
_DEEPEST = 10  # certificates of a path, as the gate takes them


def checked_name(name: str) -> str:
    """A name for an authority. Failure: INVALID_INPUT."""
    if not _NAME.fullmatch(name):
        raise Failure(
            Reason.INVALID_INPUT, "the name of an authority has 1 to 64 letters, digits, dots, dashes and underscores"
        )
    return name


def known(source: Register | Book, name: str) -> AuthorityEntry:
    """The authority of this name. Failure: INVALID_INPUT."""
    entry = source.authority(name)
    if entry is None:
        there = ", ".join(one.name for one in source.authorities()) or "none yet"
        raise Failure(Reason.INVALID_INPUT, f"there is no authority {name}; there are: {there}")
    return entry


def only(source: Register | Book, name: str | None) -> AuthorityEntry:
    """The authority of this name; without one, the only one whose key is here. Failure: INVALID_INPUT."""
    if name is not None:
        return known(source, name)
    able = [entry for entry in source.authorities() if entry.signing_key]
    if len(able) != 1:
        names = ", ".join(entry.name for entry in able) or "none"
        raise Failure(Reason.INVALID_INPUT, f"name the authority; those with a key here: {names}")
    return able[0]


def certificate_of(entry: AuthorityEntry) -> x509.Certificate:
    """Its own certificate."""
    return x509.load_der_x509_certificate(entry.certificate)


def der_of(certificate: x509.Certificate) -> bytes:
    """As it is stored and compared."""
    return certificate.public_bytes(Encoding.DER)


def signer(ports: IssuancePorts, entry: AuthorityEntry) -> issue.Authority:
    """The authority with its key opened. Failure: INVALID_INPUT (its key is not here), as SigningKeys.open."""
    if not entry.signing_key:
        raise Failure(Reason.INVALID_INPUT, f"the key of {entry.name} is not here: sign where it is")
    key = ports.keys.open(entry.signing_key)
    return issue.Authority(certificate=certificate_of(entry), key=key, points=entry.settings.points)


def chain(source: Register | Book, entry: AuthorityEntry) -> list[AuthorityEntry]:
    """The authority and those above it that are here, the anchor last."""
    found = [entry]
    while entry.parent is not None and len(found) < _DEEPEST:
        above = source.authority(entry.parent)
        if above is None:
            break
        entry = above
        found.append(entry)
    return found


def check_standing(book: Book, entry: AuthorityEntry, key: issue.Authority) -> None:
    """The issuer is what it was when it signed, and nobody above has revoked it. Failure: INVALID_INPUT, REVOKED."""
    now_there = known(book, entry.name)
    if now_there.sha256 != sha256(der_of(key.certificate)).hexdigest():
        raise Failure(
            Reason.INVALID_INPUT, f"the certificate of {entry.name} was replaced meanwhile: repeat the command"
        )
    line = chain(book, entry)
    for below, above in pairwise(line):
        row = book.find(above.name, certificate_of(below).serial_number)
        if row is not None and row.revoked is not None:
            raise Failure(
                Reason.REVOKED, f"the authority {below.name} is revoked ({row.revoked.reason}): it issues no more"
            )


def check_names(source: Register | Book, entry: AuthorityEntry, certificate: x509.Certificate) -> None:
    """Hold what was signed against the name constraints of everybody above. Failure: UNSUPPORTED_CERTIFICATE."""
    below = [certificate]
    for one in chain(source, entry):
        above = certificate_of(one)
        try:
            constraints = above.extensions.get_extension_for_class(x509.NameConstraints).value
            name_constraints.check(constraints, below)
        except x509.ExtensionNotFound:
            pass
        except Failure as failure:
            raise Failure(failure.reason, f"{one.name} may not stand above this: {failure.detail}") from None
        below.append(above)


def parent_of(source: Register | Book, certificate: x509.Certificate) -> AuthorityEntry | None:
    """The authority here that signed it, which is not itself."""
    for entry in source.authorities():
        above = certificate_of(entry)
        if above.subject == certificate.issuer and above != certificate and signed_by(certificate, above):
            return entry
    return None


def signed_by(certificate: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether names and signature fit."""
    try:
        certificate.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def lifetime_of(
    ports: IssuancePorts, usual: timedelta, wanted: timedelta | None, issuer: x509.Certificate | None
) -> Validity:
    """From now; the usual lifetime ends with that of the issuer, one that was asked for is refused beyond it.

    Failure: EXPIRED (the issuer), INVALID_INPUT.
    """
    now = datetime.fromtimestamp(ports.now(), UTC)
    given = issue.validity(now, usual if wanted is None else wanted)
    if issuer is None:
        return given
    if issuer.not_valid_after_utc <= now:
        raise Failure(Reason.EXPIRED, f"the issuer expired on {issuer.not_valid_after_utc:%Y-%m-%d}: renew it first")
    end = given.not_after if wanted is not None else min(given.not_after, issuer.not_valid_after_utc)
    return Validity(not_before=max(given.not_before, issuer.not_valid_before_utc), not_after=end)


def row(ports: IssuancePorts, authority: str, profile: str, certificate: x509.Certificate) -> Certified:
    """The row of a certificate that was issued just now."""
    return Certified(
        authority=authority,
        serial=certificate.serial_number,
        profile=profile,
        subject=certificate.subject.rfc4514_string(),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        certificate=der_of(certificate),
        created=ports.now(),
    )
