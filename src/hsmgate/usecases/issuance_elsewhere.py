"""Authorities whose certificates are made where their keys are not: requested, signed there, installed here."""

from datetime import timedelta
from hashlib import sha256

from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import csr, issue, signing
from hsmgate.pki.extensions import Constraints
from hsmgate.record import Record
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_authorities import said_of
from hsmgate.usecases.issuance_ports import AUTHORITY, AuthorityEntry, AuthoritySettings, IssuancePorts


class SignedAuthority(Record):
    """An authority whose key is elsewhere, to be certified from its request."""

    request: bytes
    subject: x509.Name | None = None  # None: as the request has it
    path_length: int | None = 0
    lifetime: timedelta | None = None
    constraints: Constraints = Constraints()


def request(ports: IssuancePorts, name: str, subject: str | x509.Name, key: str, kind: str) -> bytes:
    """The key of an authority that is signed elsewhere, stored; returns the request (PKCS#10 DER). Then: `install`.

    For an authority that is here, to be renewed: a request with the subject and the key that it has.
    Failure: KEY_EXISTS, INVALID_INPUT, as SigningKeys.
    """
    there = ports.register.authority(chains.checked_name(name))
    with audit.audited(ports, audit.REQUEST, authority=name, key=there.signing_key if there else key):
        if there is None:
            return csr.make(subject, ports.keys.make(key, kind))
        return csr.make(chains.certificate_of(there).subject, chains.signer(ports, there).key)


def sign_request(ports: IssuancePorts, wanted: SignedAuthority, issuer: str | None) -> x509.Certificate:
    """Certify an authority whose key is elsewhere. Of the request only subject and key are taken.

    Failure: INVALID_INPUT, WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE, REVOKED, EXPIRED.
    """
    asked = csr.read(wanted.request)
    above = chains.only(ports.register, issuer)
    subject = asked.subject if wanted.subject is None else wanted.subject
    with audit.audited(
        ports, audit.ISSUE, authority=above.name, profile=AUTHORITY, subject=subject.rfc4514_string()
    ) as said:
        signer = chains.signer(ports, above)
        certificate = issue.intermediate(
            subject,
            asked.public_key,
            signer,
            issue.serial_number(ports.octets(issue.SERIAL_OCTETS)),
            chains.lifetime_of(ports, issue.AUTHORITY_LIFETIME, wanted.lifetime, signer.certificate),
            path_length=wanted.path_length,
            constraints=wanted.constraints,
        )
        with ports.register.writing() as book:
            chains.check_standing(book, above, signer)
            chains.check_names(book, above, certificate)
            book.add(chains.row(ports, above.name, AUTHORITY, certificate))
        said.update(said_of(certificate))
    return certificate


def install(
    ports: IssuancePorts, name: str, certificate: x509.Certificate, key: str, settings: AuthoritySettings
) -> AuthorityEntry:
    """Take an authority with the certificate that it was given elsewhere. `key` empty: its key is not here.

    An authority that is here takes a new certificate for the subject and the key that it has; its settings stay.
    Failure: INVALID_INPUT (no authority; another key's certificate), EXPIRED, as SigningKeys.open.
    """
    chains.checked_name(name)
    issue.path_length_of(certificate)
    signing.usable(certificate.public_key())
    if certificate.not_valid_after_utc.timestamp() <= ports.now():
        raise Failure(Reason.EXPIRED, f"the certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    with audit.audited(ports, audit.INSTALL, authority=name, key=key, **said_of(certificate)):
        if key and ports.keys.open(key).public_key() != certificate.public_key():
            raise Failure(Reason.INVALID_INPUT, f"{key} is not the key of this certificate")
        if certificate.subject == certificate.issuer and not chains.signed_by(certificate, certificate):
            raise Failure(Reason.INVALID_INPUT, "the certificate names itself as its issuer, and did not sign itself")
        with ports.register.writing() as book:
            parent = chains.parent_of(book, certificate)
            if parent is not None:
                chains.check_names(book, parent, certificate)
            there = book.authority(name)
            entry = AuthorityEntry(
                name=name,
                certificate=chains.der_of(certificate),
                sha256=sha256(chains.der_of(certificate)).hexdigest(),
                parent=None if parent is None else parent.name,
                signing_key=key if there is None else there.signing_key or key,
                settings=settings if there is None else there.settings,
                crl_number=0 if there is None else there.crl_number,
                created=ports.now() if there is None else there.created,
            )
            if there is None:
                book.add_authority(entry)
            else:
                _check_same(there, certificate)
                book.change_authority(entry)
    return entry


def _check_same(there: AuthorityEntry, certificate: x509.Certificate) -> None:
    """What it issued stays below it only with the same name and key."""
    old = chains.certificate_of(there)
    if old.subject != certificate.subject or old.public_key() != certificate.public_key():
        raise Failure(Reason.INVALID_INPUT, f"there is an authority {there.name} already, with another subject or key")
    if old == certificate:
        raise Failure(Reason.INVALID_INPUT, f"there is an authority {there.name} already, with this certificate")
