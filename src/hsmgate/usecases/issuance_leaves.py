"""Leaves: issued for a new key or a request, and renewed before they expire."""

from contextlib import suppress
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import csr, issue, names, signing
from hsmgate.record import Record
from hsmgate.usecases import issuance_audit as audit
from hsmgate.usecases import issuance_chain as chains
from hsmgate.usecases.issuance_ports import AuthorityEntry, Certified, IssuancePorts

_PURPOSES = {row.purpose: name for name, row in issue.PROFILES.items()}


class NewLeaf(Record):
    """A leaf to be issued, either for a new key (`key`: file:PATH or keystore:LABEL) or from a request.

    `subject` None: that of the request, or the first DNS name. `lifetime` None: that of the profile.
    """

    profile: str
    issuer: str | None = None
    subject: x509.Name | None = None
    names: tuple[x509.GeneralName, ...] = ()
    key: str = ""
    kind: str = "p256"
    request: bytes | None = None
    request_names: bool = False  # take the names of the request too
    lifetime: timedelta | None = None


class Renewal(Record):
    """A leaf to be renewed: for a new key, from a request, or (neither) for the key that it has."""

    leaf: Certified
    key: str = ""
    kind: str = "p256"
    request: bytes | None = None
    lifetime: timedelta | None = None


class Handed(Record):
    """What is handed out, once it is committed: the certificate, and what stands above it here, the anchor last."""

    certified: Certified
    chain: tuple[bytes, ...]


class _Draft(Record):
    """What a leaf will be, but for its key and its serial number."""

    profile: str
    subject: x509.Name
    names: tuple[x509.GeneralName, ...]
    lifetime: timedelta | None
    public_key: CertificateIssuerPublicKeyTypes | None  # None: of a key that is still to be made
    key: str
    kind: str


def issue_leaf(ports: IssuancePorts, wanted: NewLeaf) -> Handed:
    """Issue a leaf; it is in the register before it is returned.

    Failure: INVALID_INPUT, WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE (key, or a name that a name constraint excludes),
    REVOKED, EXPIRED (the issuer), KEY_EXISTS, as SigningKeys.
    """
    if wanted.profile not in issue.PROFILES:
        raise Failure(Reason.INVALID_INPUT, f"the profiles are: {', '.join(issue.PROFILES)}")
    if bool(wanted.key) == (wanted.request is not None):
        raise Failure(Reason.INVALID_INPUT, "a certificate is issued either for a new key or from a request")
    draft = _draft(wanted)
    entry = chains.only(ports.register, wanted.issuer)
    detail: audit.Detail = {"profile": draft.profile, "subject": draft.subject.rfc4514_string()}
    with audit.audited(ports, audit.ISSUE, authority=entry.name, **detail) as said:
        return _issued(ports, entry, draft, said, None)


def renew_leaf(ports: IssuancePorts, wanted: Renewal) -> Handed:
    """Issue the successor of a leaf: same subject, names and profile. The old one stays as it is until it expires.

    Failure: as `issue_leaf`; INVALID_INPUT (imported without its certificate), REVOKED, EXPIRED (the leaf).
    """
    old = wanted.leaf
    if old.certificate is None:
        raise Failure(Reason.INVALID_INPUT, "its certificate is not here, so it cannot be renewed: issue a new one")
    certificate = x509.load_der_x509_certificate(old.certificate)
    if old.not_after <= ports.now():
        raise Failure(Reason.EXPIRED, f"it expired on {certificate.not_valid_after_utc:%Y-%m-%d}: issue a new one")
    request = None if wanted.request is None else csr.read(wanted.request)
    same = signing.usable(certificate.public_key()) if not wanted.key else None
    draft = _Draft(
        profile=_profile_of(certificate),
        subject=certificate.subject,
        names=_names_of(certificate),
        lifetime=wanted.lifetime,
        public_key=same if request is None else request.public_key,
        key=wanted.key,
        kind=wanted.kind,
    )
    entry = chains.known(ports.register, old.authority)
    with audit.audited(ports, audit.RENEW, authority=entry.name, renews=f"{old.serial:x}", subject=old.subject) as said:
        return _issued(ports, entry, draft, said, old)


def _draft(wanted: NewLeaf) -> _Draft:
    asked = None if wanted.request is None else csr.read(wanted.request)
    found = wanted.names
    if asked is not None and wanted.request_names:
        found = tuple(dict.fromkeys((*found, *names.checked(asked.names))))
    if wanted.profile == "server" and not found and asked is not None and asked.names:
        raise Failure(
            Reason.INVALID_INPUT,
            "names of a request are not taken unasked: look at them, then say so, or give the names yourself",
        )
    if wanted.profile == "responder" and found:
        raise Failure(Reason.INVALID_INPUT, "a responder's certificate has no names")
    return _Draft(
        profile=wanted.profile,
        subject=wanted.subject or (asked.subject if asked is not None else _first_dns(found)),
        names=found,
        lifetime=wanted.lifetime,
        public_key=None if asked is None else asked.public_key,
        key=wanted.key,
        kind=wanted.kind,
    )


def _issued(
    ports: IssuancePorts, entry: AuthorityEntry, draft: _Draft, said: audit.Detail, renews: Certified | None
) -> Handed:
    """Sign, then store in one transaction with the checks that must hold at that moment, then hand out."""
    signer = chains.signer(ports, entry)
    serial = issue.serial_number(ports.octets(issue.SERIAL_OCTETS))
    said["serial"] = f"{serial:x}"
    public_key = draft.public_key or signing.usable(ports.keys.make(draft.key, draft.kind).public_key())
    try:
        usual = issue.PROFILES[draft.profile].lifetime
        certificate = issue.leaf(
            draft.profile,
            draft.subject,
            draft.names,
            public_key,
            signer,
            serial,
            chains.lifetime_of(ports, usual, draft.lifetime, signer.certificate),
        )
        row = chains.row(ports, entry.name, draft.profile, certificate)
        with ports.register.writing() as book:
            chains.check_standing(book, entry, signer)
            chains.check_names(book, entry, certificate)
            if renews is not None and (old := book.find(entry.name, renews.serial)) is not None and old.revoked:
                raise Failure(Reason.REVOKED, f"it is revoked ({old.revoked.reason}), so it is not renewed")
            book.add(row)
            above = tuple(one.certificate for one in chains.chain(book, entry))
    except BaseException:
        _forget(ports, entry.name, serial, draft.key)
        raise
    return Handed(certified=row, chain=above)


def _forget(ports: IssuancePorts, authority: str, serial: int, key: str) -> None:
    """The new key, unless its certificate may be stored all the same: a commit can fail behind its work."""
    with suppress(Failure):
        if key and not any(found.authority == authority for found in ports.register.of_serial(serial)):
            ports.keys.forget(key)


def _first_dns(found: tuple[x509.GeneralName, ...]) -> x509.Name:
    for name in found:
        if isinstance(name, x509.DNSName):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.value[:64])])
    raise Failure(Reason.INVALID_INPUT, "give the certificate a subject")


def _names_of(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    try:
        return tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return ()


def _profile_of(certificate: x509.Certificate) -> str:
    """By what it is for. Failure: INVALID_INPUT."""
    try:
        purposes = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        purposes = []
    if len(purposes) != 1 or purposes[0] not in _PURPOSES:
        raise Failure(
            Reason.INVALID_INPUT, "only server, client and responder certificates are renewed: issue a new one"
        )
    return _PURPOSES[purposes[0]]
