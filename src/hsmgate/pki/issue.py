"""Builds certificates (RFC 5280 profile, always v3): authorities, and server, client and responder leaves."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificateIssuerPublicKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import extensions, signing
from hsmgate.pki.extensions import Constraints, Points
from hsmgate.record import Record

AUTHORITY_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=397)  # what browsers accept at most is 398
CLIENT_LIFETIME = timedelta(days=825)
RESPONDER_LIFETIME = timedelta(days=30)  # RFC 6960 4.2.2.2.1: short, since nobody can revoke it
CLOCK_SLACK = timedelta(minutes=5)  # a peer whose clock is a little behind accepts a new certificate too
SERIAL_OCTETS = 20  # RFC 5280 4.1.2.2: at most 20 octets


class Validity(Record):
    """notBefore and notAfter, both inclusive, with a time zone."""

    not_before: datetime
    not_after: datetime


class Authority(Record):
    """Who signs: a CA certificate, its private key (in memory, or an object that signs in a token), and where
    verifiers of what it signs shall ask.
    """

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes
    points: Points = Points()


class Profile(Record):
    """A kind of leaf."""

    purpose: x509.ObjectIdentifier
    lifetime: timedelta
    never_checked: bool = False  # a responder, which nobody asks about itself


PROFILES: dict[str, Profile] = {
    "server": Profile(purpose=ExtendedKeyUsageOID.SERVER_AUTH, lifetime=SERVER_LIFETIME),
    "client": Profile(purpose=ExtendedKeyUsageOID.CLIENT_AUTH, lifetime=CLIENT_LIFETIME),
    "responder": Profile(
        purpose=ExtendedKeyUsageOID.OCSP_SIGNING, lifetime=RESPONDER_LIFETIME, never_checked=True
    ),
}  # fmt: skip


def validity(now: datetime, lifetime: timedelta) -> Validity:
    """`lifetime` from a little before `now`, in whole seconds as X.509 writes them."""
    not_before = now.replace(microsecond=0) - CLOCK_SLACK
    return Validity(not_before=not_before, not_after=not_before + lifetime - timedelta(seconds=1))


def serial_number(octets: bytes) -> int:
    """A serial number from 20 random octets: positive and below 2^159, so that its DER has at most 20 octets."""
    serial = int.from_bytes(octets, "big") >> 1
    if len(octets) != SERIAL_OCTETS or serial == 0:
        raise Failure(Reason.INVALID_INPUT, "a serial number needs 20 random octets")
    return serial


def root(
    subject: str | x509.Name,
    key: CertificateIssuerPrivateKeyTypes,
    serial: int,
    lifetime: Validity,
    *,
    path_length: int | None = 1,
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    points: Points = Points(),  # noqa: B008 - frozen
) -> Authority:
    """A self-signed trust anchor; below it stand `path_length` levels of authorities (None: any number).

    `subject`: a common name, or a whole Name. `points`: where to ask about what it will issue.
    """
    name = _name(subject)
    builder = _start(name, name, key.public_key(), serial, lifetime)
    builder = extensions.authority(builder, _checked(path_length), constraints)
    # some verifiers build paths by identifiers only, so the root names its own key too
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return Authority(certificate=_sign(builder.add_extension(own, critical=False), key), key=key, points=points)


def intermediate(
    subject: str | x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    issuer: Authority,
    serial: int,
    lifetime: Validity,
    *,
    path_length: int | None = 0,
    constraints: Constraints = Constraints(),  # noqa: B008 - frozen
) -> x509.Certificate:
    """An authority below another one; as it comes, it issues leaves only.

    Failure: INVALID_INPUT when `issuer` may not issue it.
    """
    allowed = _check_issuer(issuer, lifetime)
    if allowed is not None and (path_length is None or path_length >= allowed):
        why = "may issue leaves only" if allowed == 0 else "has room for fewer authorities below it"
        raise Failure(Reason.INVALID_INPUT, f"the issuer {why} (its path length is {allowed})")
    builder = _start(_name(subject), issuer.certificate.subject, public_key, serial, lifetime)
    return _issued(extensions.authority(builder, _checked(path_length), constraints), issuer)


def server(
    names: Sequence[x509.GeneralName],
    public_key: CertificateIssuerPublicKeyTypes,
    issuer: Authority,
    serial: int,
    lifetime: Validity,
) -> x509.Certificate:
    """A TLS server leaf for `names` (RFC 9525: only subjectAltName counts). Failure: INVALID_INPUT."""
    common_name = next((name.value for name in names if isinstance(name, x509.DNSName)), "server")
    return leaf("server", common_name[:64], names, public_key, issuer, serial, lifetime)


def client(
    subject: str | x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    issuer: Authority,
    serial: int,
    lifetime: Validity,
    *,
    names: Sequence[x509.GeneralName] = (),
) -> x509.Certificate:
    """A TLS client leaf. Failure: INVALID_INPUT when the name is empty or `issuer` may not issue it."""
    return leaf("client", subject, names, public_key, issuer, serial, lifetime)


def responder(
    subject: str | x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    issuer: Authority,
    serial: int,
    lifetime: Validity,
) -> x509.Certificate:
    """A delegated OCSP responder (RFC 6960 4.2.2.2). Failure: INVALID_INPUT."""
    return leaf("responder", subject, (), public_key, issuer, serial, lifetime)


def leaf(
    profile: str,
    subject: str | x509.Name,
    names: Sequence[x509.GeneralName],
    public_key: CertificateIssuerPublicKeyTypes,
    issuer: Authority,
    serial: int,
    lifetime: Validity,
) -> x509.Certificate:
    """A leaf of one of PROFILES. Failure: INVALID_INPUT, WEAK_CERTIFICATE, UNSUPPORTED_CERTIFICATE."""
    if profile == "server" and not names:
        raise Failure(Reason.INVALID_INPUT, "a server certificate needs at least one name")
    _check_issuer(issuer, lifetime)
    row = PROFILES[profile]
    builder = _start(_name(subject), issuer.certificate.subject, public_key, serial, lifetime)
    builder = extensions.leaf(builder, row.purpose, names)
    if row.never_checked:
        builder = extensions.never_checked(builder)
        issuer = Authority(certificate=issuer.certificate, key=issuer.key)  # nowhere to ask about it
    return _issued(builder, issuer)


def _name(subject: str | x509.Name) -> x509.Name:
    if isinstance(subject, x509.Name):
        return subject
    if not 1 <= len(subject) <= 64:  # ub-common-name, RFC 5280 appendix A
        raise Failure(Reason.INVALID_INPUT, "a common name has 1 to 64 characters")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])


def _checked(path_length: int | None) -> int | None:
    if path_length is not None and not 0 <= path_length <= 9:  # paths are at most 10 certificates deep here
        raise Failure(Reason.INVALID_INPUT, "a path length is 0 to 9")
    return path_length


def _start(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    serial: int,
    lifetime: Validity,
) -> x509.CertificateBuilder:
    """What every certificate has: names, key, serial number, validity and its subject key identifier."""
    if not 0 < serial < 1 << 159:
        raise Failure(Reason.INVALID_INPUT, "a serial number is positive and below 2^159")
    if lifetime.not_before.tzinfo is None or not lifetime.not_before < lifetime.not_after:
        raise Failure(Reason.INVALID_INPUT, "a validity begins before it ends, in a named time zone")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(signing.usable(public_key))
        .serial_number(serial)
        .not_valid_before(lifetime.not_before)
        .not_valid_after(lifetime.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _check_issuer(issuer: Authority, lifetime: Validity) -> int | None:
    """Refuse to sign what a verifier would refuse, rather than hand out a certificate that never works.

    Returns the issuer's path length, None where it has none.
    """
    certificate = issuer.certificate
    if certificate.public_key() != issuer.key.public_key():
        raise Failure(Reason.INVALID_INPUT, "the issuer's key does not belong to the issuer's certificate")
    path_length = path_length_of(certificate)
    if lifetime.not_before < certificate.not_valid_before_utc or lifetime.not_after > certificate.not_valid_after_utc:
        raise Failure(Reason.INVALID_INPUT, "the validity reaches beyond that of the issuer")
    return path_length


def path_length_of(certificate: x509.Certificate) -> int | None:
    """How many authorities may stand below this one; None: any number. Failure: INVALID_INPUT (it is no authority)."""
    extensions_of = certificate.extensions
    try:
        constraints = extensions_of.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise Failure(Reason.INVALID_INPUT, "the issuer is no certificate authority") from None
    if not constraints.ca or not _may_sign_certificates(extensions_of):
        raise Failure(Reason.INVALID_INPUT, "the issuer is no certificate authority")
    return constraints.path_length


def _may_sign_certificates(found: x509.Extensions) -> bool:
    try:
        return found.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:  # RFC 5280 4.2.1.3: absent means not restricted
        return True


def _issued(builder: x509.CertificateBuilder, issuer: Authority) -> x509.Certificate:
    return _sign(extensions.issued_by(builder, issuer.certificate, issuer.key.public_key(), issuer.points), issuer.key)


def _sign(builder: x509.CertificateBuilder, key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
    return builder.sign(key, signing.digest_for(key))
