"""OCSP as pure functions: the request, and the judgement of a response. RFC 6960, RFC 9654.

Only a proven GOOD passes: `judge` returns its evidence or raises.
"""

from collections.abc import Sequence
from hashlib import new as hash_by_name
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der, ocsp_signature, ocsp_signer
from hsmgate.pki.ocsp_signer import Signers
from hsmgate.record import Record

NONCE_OCTETS = 32  # RFC 9654 2.1
MAX_RESPONSE = 64 * 1024
MOST_ANSWERS = 1000  # in one response
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303 - CertID
_CONTEXT_1 = 0xA1  # responseExtensions, singleExtensions


class Rules(Record):
    """What an answer must keep to; times in seconds."""

    max_age: float = 604_800.0
    skew: float = 300.0
    nonce: str = "send"  # off | send | require
    trusted_responders: tuple[bytes, ...] = ()  # DER of certificates that may answer for any issuer


class Evidence(Record):
    """Why a certificate counts as good (or, beside a REVOKED, since when it does not). Unix seconds."""

    serial: str  # hex
    this_update: float
    next_update: float | None
    produced_at: float
    responder: str  # who signed
    digest: str  # SHA-256 of the response; empty: there was none, our own PKI knows
    nonce_echoed: bool
    unchecked_delegate: bytes | None = None  # DER of a delegate without ocsp-nocheck: the caller must check it


def responder_urls(cert: x509.Certificate) -> list[str] | None:
    """OCSP locations of the AIA in order; None without any OCSP entry, [] when none is a URI."""
    return access_locations(cert, AuthorityInformationAccessOID.OCSP)


def access_locations(cert: x509.Certificate, method: x509.ObjectIdentifier) -> list[str] | None:
    """URIs of the AIA under one access method, in order; None where it has no entry of that method."""
    try:
        aia = cert.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    found = [entry.access_location for entry in aia if entry.access_method == method]
    if not found:
        return None
    return [location.value for location in found if isinstance(location, x509.UniformResourceIdentifier)]


