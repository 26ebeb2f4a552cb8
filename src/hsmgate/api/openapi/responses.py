"""The answers of a row that are refusals: which there are, by status, and an example of each."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from hsmgate.api.openapi.schemas import Schema, reference
from hsmgate.api.problems import PROBLEMS, ErrorBody, answer
from hsmgate.api.routes import Route
from hsmgate.errors import Failure, Reason

REQUEST_ID: Schema = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}

_NOTHING_SHOWN = frozenset(
    {
        Reason.NO_CERTIFICATE,
        Reason.MISSING_TOKEN,
        Reason.INVALID_TOKEN,
        Reason.MISSING_API_KEY,
        Reason.INVALID_API_KEY,
    }
)
_OTHER_ROWS = frozenset({Reason.NO_SUCH_PATH, Reason.METHOD_NOT_ALLOWED})  # of no row, so of none here
_GATE = frozenset(
    {
        *(reason for reason in Reason if reason.name.startswith("OCSP_")),
        Reason.UNTRUSTED,
        Reason.EXPIRED,
        Reason.UNSUPPORTED_CERTIFICATE,
        Reason.WEAK_CERTIFICATE,
        Reason.BAD_CERTIFICATE,
        Reason.NOT_ALLOWED,
        Reason.CROSS_SITE,
        Reason.REVOKED,
        Reason.STATUS_UNKNOWN,
    }
)
_ANY_ROW = frozenset(
    {
        Reason.BODY_TOO_LARGE,
        Reason.HEADER_TOO_LARGE,
        Reason.REQUEST_TIMEOUT,
        Reason.BAD_REQUEST,
        Reason.CONNECTIVITY,
        Reason.OVERLOADED,
        Reason.AUDIT_UNAVAILABLE,
        Reason.INTERNAL,
    }
)
_BODY = frozenset({Reason.UNSUPPORTED_MEDIA_TYPE, Reason.INVALID_JSON})
_WORK = frozenset(Reason) - _NOTHING_SHOWN - _OTHER_ROWS - _GATE - _ANY_ROW - _BODY  # of use cases


def reasons(row: Route) -> frozenset[Reason]:
    """What may refuse a request to this row."""
    found = _GATE | _ANY_ROW
    named = "{" in row.path
    if row.anonymous:
        return found | {Reason.NO_SUCH_PATH} if named else found  # a page that is not there
    found |= _NOTHING_SHOWN
    if row.body is not None:
        found |= _BODY
    if row.body is not None or named or row.with_query:
        found |= _WORK
    return found


def statuses(row: Route) -> list[str]:
    """The statuses of these refusals, sorted."""
    return sorted({str(PROBLEMS[reason].status) for reason in reasons(row)})


def component_examples() -> Schema:
    """One example of each refusal, by its reason's name, as the service itself would write it."""
    return {reason.name: {"value": msgspec.json.decode(answer(Failure(reason))[1])} for reason in Reason}


def component_responses() -> Schema:
    """One response for each status that refusals have, by the status."""
    return {status: _response(status) for status in sorted({str(problem.status) for problem in PROBLEMS.values()})}


def _response(status: str) -> dict[str, Any]:
    those = [reason for reason in Reason if str(PROBLEMS[reason].status) == status]
    headers = dict(REQUEST_ID)
    if any(PROBLEMS[reason].retry_after is not None for reason in those):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    content = {
        "schema": {"allOf": [reference(ErrorBody), _narrowed(those)]},
        "examples": {reason.name: {"$ref": f"#/components/examples/{reason.name}"} for reason in those},
    }
    return {
        "description": HTTPStatus(int(status)).phrase,
        "headers": headers,
        "content": {"application/json": content},
    }


def _narrowed(those: Iterable[Reason]) -> Schema:
    problems = [PROBLEMS[reason] for reason in those]
    codes = sorted({problem.code for problem in problems})
    names = sorted({f"res.error.{problem.reason}" for problem in problems})
    return {"properties": {"errorCode": {"enum": codes}, "reason": {"enum": names}}}
