"""Delegated OCSP signing certificates (RFC 6960 4.2.2.2): made for our own authorities, judged when supplied."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp_signing
from hsmgate.pki import path as paths
from hsmgate.pki.issue import Authority
from hsmgate.record import Record

CLOCK_SLACK = timedelta(minutes=5)  # a client whose clock is a little behind accepts a new one too
_NAME = 64  # ub-common-name, RFC 5280 appendix A
_SUFFIX = " OCSP"


class Term(Record):
    """When a delegate is valid, with time zones, and from when on its successor is made."""

    not_before: datetime
    not_after: datetime
    renew_at: datetime


def term(now: datetime, lifetime: timedelta, issuer: x509.Certificate) -> Term:
    """`lifetime` from now, not beyond its issuer; half of it is spare. Failure: EXPIRED (the issuer)."""
    start = max(now.replace(microsecond=0) - CLOCK_SLACK, issuer.not_valid_before_utc)
    end = min(now.replace(microsecond=0) + lifetime, issuer.not_valid_after_utc)
    if end <= now:
        raise Failure(Reason.EXPIRED, f"{paths.name_of(issuer)} has expired: no delegate can be made")
    return Term(not_before=start, not_after=end, renew_at=now + (end - now) / 2)


def renew_at(certificate: x509.Certificate) -> float:
    """From when on a delegate needs a successor, in Unix seconds: half of its life, its slack left aside."""
    start = (certificate.not_valid_before_utc + CLOCK_SLACK).timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    return start + (end - start) / 2


def make(public_key: CertificateIssuerPublicKeyTypes, issuer: Authority, serial: int, valid: Term) -> x509.Certificate:
    """A certificate that signs OCSP responses for `issuer`, and nothing else; nobody asks for its own status."""
    subject = _subject(issuer.certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(valid.not_before)
        .not_valid_after(valid.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signs_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_issuer_key(issuer), critical=False)
    )
    return builder.sign(issuer.key, ocsp_signing.digest_of(issuer.key))


def check(certificate: x509.Certificate, issuer: x509.Certificate, now: float) -> str:
    """Judge a supplied signer for `issuer`; what an operator must know about it, or nothing. Failure: EXPIRED."""
    paths.check_validity([certificate], now)
    if certificate == issuer:
        return ""
    name = paths.name_of(certificate)
    try:
        paths.check_signature(certificate, issuer)
    except Failure:
        return f"{name} is not issued by {paths.name_of(issuer)}: only clients that are told to trust it believe it"
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        return f"{name} lacks the extended key usage OCSPSigning: only clients that are told to trust it believe it"
    return ""


def _subject(issuer: x509.Certificate) -> str:
    named = issuer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = named[0].value if named and isinstance(named[0].value, str) else "authority"
    return text[: _NAME - len(_SUFFIX)] + _SUFFIX


def _issuer_key(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    try:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.certificate.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _signs_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
