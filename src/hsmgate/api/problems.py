"""What every Reason looks like on the wire: one total map from Reason to status, errorCode and res.error reason."""

from types import MappingProxyType

import msgspec

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record, WireRecord

_LONGEST_MESSAGE = 500


class Problem(Record):
    """One row. `message` replaces the failure's own words where those may speak of the inside."""

    status: int
    code: int
    reason: str  # without the prefix res.error.
    close: bool = False  # the connection is not kept
    retry_after: int | None = None  # seconds
    message: str | None = None


class ErrorBody(WireRecord):
    """The error body of the contract (errors.md section 1)."""

    error_code: int
    reason: str
    message: str


def _away(message: str) -> Problem:
    return Problem(503, 2, "connectivity", retry_after=2, message=message)


_REFUSED = Problem(403, 400, "security.not.allowed", close=True)
_NO_VERDICT = _away("The revocation status of the client certificate cannot be established. Try again.")
_INPUT = Problem(400, 600, "input.validation.failed")
_HSM = Problem(500, 701, "in.hsm")

PROBLEMS: MappingProxyType[Reason, Problem] = MappingProxyType(
    {
        # the gate
        Reason.NO_CERTIFICATE: Problem(
            401, 400, "security.not.allowed", message="A client certificate is needed, or credentials that hold."
        ),
        Reason.UNTRUSTED: _REFUSED,
        Reason.EXPIRED: _REFUSED,
        Reason.UNSUPPORTED_CERTIFICATE: _REFUSED,
        Reason.WEAK_CERTIFICATE: _REFUSED,
        Reason.BAD_CERTIFICATE: _REFUSED,
        Reason.NOT_ALLOWED: Problem(403, 400, "security.not.allowed"),
        Reason.MISSING_TOKEN: Problem(401, 406, "missing.access.token"),
        Reason.INVALID_TOKEN: Problem(401, 617, "invalid.access.token"),
        Reason.MISSING_API_KEY: Problem(401, 416, "missing.api.key"),
        Reason.INVALID_API_KEY: Problem(401, 631, "invalid.api.key"),
        Reason.CROSS_SITE: Problem(403, 400, "security.not.allowed"),
        # revocation
        Reason.REVOKED: _REFUSED,
        Reason.STATUS_UNKNOWN: _REFUSED,
        Reason.OCSP_NO_ISSUER: _REFUSED,
        Reason.OCSP_NO_RESPONDER: _REFUSED,
        Reason.OCSP_ADDRESS: _REFUSED,
        Reason.OCSP_NO_ANSWER: _NO_VERDICT,
        Reason.OCSP_HTTP: _NO_VERDICT,
        Reason.OCSP_UNSUCCESSFUL: _NO_VERDICT,
        Reason.OCSP_MALFORMED: _NO_VERDICT,
        Reason.OCSP_MISMATCH: _NO_VERDICT,
        Reason.OCSP_CONFLICT: _NO_VERDICT,
        Reason.OCSP_STALE: _NO_VERDICT,
        Reason.OCSP_TIME: _NO_VERDICT,
        Reason.OCSP_SIGNATURE: _NO_VERDICT,
        Reason.OCSP_WEAK: _NO_VERDICT,
        Reason.OCSP_RESPONDER: _NO_VERDICT,
        Reason.OCSP_NONCE: _NO_VERDICT,
        Reason.OCSP_CRITICAL: _NO_VERDICT,
        # the request
        Reason.NO_SUCH_PATH: Problem(404, 102, "operation.unreachable"),
        Reason.METHOD_NOT_ALLOWED: Problem(405, 102, "operation.unreachable"),
        Reason.UNSUPPORTED_MEDIA_TYPE: Problem(415, 600, "input.validation.failed"),
        Reason.BODY_TOO_LARGE: Problem(413, 600, "input.validation.failed", close=True),
        Reason.HEADER_TOO_LARGE: Problem(431, 600, "input.validation.failed", close=True),
        Reason.REQUEST_TIMEOUT: Problem(408, 600, "input.validation.failed", close=True),
        Reason.BAD_REQUEST: Problem(400, 600, "input.validation.failed", close=True),
        Reason.INVALID_JSON: Problem(400, 621, "invalid.json"),
        Reason.INVALID_INPUT: _INPUT,
        Reason.INVALID_ENCODING: Problem(400, 635, "encoding.exception"),
        Reason.INVALID_PAYLOAD: Problem(400, 612, "invalid.payload"),
        Reason.INVALID_NUMBER: Problem(400, 619, "invalid.number.range"),
        Reason.INVALID_TAG_LENGTH: Problem(400, 624, "key.invalid.tagLength"),
        Reason.INVALID_KEY_SIZE: Problem(400, 603, "input.keysize"),
        Reason.INVALID_KEY_NAME: Problem(400, 610, "invalid.key.name"),
        Reason.INVALID_ATTRIBUTES: Problem(400, 606, "key.attributes.invalid"),
        Reason.KEY_ENCODING: Problem(400, 625, "key.invalid.encoding"),
        Reason.CERTIFICATE_ENCODING: Problem(400, 626, "certificate.invalid.encoding"),
        Reason.CSR_ENCODING: Problem(400, 628, "csr.invalid.format"),
        Reason.INVALID_CERTIFICATE_REQUEST: Problem(400, 411, "invalid.certificate.request"),
        Reason.INVALID_CERTIFICATE: Problem(400, 402, "invalid.certificate"),
        Reason.UNSUPPORTED_APPROVER_KEY: Problem(400, 601, "unsupported.approver.key.type"),
        Reason.APPROVER_NOT_FOUND: Problem(400, 413, "approver.not.existent"),
        Reason.UNSUPPORTED_ADDRESS_FORMAT: Problem(400, 605, "unsupported.cryptocurrency"),
        Reason.ADDRESS_NEEDS_POLICY: Problem(400, 630, "invalid.address.on.non.ska.key"),
        # keys
        Reason.KEY_NOT_FOUND: Problem(404, 650, "key.not.existent"),
        Reason.KEY_EXISTS: Problem(
            400, 608, "key.already.existing", message="Could not create key. The key name is already in use."
        ),
        Reason.KEY_PASSWORD_MISMATCH: Problem(
            400, 620, "key.password.mismatch", message="The key password is wrong or missing."
        ),
        Reason.KEY_FORBIDS: Problem(400, 614, "operation.forbidden.for.key"),
        Reason.INVALID_KEY_TYPE: Problem(400, 613, "invalid.key.type"),
        Reason.ALGORITHM_NOT_FOR_KEY: Problem(400, 607, "algorithm.not.supported.by.key"),
        Reason.KEY_BLOCKED: _HSM,
        Reason.APPROVALS_MISSING: _HSM,
        Reason.UNSUPPORTED_OPERATION: Problem(400, 611, "unsupported.operation"),
        Reason.UNWRAP_FAILED: Problem(500, 701, "in.hsm", message="Error unwrapping key"),
        Reason.TOO_MANY_GUESSES: Problem(
            429, 620, "key.password.mismatch", retry_after=10, message="Too many wrong key passwords. Try again later."
        ),
        Reason.DECRYPT_FAILED: Problem(400, 410, "decrypt.failed", message="The payload could not be decrypted."),
        Reason.SIGNATURE_INVALID: Problem(400, 403, "input.invalid.signature"),
        Reason.REQUEST_SIGNER_NOT_ALLOWED: Problem(400, 415, "request.signer.not.allowed"),
        Reason.NOT_IMPLEMENTED: Problem(501, 101, "not.implemented"),
        Reason.REQUEST_NOT_FOUND: Problem(404, 651, "request.not.existent"),
        # around
        Reason.CONFIG_INVALID: Problem(500, 301, "config.not.valid", message="The configuration is not valid."),
        Reason.CONFIG_MISSING: Problem(500, 300, "config.not.existent", message="The configuration is missing."),
        Reason.STORE_UNREADABLE: Problem(500, 703, "io", message="A store could not be read."),
        Reason.STORE_UNSUPPORTED: Problem(400, 611, "unsupported.operation"),
        Reason.CONNECTIVITY: _away("The token, the database or a peer cannot be reached. Try again."),
        Reason.OVERLOADED: _away("Too many requests are waiting. Try again."),
        Reason.AUDIT_UNAVAILABLE: _away("The audit log cannot be written, so nothing is done."),
        Reason.INTEGRITY: Problem(
            500, 500, "data.invalid.constellation", message="Stored data fails its integrity check."
        ),
        Reason.KEYSTORE: Problem(500, 701, "in.hsm", message="The keystore refused the operation."),
        Reason.INTERNAL: Problem(500, 1, "technical", message="An internal error occurred."),
    }
)


def answer(failure: Failure) -> tuple[int, bytes]:
    """The HTTP status and JSON body that a failure gets."""
    problem = PROBLEMS[failure.reason]
    message = problem.message or str(failure)[:_LONGEST_MESSAGE]
    return problem.status, msgspec.json.encode(ErrorBody(problem.code, f"res.error.{problem.reason}", message))
