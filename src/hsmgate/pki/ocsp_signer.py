"""Who signed an OCSP response, and whether that one may answer for the issuer. RFC 6960 4.2.2.2."""

from collections import OrderedDict
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import ocsp_signature
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp_issuer import names_other_key
from hsmgate.record import Record

MOST_CERTIFICATES = 10  # that a response may carry; each one may cost a verification
MOST_DELEGATES = 64  # that are remembered as fit


class Signer(Record):
    """Who signed. `unchecked`: DER of a delegate without ocsp-nocheck, whose own status is still open."""

    name: str
    unchecked: bytes | None = None


class Signers:
    """The certificates that may answer for any issuer, parsed once, and the delegates already found fit."""

    def __init__(self, trusted: Iterable[bytes] = ()) -> None:
        """`trusted`: DER. Failure: BAD_CERTIFICATE."""
        self.trusted = tuple(paths.parse(der) for der in trusted)
        self._fit: OrderedDict[tuple[bytes, bytes], bool] = OrderedDict()  # -> whether it carries ocsp-nocheck

    def is_checked(self, delegate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """For a fit delegate: whether it carries ocsp-nocheck. Failure: OCSP_RESPONDER, OCSP_WEAK, OCSP_CRITICAL."""
        spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        key = (delegate.public_bytes(Encoding.DER), spki)
        checked = self._fit.get(key)
        if checked is None:
            _check_delegate(delegate, issuer)
            checked = self._fit[key] = _has_nocheck(delegate)
            if len(self._fit) > MOST_DELEGATES:
                self._fit.popitem(last=False)
        return checked


def find(
    parsed: ocsp.OCSPResponse,
    included: list[x509.Certificate],
    signed: ocsp_signature.Signed,
    cert: x509.Certificate,
    issuer: x509.Certificate,
    now: float,
    signers: Signers,
) -> Signer:
    """The one who signed, and may. Failure: OCSP_SIGNATURE, OCSP_WEAK, OCSP_RESPONDER, OCSP_CRITICAL.

    Several certificates may bear the name of the ResponderID, the issuer's own among them: whose key verifies, signed.
    """
    if len(included) > MOST_CERTIFICATES:
        raise Failure(Reason.OCSP_MALFORMED, f"the OCSP response carries {len(included)} certificates")
    ocsp_signature.check_algorithm(signed)
    wrong: Failure | None = None
    refused: Failure | None = None
    for candidate in (issuer, *signers.trusted, *included):
        if not _is_named(parsed, candidate):
            continue
        try:
            ocsp_signature.check(signed, candidate)
        except Failure as failure:
            wrong = failure
            continue
        try:
            return _entitled(candidate, cert, issuer, now, signers)
        except Failure as failure:
            refused = failure
    raise (
        refused
        or wrong
        or Failure(Reason.OCSP_RESPONDER, "the OCSP response is signed by one who may not answer for this issuer")
    )


def _is_named(parsed: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    """Whether the ResponderID names this certificate, by subject or by key. What does not parse is nobody."""
    try:
        if parsed.responder_name is not None:
            return candidate.subject == parsed.responder_name
        return x509.SubjectKeyIdentifier.from_public_key(candidate.public_key()).digest == parsed.responder_key_hash
    except (ValueError, UnsupportedAlgorithm):
        return False


def _refuse(signer: x509.Certificate, why: str) -> Failure:
    return Failure(Reason.OCSP_RESPONDER, f"the responder's certificate {paths.name_of(signer)} {why}")


def _entitled(
    signer: x509.Certificate, cert: x509.Certificate, issuer: x509.Certificate, now: float, signers: Signers
) -> Signer:
    if signer.public_key() == cert.public_key():
        raise _refuse(signer, "has the client's own key")
    name = paths.name_of(signer)
    if signer in signers.trusted:
        _check_valid(signer, now)
        return Signer(name=name)
    if issuer.public_key() == cert.public_key():
        raise _refuse(signer, "comes from the client itself, which is self-signed")
    if signer.public_key() == issuer.public_key() and signer.subject == issuer.subject:
        return Signer(name=name)
    checked = signers.is_checked(signer, issuer)
    _check_valid(signer, now)
    return Signer(name=name, unchecked=None if checked else signer.public_bytes(Encoding.DER))


def _check_valid(signer: x509.Certificate, now: float) -> None:
    try:
        paths.check_validity([signer], now)
    except Failure as failure:
        raise Failure(Reason.OCSP_RESPONDER, f"the responder's certificate {failure.detail}") from None


def _check_delegate(delegate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Issued by the issuer itself, for this purpose, strong; what does not change with time."""
    if ocsp_signature.has_weak_signature(delegate):
        raise Failure(Reason.OCSP_WEAK, "the responder's certificate is signed with SHA-1 or MD5")
    try:
        paths.check_signature(delegate, issuer)
    except Failure:
        raise _refuse(delegate, "is not issued by the issuer of the client") from None
    try:
        extensions = delegate.extensions
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise _refuse(delegate, "does not parse") from None
    if names_other_key(delegate, issuer):
        raise _refuse(delegate, "names another key of its issuer")
    try:
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = []
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise _refuse(delegate, "lacks the extended key usage OCSPSigning")
    usage = paths.key_usage(delegate)
    if usage is not None and not usage.digital_signature:
        raise _refuse(delegate, "lacks the key usage digitalSignature")
    try:
        paths.check_criticals(delegate)
    except Failure as failure:
        raise Failure(Reason.OCSP_CRITICAL, f"the responder's certificate: {failure.detail}") from None


def _has_nocheck(delegate: x509.Certificate) -> bool:
    """RFC 6960 4.2.2.2.1: its CA vouches for it as long as it is valid."""
    try:
        delegate.extensions.get_extension_for_oid(ExtensionOID.OCSP_NO_CHECK)
    except x509.ExtensionNotFound:
        return False
    return True