def make_request(cert: x509.Certificate, issuer: x509.Certificate, digest: str, nonce: bytes | None) -> bytes:
    """OCSPRequest DER for one certificate; `digest`: sha1 | sha256 for the CertID."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, _HASHES[digest])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def judge(
    response: bytes,
    cert: x509.Certificate,
    issuer: x509.Certificate,
    nonce: bytes | None,
    now: float,
    rules: Rules,
    signers: Signers,
) -> Evidence:
    """Judge a response (DER) for `cert`, issued by `issuer`. Returns only for a proven GOOD.

    Failure: REVOKED and STATUS_UNKNOWN (with `evidence`), OCSP_*; see docs/reference/ocsp.md for each.
    """
    parsed = _parse(response)
    try:
        return _judge(parsed, response, cert, issuer, nonce, now, rules, signers)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        raise _malformed(error) from None  # pyca reads most fields only when they are asked for


def _malformed(why: object) -> Failure:
    return Failure(Reason.OCSP_MALFORMED, f"the OCSP response is malformed: {why}")


def _parse(response: bytes) -> ocsp.OCSPResponse:
    if not response or len(response) > MAX_RESPONSE:
        raise Failure(Reason.OCSP_MALFORMED, f"an OCSP response of {len(response)} bytes is none")
    try:
        parsed = ocsp.load_der_ocsp_response(response)
        status = parsed.response_status
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _malformed(error) from None
    if status is ocsp.OCSPResponseStatus.TRY_LATER:
        raise Failure(Reason.OCSP_NO_ANSWER, "the responder says tryLater")
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Failure(Reason.OCSP_UNSUCCESSFUL, f"the responder refuses to answer: {status.name.lower()}")
    return parsed


def _judge(
    parsed: ocsp.OCSPResponse,
    response: bytes,
    cert: x509.Certificate,
    issuer: x509.Certificate,
    nonce: bytes | None,
    now: float,
    rules: Rules,
    signers: Signers,
) -> Evidence:
    tbs = parsed.tbs_response_bytes
    signed = ocsp_signature.algorithm_of(_basic(response), parsed.signature, tbs)
    signer = ocsp_signer.find(parsed, parsed.certificates, signed, cert, issuer, now, signers)
    _check_extensions(parsed, tbs)
    echoed = _check_nonce(parsed, nonce, rules)
    produced = parsed.produced_at_utc.timestamp()
    if produced > now + rules.skew:
        raise Failure(Reason.OCSP_TIME, "the OCSP response was produced in the future")
    ours = _ours(list(parsed.responses), cert, issuer)
    for single in ours:
        _check_times(single, now, rules)
    if len({single.certificate_status for single in ours}) > 1:
        raise Failure(Reason.OCSP_CONFLICT, "the OCSP response has answers for this certificate that disagree")
    status = ours[0].certificate_status
    # Of several, a good one is as old as its oldest, and a revocation as new as its newest.
    choose = min if status is ocsp.OCSPCertStatus.GOOD else max
    chosen = choose(ours, key=lambda single: single.this_update_utc)
    evidence = Evidence(
        serial=f"{cert.serial_number:x}",
        this_update=chosen.this_update_utc.timestamp(),
        next_update=min((s.next_update_utc.timestamp() for s in ours if s.next_update_utc), default=None),
        produced_at=produced,
        responder=signer.name,
        digest=sha256(response).hexdigest(),
        nonce_echoed=echoed,
        unchecked_delegate=signer.unchecked,
    )
    if status is ocsp.OCSPCertStatus.REVOKED:
        raise Failure(Reason.REVOKED, _revoked(chosen), evidence)
    if status is not ocsp.OCSPCertStatus.GOOD:
        raise Failure(Reason.STATUS_UNKNOWN, "its responder does not know the certificate (unknown)", evidence)
    return evidence


def _revoked(single: ocsp.OCSPSingleResponse) -> str:
    since = f" since {single.revocation_time_utc:%Y-%m-%dT%H:%M:%SZ}" if single.revocation_time_utc else ""
    why = f" ({single.revocation_reason.value})" if single.revocation_reason else ""
    return f"the certificate is revoked{since}{why}"


def _basic(response: bytes) -> bytes:
    """The BasicOCSPResponse inside an OCSPResponse."""
    try:
        outer = der.fields(response, 2, 2, "OCSPResponse")
        inner = der.fields(outer[1].body, 2, 2, "ResponseBytes")
        return der.content(inner[1], der.OCTET_STRING, "ResponseBytes")
    except Failure as failure:
        raise _malformed(failure.detail) from None


def _check_extensions(parsed: ocsp.OCSPResponse, tbs: bytes) -> None:
    """No critical extension in the response or in an answer but the nonce."""
    for extension in parsed.extensions:
        if extension.critical and extension.oid != x509.OCSPNonce.oid:
            raise Failure(Reason.OCSP_CRITICAL, f"the OCSP response has critical {extension.oid.dotted_string}")
    try:
        fields = der.fields(tbs, 3, 5, "ResponseData")
        answers = next(item for item in fields if item.tag == der.SEQUENCE)
        criticals = [oid for single in der.items(answers.body, "responses") for oid in _criticals(single)]
    except Failure as failure:
        raise _malformed(failure.detail) from None
    if criticals:
        raise Failure(Reason.OCSP_CRITICAL, f"an OCSP answer has the critical extension {criticals[0]}")


def _criticals(single: der.Tlv) -> list[str]:
    """The OIDs of critical singleExtensions, which pyca does not show for more than one answer."""
    found = []
    for item in der.fields(single.raw, 3, 5, "SingleResponse")[3:]:
        if item.tag == _CONTEXT_1:
            for extension in der.items(der.only(item.body, der.SEQUENCE, "Extensions"), "Extensions"):
                parts = der.items(extension.body, "Extension")
                if len(parts) == 3 and parts[1].body != b"\x00":
                    found.append(der.oid(parts[0], "Extension"))
    return found


def _check_nonce(parsed: ocsp.OCSPResponse, nonce: bytes | None, rules: Rules) -> bool:
    if nonce is None:
        return False
    try:
        echoed = parsed.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        if rules.nonce == "require":
            raise Failure(Reason.OCSP_NONCE, "the responder does not echo the nonce, and it is required") from None
        return False
    if echoed != nonce:
        raise Failure(Reason.OCSP_NONCE, "the OCSP response has the nonce of another request")
    return True


def _ours(
    singles: Sequence[ocsp.OCSPSingleResponse], cert: x509.Certificate, issuer: x509.Certificate
) -> list[ocsp.OCSPSingleResponse]:
    """The answers for exactly this certificate of exactly this issuer, under whatever CertID hash."""
    if len(singles) > MOST_ANSWERS:
        raise Failure(Reason.OCSP_MALFORMED, f"an OCSP response with {len(singles)} answers is not read")
    name, key = issuer.subject.public_bytes(), _key_octets(issuer)
    ours = [
        single
        for single in singles
        if single.serial_number == cert.serial_number
        and single.issuer_name_hash == hash_by_name(single.hash_algorithm.name, name).digest()
        and single.issuer_key_hash == hash_by_name(single.hash_algorithm.name, key).digest()
    ]
    if not ours:
        raise Failure(Reason.OCSP_MISMATCH, "the OCSP response has no answer for this certificate")
    return ours


def _key_octets(issuer: x509.Certificate) -> bytes:
    """The content of the BIT STRING subjectPublicKey, over which a CertID's key hash goes."""
    spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der.fields(spki, 2, 2, "SubjectPublicKeyInfo")[1].body[1:]


def _check_times(single: ocsp.OCSPSingleResponse, now: float, rules: Rules) -> None:
    start = single.this_update_utc.timestamp()
    end = single.next_update_utc.timestamp() if single.next_update_utc else None
    if start > now + rules.skew:
        raise Failure(Reason.OCSP_TIME, "the OCSP answer's thisUpdate lies in the future")
    if end is not None and end < start:
        raise Failure(Reason.OCSP_TIME, "the OCSP answer's nextUpdate lies before its thisUpdate")
    if end is not None and now - rules.skew > end:
        raise Failure(Reason.OCSP_STALE, "the OCSP answer is past its nextUpdate")
    if now - start > rules.max_age:
        raise Failure(Reason.OCSP_STALE, "the OCSP answer is older than hsmgate.ocsp.max-age")
