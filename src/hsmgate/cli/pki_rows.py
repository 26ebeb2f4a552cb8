"""What `hsmgate pki` prints: authorities and certificates as rows."""

import time

from cryptography import x509

from hsmgate.cli.pki_read import fingerprint
from hsmgate.record import Record
from hsmgate.usecases.issuance_ports import AuthorityEntry, Certified
from hsmgate.usecases.issuance_states import state_of


class Authority(Record):
    """One authority. `key`: where its private key is; empty: not here."""

    name: str
    issuer: str
    subject: str
    expires: str
    key: str
    sha256: str
    ocsp: str
    crl: str


class Certificate(Record):
    """One certificate that was issued. `state`: good, held, revoked or expired."""

    serial: str
    authority: str
    profile: str
    state: str
    expires: str
    subject: str
    reason: str
    revoked: str


class Whole(Record):
    """One certificate with what a list leaves out."""

    serial: str
    authority: str
    profile: str
    state: str
    begins: str
    expires: str
    subject: str
    reason: str
    revoked: str
    names: str
    sha256: str


class Made(Record):
    """A certificate that was issued just now, and the files that were written."""

    serial: str
    authority: str
    profile: str
    subject: str
    expires: str
    files: str


def authority(entry: AuthorityEntry) -> Authority:
    """An authority as it is shown."""
    certificate = x509.load_der_x509_certificate(entry.certificate)
    issuer = "itself" if certificate.issuer == certificate.subject else certificate.issuer.rfc4514_string()
    return Authority(
        name=entry.name,
        issuer=entry.parent or issuer,
        subject=certificate.subject.rfc4514_string(),
        expires=moment(certificate.not_valid_after_utc.timestamp()),
        key=entry.signing_key,
        sha256=entry.sha256,
        ocsp=" ".join(entry.settings.points.ocsp),
        crl=" ".join(entry.settings.points.crl),
    )


def certificate(certified: Certified, now: float) -> Certificate:
    """A certificate as a list shows it."""
    revoked = certified.revoked
    return Certificate(
        serial=f"{certified.serial:x}",
        authority=certified.authority,
        profile=certified.profile,
        state=state_of(certified, now),
        expires=moment(certified.not_after),
        subject=certified.subject,
        reason=revoked.reason if revoked else "",
        revoked=moment(revoked.at) if revoked else "",
    )


def whole(certified: Certified, now: float) -> Whole:
    """Everything that is known of a certificate."""
    row = certificate(certified, now)
    return Whole(
        serial=row.serial,
        authority=row.authority,
        profile=row.profile,
        state=row.state,
        begins=moment(certified.not_before),
        expires=row.expires,
        subject=row.subject,
        reason=row.reason,
        revoked=row.revoked,
        names=_names(certified.certificate),
        sha256=fingerprint(certified.certificate),
    )


def made(certified: Certified, files: tuple[str, ...]) -> Made:
    """What was issued."""
    return Made(
        serial=f"{certified.serial:x}",
        authority=certified.authority,
        profile=certified.profile,
        subject=certified.subject,
        expires=moment(certified.not_after),
        files=" ".join(files),
    )


def moment(seconds: float) -> str:
    """RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _names(der: bytes | None) -> str:
    if der is None:
        return ""
    try:
        found = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return " ".join(str(name.value) for name in found.value)
