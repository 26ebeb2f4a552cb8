"""Finding a certificate that was issued, revoking it, holding it and releasing it."""

from itertools import islice

import msgspec
from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import revoking
from hsmgate.pki.issued import HOLD
from hsmgate.record import Record
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_ports import Certified, IssuancePorts, Register, Wanted

_SHOWN = 20  # serial numbers of namesakes


class Selector(Record):
    """Which certificate is meant: by serial number, by itself (DER) or by subject (RFC 4514); perhaps of whom."""

    serial: int | None = None
    certificate: bytes | None = None
    subject: str | None = None
    authority: str | None = None


def find(register: Register, wanted: Selector, now: float) -> Certified:
    """The one certificate that is meant. Failure: INVALID_INPUT (none, or several; the message names them)."""
    if wanted.authority is not None:
        chains.known(register, wanted.authority)
    if wanted.certificate is not None:
        return _of_certificate(register, wanted.certificate)
    if wanted.subject is not None:
        return _of_subject(register, wanted.subject, wanted.authority, now)
    found = [one for one in register.of_serial(wanted.serial or 0) if wanted.authority in (None, one.authority)]
    if len(found) > 1:
        issuers = ", ".join(one.authority for one in found)
        raise Failure(Reason.INVALID_INPUT, f"several issued this serial number: {issuers}; name the authority")
    if not found:
        raise Failure(Reason.INVALID_INPUT, f"no certificate with serial number {wanted.serial or 0:x} was issued here")
    return found[0]


def revoke(ports: IssuancePorts, wanted: Selector, reason: str) -> Certified:
    """Revoke a certificate, or put it on hold: reasons are pki.issued.REASONS. From the return on, everybody who asks
    the register knows. Failure: INVALID_INPUT, REVOKED (already).
    """
    revoking.revoked(None, reason, ports.now())  # an unknown reason is told before anything else
    found = find(ports.register, wanted, ports.now())
    detail: audit.Detail = {"serial": f"{found.serial:x}", "subject": found.subject, "reason": reason}
    with audit.audited(ports, audit.REVOKE, authority=found.authority, **detail), ports.register.writing() as book:
        there = book.find(found.authority, found.serial) or found
        state = revoking.revoked(there.revoked, reason, ports.now())
        book.mark(found.authority, found.serial, state)
        return msgspec.structs.replace(there, revoked=state)


def release(ports: IssuancePorts, wanted: Selector) -> Certified:
    """Take a hold back. Failure: INVALID_INPUT (not on hold), REVOKED (for good)."""
    found = find(ports.register, wanted, ports.now())
    detail: audit.Detail = {"serial": f"{found.serial:x}", "subject": found.subject}
    with audit.audited(ports, audit.RELEASE, authority=found.authority, **detail), ports.register.writing() as book:
        there = book.find(found.authority, found.serial) or found
        revoking.released(there.revoked)
        book.mark(found.authority, found.serial, None)
        return msgspec.structs.replace(there, revoked=None)


def state_of(certified: Certified, now: float) -> str:
    """good, held, revoked or expired; a certificate that was revoked stays so when it expires."""
    if certified.revoked is not None:
        return "held" if certified.revoked.reason == HOLD else "revoked"
    return "expired" if certified.not_after < now else "good"


def _of_certificate(register: Register, der: bytes) -> Certified:
    certificate = x509.load_der_x509_certificate(der)
    for entry in register.authorities():
        if chains.signed_by(certificate, chains.certificate_of(entry)):
            found = [one for one in register.of_serial(certificate.serial_number) if one.authority == entry.name]
            if found and found[0].certificate in (None, der):
                return found[0]
    raise Failure(Reason.INVALID_INPUT, "this certificate was not issued here")


def _of_subject(register: Register, subject: str, authority: str | None, now: float) -> Certified:
    """The one of this subject; among namesakes the only one that is in force or on hold."""
    rows = list(islice(register.listed(Wanted(authority=authority, subject=subject), now), 10_000))
    live = [row for row in rows if state_of(row, now) in ("good", "held") and row.not_after >= now]
    found = live if len(rows) > 1 and live else rows
    if not found:
        raise Failure(Reason.INVALID_INPUT, f"no certificate of {subject} was issued here")
    if len(found) > 1:
        serials = ", ".join(f"{row.serial:x}" for row in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Failure(
            Reason.INVALID_INPUT, f"{len(found)} certificates have this subject; name one by serial: {serials}{more}"
        )
    return found[0]
