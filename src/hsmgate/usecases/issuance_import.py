"""Takes over an authority that another program ran, with everything that it issued; may be repeated."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import islice

import msgspec
from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import issue
from hsmgate.pki.issued import HOLD, Revoked
from hsmgate.pki.openssl_ca import Listed
from hsmgate.record import Record
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_ports import (
    IMPORTED,
    AuthorityEntry,
    AuthoritySettings,
    Book,
    Certified,
    IssuancePorts,
)

_BATCH = 1000  # rows of one transaction: others need not wait for all of them


class Foreign(Record):
    """The authority. `key`: where its key is now; empty: not here. `crl_number`: of its newest CRL."""

    name: str
    certificate: x509.Certificate
    key: str
    crl_number: int
    settings: AuthoritySettings = AuthoritySettings()


class Imported(Record):
    """What came of it: certificates that were new, that are revoked since, and that were known so."""

    added: int = 0
    changed: int = 0
    known: int = 0


def take_over(
    ports: IssuancePorts, foreign: Foreign, entries: Iterable[Listed], certificate_of: Callable[[Listed], bytes | None]
) -> Imported:
    """Store what is not stored yet. Nothing that is revoked here becomes good again by this.

    The authority itself comes last, so a responder speaks for it only when all is there. A crash in the middle is
    mended by doing it again. Failure: INVALID_INPUT (another authority has the name; no authority), INTEGRITY (a
    certificate that it did not sign), STORE_UNREADABLE.
    """
    chains.checked_name(foreign.name)
    issue.path_length_of(foreign.certificate)
    _same(ports.register.authority(foreign.name), foreign)
    if foreign.key and ports.keys.open(foreign.key).public_key() != foreign.certificate.public_key():
        raise Failure(Reason.INVALID_INPUT, "the key is not that of the certificate of the authority")
    with audit.audited(ports, audit.IMPORT, authority=foreign.name, key=foreign.key) as said:
        done = Imported()
        rest = iter(entries)
        while batch := list(islice(rest, _BATCH)):
            rows = [_row(ports, foreign, listed, certificate_of(listed)) for listed in batch]
            with ports.register.writing() as book:
                done = _stored(book, foreign.name, rows, done)
            said.update(added=done.added, changed=done.changed)
        with ports.register.writing() as book:
            _store_authority(ports, book, foreign)
    return done


def _stored(book: Book, name: str, rows: list[Certified], done: Imported) -> Imported:
    there = book.find_all(name, [row.serial for row in rows])
    new = {row.serial: row for row in rows if row.serial not in there}
    book.add_all(list(new.values()))
    changed = 0
    for row in rows:
        before = there.get(row.serial)
        if before is not None and (state := _merged(before.revoked, row.revoked)) != before.revoked:
            book.mark(name, row.serial, state)
            changed += 1
    known = len(rows) - len(new) - changed
    return Imported(added=done.added + len(new), changed=done.changed + changed, known=done.known + known)


def _merged(ours: Revoked | None, theirs: Revoked | None) -> Revoked | None:
    """The stricter of both: a revocation over a hold over nothing."""
    if ours is None or (ours.reason == HOLD and theirs is not None and theirs.reason != HOLD):
        return theirs
    return ours


def _row(ports: IssuancePorts, foreign: Foreign, listed: Listed, der: bytes | None) -> Certified:
    row = Certified(
        authority=foreign.name,
        serial=listed.serial,
        profile=IMPORTED,
        subject=listed.subject,
        not_before=0.0,
        not_after=listed.issued.not_after or 0.0,
        certificate=der,
        created=ports.now(),
        revoked=listed.issued.revoked,
    )
    if der is None:
        return row
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        raise Failure(Reason.INTEGRITY, f"{listed.file_name} holds no certificate that can be read") from None
    if certificate.serial_number != listed.serial or not chains.signed_by(certificate, foreign.certificate):
        raise Failure(Reason.INTEGRITY, f"{listed.file_name} is not a certificate that this authority signed")
    return msgspec.structs.replace(
        row,
        subject=certificate.subject.rfc4514_string(),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )


def _store_authority(ports: IssuancePorts, book: Book, foreign: Foreign) -> None:
    there = book.authority(foreign.name)
    _same(there, foreign)
    if there is not None:
        number = max(there.crl_number, foreign.crl_number)
        key = foreign.key or there.signing_key
        book.change_authority(msgspec.structs.replace(there, crl_number=number, signing_key=key))
        return
    der = chains.der_of(foreign.certificate)
    parent = chains.parent_of(book, foreign.certificate)
    book.add_authority(
        AuthorityEntry(
            name=foreign.name,
            certificate=der,
            sha256=sha256(der).hexdigest(),
            parent=None if parent is None else parent.name,
            signing_key=foreign.key,
            settings=foreign.settings,
            crl_number=foreign.crl_number,
            created=ports.now(),
        )
    )


def _same(there: AuthorityEntry | None, foreign: Foreign) -> None:
    if there is not None and there.certificate != chains.der_of(foreign.certificate):
        raise Failure(Reason.INVALID_INPUT, f"there is another authority {foreign.name} already")
