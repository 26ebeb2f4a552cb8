"""The way of every request: row, site, admission, body, its turn, its work (in a thread where it is long), answer."""

import asyncio
import functools
import itertools
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

import msgspec

from hsmgate.api import body, journal, signed
from hsmgate.api.asgi import Headers, Receive, Scope, Send, values
from hsmgate.api.durations import Durations
from hsmgate.api.guesses import Guesses
from hsmgate.api.journal import Ticket
from hsmgate.api.lanes import LANES, Bounds, Cost, Lane
from hsmgate.api.paths import Paths
from hsmgate.api.plan import Answer, Document, Facts, Named, Plan
from hsmgate.api.problems import PROBLEMS, answer
from hsmgate.api.roles import demand_of
from hsmgate.api.routes import ROUTES, Route
from hsmgate.errors import Failure, Reason
from hsmgate.gate import site
from hsmgate.gate.roles import ANYTHING, Demand
from hsmgate.pki.peer import Peer
from hsmgate.usecases.ports import Ports

Observe = Callable[[str, int, float], None]  # row, HTTP status, seconds
Admit = Callable[[Scope, Demand], Awaitable[Peer]]
T = TypeVar("T")


class Log(Protocol):
    """What is used of the log: an event's name and its fields."""

    def warning(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401 - whatever can be written
    def error(self, event: str, /, **fields: Any) -> object: ...  # noqa: ANN401


_NO_ROW = "unknown path"  # in audit lines
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STEADY_HEADERS: dict[bytes, bytes] = {
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
}
_PIECE = 64 * 1024  # bytes sent at a time: the next waits until the client has taken most of it


def connected_peer(scope: Scope) -> Peer | None:
    """The peer that the TLS layer proved, judged or not."""
    connection = scope.get("state", {}).get("connection")
    return connection.peer if connection is not None else None


def _ticket(scope: Scope, action: str, request_id: str, peer: Peer) -> Ticket:
    """With what the gate noted about the grounds on which this request was let in."""
    noted = scope.get("state", {})
    return Ticket(action, request_id, peer.fingerprint, noted.get("revocation", ""), noted.get("access", {}))


def request_ids() -> Callable[[], str]:
    """Ids for requests that bring none: unique, and cheaper than asking the kernel for 16 octets each time."""
    process, count = uuid.uuid4().hex[:16], itertools.count(1)
    return lambda: f"{process}-{next(count):x}"


class Dispatcher:
    """The ASGI application. At most `most_waiting` requests wait for, or hold, a worker thread at a time.

    A peer whose body and turn took longer than `judged_for` seconds is judged again before anything is run for it.
    """

    def __init__(
        self,
        ports: Ports,
        admit: Admit,
        executor: Executor,
        rules: site.SiteRules,
        log: Log,
        *,
        observe: Observe = lambda _row, _status, _seconds: None,
        new_id: Callable[[], str] | None = None,
        peer_of: Callable[[Scope], Peer | None] = connected_peer,
        most_waiting: int = 4096,
        judged_for: float = 1.0,
        strict_roles: bool = False,
        lanes: Mapping[Cost, Bounds] = LANES,
        guesses: Guesses | None = None,
        documents: Mapping[str, Document] = {},
    ) -> None:
        self._ports = ports
        self._admit = admit
        self._executor = executor
        self.rules = rules  # replaced whole when the names of the service change
        self._log = log
        self._observe = observe
        self._new_id = new_id or request_ids()
        self._peer_of = peer_of
        self._most_waiting = most_waiting
        self._judged_for = judged_for
        self._lanes = {cost: Lane(bounds) for cost, bounds in lanes.items()}
        self._guesses = guesses or Guesses(time.monotonic)
        self._documents = documents
        self._durations = Durations()
        self._waiting = 0
        self._paths = Paths(ROUTES)
        self._demands = {row.action: demand_of(row, strict=strict_roles) for row in ROUTES}
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            row.action: msgspec.json.Decoder(row.body) for row in ROUTES if row.body is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI scope: http is served, lifespan acknowledged, websocket refused."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = asyncio.get_running_loop().time()
        request_id = self._request_id(scope["headers"])
        more: Headers = [(b"x-request-id", request_id.encode())]
        try:
            served = await self._serve(scope, receive, request_id)
            if served is None:
                return
            status, document = served
        except Failure as failure:
            status, document = _problem(failure)
            self._log.warning("request.refused", **self._fields(scope, request_id, status, failure))
            more += self._headers_of(scope, failure)
        except Exception as error:  # a bug: whatever it is, the client learns nothing of it
            bug = Failure(Reason.INTERNAL, str(error))
            status, document = _problem(bug)
            self._log.error("request.failed", exc_info=error, **self._fields(scope, request_id, status, bug))
        await send({"type": "http.response.start", "status": status, "headers": [*_headers(document), *more]})
        await _send_body(document.octets, send)
        self._observe(scope.get("row", "none"), status, asyncio.get_running_loop().time() - began)

    async def _serve(self, scope: Scope, receive: Receive, request_id: str) -> tuple[int, Document] | None:
        """Status and body, or None where the client went away before its request was complete."""
        try:
            match = self._paths.find(scope["method"], scope["raw_path"])
        except Failure:
            # whoever may not come in is not even told which paths there are
            await self._admitted(scope, _NO_ROW, request_id, ANYTHING)
            raise
        route = match.route
        scope["row"] = route.action
        site.check(scope["headers"], self.rules, scope["http_version"])
        demand = self._demands[route.action]
        ticket = await self._admitted(scope, route.action, request_id, demand)
        judged = asyncio.get_running_loop().time()
        try:
            raw = await _read(route, scope["headers"], receive)
            if raw is None:
                return None
            decoder = self._decoders.get(route.action)
            decoded = None if decoder is None else body.decode(raw, decoder, comma=route.comma)
            lane = self._lanes.get(route.cost(decoded))
            if lane is not None:
                await lane.enter(ticket.peer)
        except Failure as failure:
            if route.audited:
                await self._note(ticket, failure)
            raise
        query = (scope["query_string"].decode("latin-1"),) if route.with_query else ()
        params = (*match.params, *query)
        try:
            if asyncio.get_running_loop().time() - judged > self._judged_for:
                ticket = await self._admitted(scope, route.action, request_id, demand)
            work = functools.partial(self._work, route, params, decoded, raw, ticket)
            return route.ok, await self._done(route, decoded, work, is_costly=lane is not None)
        finally:
            if lane is not None:
                lane.leave()

    async def _admitted(self, scope: Scope, action: str, request_id: str, demand: Demand) -> Ticket:
        """The peer is judged; what the audit lines of its request share."""
        try:
            peer = await self._admit(scope, demand)
        except Failure as failure:
            refused = self._peer_of(scope)
            if refused is not None and not refused.anonymous:
                await self._note(Ticket(action, request_id, refused.fingerprint), failure)
            raise
        return _ticket(scope, action, request_id, peer)

    async def _done(self, route: Route, decoded: object, work: Callable[[], Document], *, is_costly: bool) -> Document:
        """What waits for nobody and is short runs here and now, the rest in a worker thread. Failure: as `_hop`."""
        alike = route.kind(decoded) if self._ports.waits_for_nobody and route.only_reads and not is_costly else None
        if alike is None:
            return await self._hop(work)
        kind = (route.action, alike)
        if self._durations.are_short(kind):
            return self._durations.timed(kind, work)
        return await self._hop(lambda: self._durations.timed(kind, work))

    async def _hop(self, work: Callable[[], T]) -> T:
        """Run what blocks in a worker thread. Failure: OVERLOADED, and those of `work`."""
        if self._waiting >= self._most_waiting:
            raise Failure(Reason.OVERLOADED)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1

    async def _note(self, ticket: Ticket, failure: Failure) -> None:
        """One audit line for a request that got no further than the event loop."""
        result = failure.reason.name
        await self._hop(lambda: journal.outcome(self._ports.audit, ticket, result, {}, intended=False))

    def _work(
        self,
        route: Route,
        params: tuple[str, ...],
        decoded: Any,  # noqa: ANN401
        raw: bytes,
        ticket: Ticket,
    ) -> Document:
        """Plan, intent, use case, outcome. The outcome stands before the answer leaves."""
        facts: Facts = {}
        intended = False
        try:
            plan = route.plan(params, decoded)
            uses_key = route.touches_key or plan.touches_key
            facts = {**plan.facts, **signed.check(decoded, raw, self._ports.request_signers, uses_key=uses_key)}
            if uses_key:
                journal.intent(self._ports.audit, ticket, facts)
                intended = True
            done = self._guarded(plan, ticket)
            document = self._document(done.body)
        except BaseException as error:
            result = error.reason if isinstance(error, Failure) else Reason.INTERNAL
            self._outcome(route, ticket, result.name, facts, intended=intended)
            if isinstance(error, Exception):
                raise
            raise RuntimeError("a library panicked") from error  # Rust's panics are no Exceptions, and yet only bugs
        self._outcome(route, ticket, "ok", self._remarked(facts, done, ticket), intended=intended)
        return document

    def _document(self, body: object) -> Document:
        if isinstance(body, Document):
            return body
        if not isinstance(body, Named):
            return _json(msgspec.json.encode(body))
        if body.name not in self._documents:
            raise Failure(Reason.NO_SUCH_PATH, "There is no such path.")
        return self._documents[body.name]

    def _guarded(self, plan: Plan, ticket: Ticket) -> Answer:
        """Run it; who gave too many wrong passwords is not heard. Failure: TOO_MANY_GUESSES, and those of the plan."""
        if not plan.guesses:
            return plan.run(self._ports)
        self._guesses.check(ticket.peer, plan.guesses)
        try:
            done = plan.run(self._ports)
        except Failure as failure:
            if failure.reason is Reason.KEY_PASSWORD_MISMATCH:
                self._guesses.wrong(ticket.peer, plan.guesses)
            raise
        self._guesses.right(ticket.peer, plan.guesses)
        return done

    def _outcome(self, route: Route, ticket: Ticket, result: str, facts: Facts, *, intended: bool) -> None:
        if route.audited:
            journal.outcome(self._ports.audit, ticket, result, facts, intended=intended)

    def _remarked(self, facts: Facts, done: Answer, ticket: Ticket) -> Facts:
        if not done.remark:
            return facts
        fields = {"detail": done.remark, "requestId": ticket.request_id, "action": ticket.action, **facts}
        self._log.warning("request.remark", **fields)
        return {**facts, "remark": done.remark}

    def _request_id(self, headers: Headers) -> str:
        given = values(headers, b"x-request-id")
        if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
            return given[0].decode()
        return self._new_id()

    def _fields(self, scope: Scope, request_id: str, status: int, failure: Failure) -> dict[str, object]:
        peer = self._peer_of(scope)
        return {
            "requestId": request_id,
            "method": scope["method"],
            "path": scope["raw_path"][:512].decode("ascii", "backslashreplace"),
            "peer": peer.fingerprint if peer is not None else "",
            "status": status,
            "reason": failure.reason.name,
            "detail": failure.detail,
        }

    def _headers_of(self, scope: Scope, failure: Failure) -> Headers:
        problem = PROBLEMS[failure.reason]
        headers: Headers = []
        if problem.close:
            headers.append((b"connection", b"close"))
        if problem.retry_after is not None:
            headers.append((b"retry-after", str(problem.retry_after).encode()))
        if failure.reason is Reason.METHOD_NOT_ALLOWED:
            headers.append((b"allow", ", ".join(self._paths.methods(scope["raw_path"])).encode()))
        return headers


def _json(octets: bytes) -> Document:
    return Document("application/json", octets)


def _problem(failure: Failure) -> tuple[int, Document]:
    status, octets = answer(failure)
    return status, _json(octets)


def _headers(document: Document) -> Headers:
    """The headers of an answer, each once; those of the document are stronger than the usual ones."""
    fields = {b"content-type": document.media_type.encode(), **_STEADY_HEADERS, **dict(document.headers)}
    return [*fields.items(), (b"content-length", str(len(document.octets)).encode())]


async def _send_body(octets: bytes, send: Send) -> None:
    for begin in range(0, max(len(octets), 1), _PIECE):
        more = begin + _PIECE < len(octets)
        await send({"type": "http.response.body", "body": octets[begin : begin + _PIECE], "more_body": more})


async def _read(route: Route, headers: Headers, receive: Receive) -> bytes | None:
    """The body, or None where the client went away. Rows without a body type read and drop what is sent."""
    if not body.announced(headers):
        return b""
    if route.body is not None:
        body.check_media_type(headers)
    body.check_length(headers, route.body_limit)
    return await body.read(receive, route.body_limit)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
