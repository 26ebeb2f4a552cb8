"""Authorities whose keys are here: a root, one below another, their renewal and their settings."""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256

import msgspec
from cryptography import x509

from hsmgate.errors import Failure, Reason
from hsmgate.pki import issue, signing
from hsmgate.pki.extensions import Constraints
from hsmgate.record import Record
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_ports import AUTHORITY, AuthorityEntry, AuthoritySettings, IssuancePorts


class NewAuthority(Record):
    """An authority to be made. `key`: where its new key goes, file:PATH or keystore:LABEL; `lifetime` None: usual."""

    name: str
    subject: str | x509.Name
    key: str
    kind: str = "p256"
    path_length: int | None = 0
    lifetime: timedelta | None = None
    constraints: Constraints = Constraints()
    settings: AuthoritySettings = AuthoritySettings()


def init(ports: IssuancePorts, wanted: NewAuthority) -> AuthorityEntry:
    """A self-signed authority, with its key, stored. Failure: INVALID_INPUT, KEY_EXISTS, as SigningKeys."""
    check_new(ports, wanted.name)
    with audit.audited(ports, audit.INIT, authority=wanted.name, key=wanted.key) as said:
        key = ports.keys.make(wanted.key, wanted.kind)
        try:
            made = issue.root(
                wanted.subject,
                key,
                issue.serial_number(ports.octets(issue.SERIAL_OCTETS)),
                chains.lifetime_of(ports, issue.AUTHORITY_LIFETIME, wanted.lifetime, None),
                path_length=wanted.path_length,
                constraints=wanted.constraints,
            )
            entry = _entry(ports, wanted, made.certificate, None)
            with ports.register.writing() as book:
                book.add_authority(entry)
        except BaseException:
            _forget(ports, wanted)
            raise
        said.update(said_of(made.certificate))
    return entry


def intermediate(ports: IssuancePorts, wanted: NewAuthority, issuer: str | None) -> AuthorityEntry:
    """An authority below one whose key is here. Failure: as `init`; REVOKED, EXPIRED (the issuer)."""
    check_new(ports, wanted.name)
    above = chains.only(ports.register, issuer)
    with audit.audited(ports, audit.INTERMEDIATE, authority=wanted.name, issuer=above.name, key=wanted.key) as said:
        signer = chains.signer(ports, above)
        key = ports.keys.make(wanted.key, wanted.kind)
        try:
            certificate = issue.intermediate(
                wanted.subject,
                signing.usable(key.public_key()),
                signer,
                issue.serial_number(ports.octets(issue.SERIAL_OCTETS)),
                chains.lifetime_of(ports, issue.AUTHORITY_LIFETIME, wanted.lifetime, signer.certificate),
                path_length=wanted.path_length,
                constraints=wanted.constraints,
            )
            entry = _entry(ports, wanted, certificate, above.name)
            with ports.register.writing() as book:
                chains.check_standing(book, above, signer)
                chains.check_names(book, above, certificate)
                book.add(chains.row(ports, above.name, AUTHORITY, certificate))
                book.add_authority(entry)
        except BaseException:
            _forget(ports, wanted)
            raise
        said.update(said_of(certificate))
    return entry


def renew(ports: IssuancePorts, name: str, lifetime: timedelta | None) -> AuthorityEntry:
    """A new certificate for the key that the authority has, with the same subject, path length and constraints.

    What it issued stays valid below either certificate. Failure: INVALID_INPUT (a key that is not here), REVOKED,
    EXPIRED (the issuer), as SigningKeys.open.
    """
    entry = chains.known(ports.register, name)
    old = chains.certificate_of(entry)
    if entry.parent is None and old.subject != old.issuer:
        raise Failure(Reason.INVALID_INPUT, f"{name} was certified elsewhere: request, sign and install it anew")
    above = None if entry.parent is None else chains.known(ports.register, entry.parent)
    with audit.audited(ports, audit.RENEW, authority=name, renews=f"{old.serial_number:x}") as said:
        signer = chains.signer(ports, above or entry)
        certificate = _renewed(ports, old, signer, lifetime, itself=above is None)
        der = chains.der_of(certificate)
        with ports.register.writing() as book:
            chains.check_standing(book, entry, issue.Authority(certificate=old, key=signer.key))
            if above is not None:
                chains.check_standing(book, above, signer)
                chains.check_names(book, above, certificate)
                book.add(chains.row(ports, above.name, AUTHORITY, certificate))
            entry = msgspec.structs.replace(chains.known(book, name), certificate=der, sha256=sha256(der).hexdigest())
            book.change_authority(entry)
        said.update(said_of(certificate))
    return entry


def _renewed(
    ports: IssuancePorts, old: x509.Certificate, signer: issue.Authority, lifetime: timedelta | None, *, itself: bool
) -> x509.Certificate:
    serial = issue.serial_number(ports.octets(issue.SERIAL_OCTETS))
    path_length, constraints = issue.path_length_of(old), _constraints_of(old)
    above = None if itself else signer.certificate
    times = chains.lifetime_of(ports, issue.AUTHORITY_LIFETIME, lifetime, above)
    if itself:
        made = issue.root(old.subject, signer.key, serial, times, path_length=path_length, constraints=constraints)
        return made.certificate
    public = signing.usable(old.public_key())
    return issue.intermediate(
        old.subject, public, signer, serial, times, path_length=path_length, constraints=constraints
    )


def _constraints_of(certificate: x509.Certificate) -> Constraints:
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return Constraints()
    return Constraints(permitted=tuple(found.permitted_subtrees or ()), excluded=tuple(found.excluded_subtrees or ()))


def change_settings(ports: IssuancePorts, name: str, settings: AuthoritySettings) -> AuthorityEntry:
    """What the authority writes into certificates from now on, and how it publishes CRLs. Failure: INVALID_INPUT."""
    chains.known(ports.register, name)
    with audit.audited(ports, audit.SETTINGS, authority=name, **_flat(settings)), ports.register.writing() as book:
        entry = msgspec.structs.replace(chains.known(book, name), settings=settings)
        book.change_authority(entry)
    return entry


def check_new(ports: IssuancePorts, name: str) -> None:
    """Before a key is made; the register checks again."""
    if ports.register.authority(chains.checked_name(name)) is not None:
        raise Failure(Reason.INVALID_INPUT, f"there is an authority {name} already")


def _forget(ports: IssuancePorts, wanted: NewAuthority) -> None:
    """The new key, unless its authority may be stored all the same: a commit can fail behind its work."""
    with suppress(Failure):
        if ports.register.authority(wanted.name) is None:
            ports.keys.forget(wanted.key)


def _entry(
    ports: IssuancePorts, wanted: NewAuthority, certificate: x509.Certificate, parent: str | None
) -> AuthorityEntry:
    der = chains.der_of(certificate)
    return AuthorityEntry(
        name=wanted.name,
        certificate=der,
        sha256=sha256(der).hexdigest(),
        parent=parent,
        signing_key=wanted.key,
        settings=wanted.settings,
        crl_number=0,
        created=ports.now(),
    )


def said_of(certificate: x509.Certificate) -> audit.Detail:
    """What the trail says of a certificate."""
    return {"serial": f"{certificate.serial_number:x}", "subject": certificate.subject.rfc4514_string()}


def _flat(settings: AuthoritySettings) -> audit.Detail:
    return {"settings": msgspec.json.encode(settings).decode()}
