"""The conversation about one call, without I/O: what to send, when to wait, when to give up."""

from collections.abc import Generator, Mapping
from typing import TypeVar, cast

import msgspec

from hsmgate.client.access import Access
from hsmgate.client.call import Call
from hsmgate.client.errors import ANSWER, RequestFailed
from hsmgate.client.shapes import ErrorBody
from hsmgate.record import Guarded, Record

LONGEST_PAUSE = 10  # seconds; a service that asks for more is not waited for
_FIRST_PAUSE = 0.1
_DONE = frozenset({200, 201})
_KEY_REFUSED = (401, 631)  # status and errorCode of an API key that is not the role's
T = TypeVar("T")


class Ask(Guarded):
    """Send this request."""

    hidden = frozenset({"headers", "content"})

    method: str
    path: str
    headers: dict[str, str]
    content: bytes


class Pause(Record):
    """Wait."""

    seconds: float


class Reply(Record):
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReply(Record):
    """Nothing usable came back. `unsent`: the request cannot have reached the service."""

    reason: str
    message: str
    unsent: bool = False


Step = Ask | Pause
Outcome = Reply | NoReply | None


def converse(call: Call[T], access: Access, request_id: str, retries: int) -> Generator[Step, Outcome, T]:
    """Yield what to do, be sent what came of it, return the answer. RequestFailed: refused, or no answer.

    Only a call that changes and uses nothing is repeated, and only where it was not sent or the service asks for it;
    the next API key of a list is tried with any call, since a request with a wrong one is not run.
    """
    role, repeated, attempt = call.endpoint.role, 0, 0
    while True:
        headers = access.headers(role, attempt)
        outcome = yield Ask(call.endpoint.method, call.path, _headers(headers, call, request_id), call.content)
        if isinstance(outcome, Reply) and outcome.status in _DONE:
            access.accepted(role, attempt)
            return _answer(call, outcome, request_id)
        failure = _failure(outcome, request_id)
        if (failure.status, failure.error_code) == _KEY_REFUSED and attempt + 1 < access.tries(role):
            attempt += 1
            continue
        pause = _pause(outcome, repeated) if call.endpoint.repeatable and repeated < retries else None
        if pause is None:
            raise failure
        repeated += 1
        yield Pause(pause)


def _headers(headers: Mapping[str, str], call: Call[T], request_id: str) -> dict[str, str]:
    sent = {
        **headers,
        "X-Request-Id": request_id,
        "Accept": "application/json, text/plain",
        "Accept-Encoding": "identity",
    }
    return {**sent, "Content-Type": "application/json"} if call.content else sent


def _answer(call: Call[T], reply: Reply, request_id: str) -> T:
    try:
        if call.endpoint.answer is bytes:
            return cast("T", reply.body)
        return msgspec.json.decode(reply.body or b"{}", type=call.endpoint.answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestFailed(
            ANSWER,
            f"the answer to {call.endpoint.action} is not of the contract's shape: {error}",
            status=reply.status,
            request_id=reply.headers.get("x-request-id", request_id),
        ) from None


def _failure(outcome: Outcome, request_id: str) -> RequestFailed:
    if not isinstance(outcome, Reply):
        gone = outcome or NoReply(ANSWER, "no answer")
        return RequestFailed(gone.reason, gone.message, request_id=request_id)
    request_id = outcome.headers.get("x-request-id", request_id)
    try:
        body = msgspec.json.decode(outcome.body, type=ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"HTTP {outcome.status} without an error body of the contract; is this the service?"
        return RequestFailed(ANSWER, message, status=outcome.status, request_id=request_id)
    return RequestFailed(
        body.reason, body.message, error_code=body.error_code, status=outcome.status, request_id=request_id
    )


def _pause(outcome: Outcome, repeated: int) -> float | None:
    """Seconds to wait before it is asked again; None where asking again is not safe or of no use."""
    if isinstance(outcome, NoReply):
        return _FIRST_PAUSE * 2.0**repeated if outcome.unsent else None
    if outcome is None or outcome.status != 503:
        return None
    wished = outcome.headers.get("retry-after", "")
    if not (wished.isascii() and wished.isdigit() and len(wished) <= 4) or int(wished) > LONGEST_PAUSE:
        return None
    return float(wished)
