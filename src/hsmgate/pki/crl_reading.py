"""Takes a CRL (RFC 5280 5) apart for the responder: a full one, of exactly this issuer, and nothing else."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from hsmgate.errors import Failure, Reason
from hsmgate.pki import path as paths
from hsmgate.pki import pem
from hsmgate.pki.issued import HOLD, Revoked
from hsmgate.record import Record

MOST_OCTETS = 64 * 1024 * 1024
_WEAK = frozenset({"md5", "sha1"})
_UNDERSTOOD = frozenset(
    {
        x509.CRLNumber.oid,
        x509.AuthorityKeyIdentifier.oid,
        x509.IssuingDistributionPoint.oid,
        x509.IssuerAlternativeName.oid,
    }
)
_UNDERSTOOD_ENTRY = frozenset({x509.CRLReason.oid, x509.InvalidityDate.oid})
_REASONS = {
    x509.ReasonFlags.unspecified: "unspecified",
    x509.ReasonFlags.key_compromise: "keyCompromise",
    x509.ReasonFlags.ca_compromise: "cACompromise",
    x509.ReasonFlags.affiliation_changed: "affiliationChanged",
    x509.ReasonFlags.superseded: "superseded",
    x509.ReasonFlags.cessation_of_operation: "cessationOfOperation",
    x509.ReasonFlags.certificate_hold: HOLD,
    x509.ReasonFlags.privilege_withdrawn: "privilegeWithdrawn",
    x509.ReasonFlags.aa_compromise: "aACompromise",
}  # removeFromCRL belongs into delta CRLs


class Crl(Record):
    """A CRL that was verified. Unix seconds; `number` None: it has none; `revoked` by serial number."""

    number: int | None
    this_update: float
    next_update: float
    revoked: dict[int, Revoked]
    partial: str = ""  # the distribution point whose certificates alone it covers

    def __repr__(self) -> str:
        return f"Crl(number={self.number}, {len(self.revoked)} entries)"


def read(content: bytes, issuer: x509.Certificate) -> Crl:
    """PEM or DER. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED (delta, indirect, partial), BAD_CERTIFICATE (signature).

    Whether it is still in force is the caller's matter.
    """
    try:
        return _read(x509.load_der_x509_crl(_der(content)), issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Failure(Reason.STORE_UNREADABLE, f"the CRL does not parse: {error}") from None


def _der(content: bytes) -> bytes:
    if b"-----BEGIN" not in content[:4096]:
        return content
    for block in pem.blocks(content):
        if block.label == "X509 CRL":
            return pem.decode(block)
    raise Failure(Reason.STORE_UNREADABLE, "holds no CRL")


def _read(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> Crl:
    if crl.issuer != issuer.subject:
        raise Failure(Reason.BAD_CERTIFICATE, f"the CRL is of {crl.issuer.rfc4514_string()[:200]}")
    usage = paths.key_usage(issuer)
    if usage is not None and not usage.crl_sign:
        raise Failure(Reason.BAD_CERTIFICATE, f"{paths.name_of(issuer)} may not sign CRLs")
    digest = crl.signature_hash_algorithm
    if digest is not None and digest.name in _WEAK:
        raise Failure(Reason.WEAK_CERTIFICATE, f"the CRL is signed with {digest.name}")
    if not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
        raise Failure(Reason.BAD_CERTIFICATE, f"the CRL is not signed by {paths.name_of(issuer)}")
    if crl.next_update_utc is None:
        raise Failure(Reason.STORE_UNSUPPORTED, "the CRL has no nextUpdate, so nobody can say how long it counts")
    partial = _partial(crl)
    return Crl(
        number=_number(crl),
        this_update=crl.last_update_utc.timestamp(),
        next_update=crl.next_update_utc.timestamp(),
        revoked={entry.serial_number: _entry(entry) for entry in crl},
        partial=partial,
    )


def _number(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _partial(crl: x509.CertificateRevocationList) -> str:
    """The distribution point that it names, or nothing; refuses what does not cover the whole authority."""
    point = ""
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise Failure(Reason.STORE_UNSUPPORTED, "it is a delta CRL; name the full one")
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl:
                raise Failure(Reason.STORE_UNSUPPORTED, "it is an indirect CRL, which speaks for other issuers too")
            if (
                value.only_contains_user_certs
                or value.only_contains_ca_certs
                or value.only_contains_attribute_certs
                or value.only_some_reasons
            ):
                raise Failure(Reason.STORE_UNSUPPORTED, "it covers some certificates or reasons only")
            point = str([name.value for name in value.full_name or ()])[:200]
        elif extension.critical and extension.oid not in _UNDERSTOOD:
            raise Failure(Reason.STORE_UNSUPPORTED, f"it has the critical extension {extension.oid.dotted_string}")
    return point


def _entry(entry: x509.RevokedCertificate) -> Revoked:
    reason = "unspecified"
    for extension in entry.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD_ENTRY:
            raise Failure(
                Reason.STORE_UNSUPPORTED, f"an entry has the critical extension {extension.oid.dotted_string}"
            )
        if isinstance(extension.value, x509.CRLReason):
            reason = _REASONS.get(extension.value.reason, "unspecified")
    when: datetime = entry.revocation_date_utc
    return Revoked(at=when.timestamp(), reason=reason)


def follows(new: Crl, old: Crl) -> bool:
    """Whether one CRL may take the place of another: numbers and times go forward only."""
    numbered = new.number is None or old.number is None or new.number >= old.number
    return numbered and new.this_update >= old.this_update
