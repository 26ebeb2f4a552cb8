"""uvicorn's httptools protocol with our bounds on headers, bodies, idleness and time, and our error bodies."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from hsmgate.errors import Failure, Reason
from hsmgate.gate.limits import Limits

Problem = Callable[[Failure], tuple[int, bytes]]  # a Failure as HTTP status and JSON body


class _Phase(Enum):
    IDLE = auto()  # between requests
    HEADER = auto()
    BODY = auto()
    DONE = auto()  # the request is here whole; the answer is on its way


class _PipelineFlow(FlowControl):
    """Reads nothing while whole requests wait for their turn: a pipeline would grow faster than it is answered."""

    def __init__(self, transport: asyncio.Transport, pipeline: deque[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 above TLS. Header fields, header time, body time and idle time are bounded by `limits`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        problem: Problem,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._problem = problem
        self._phase = _Phase.IDLE
        self._header_bytes = 0  # of complete fields, trailer fields included
        self._fed = 0  # bytes since the message got on: began, completed its header, or brought a piece of body
        self._steps = 0  # how often it did so within the bytes fed last
        self._refusal: Failure | None = None
        self._last_words: bytes | None = None  # no more input is taken; goes out after the answers that are owed
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # asyncio
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The channel below is ready."""
        super().connection_made(transport)
        self.flow = _PipelineFlow(transport, self.pipeline)
        self._enter(_Phase.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel below is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Decrypted bytes, few at a time: pausing the transport takes effect between two calls."""
        if self.parser is None or self._last_words is not None or self.transport.is_closing():
            return
        fresh = self._phase is _Phase.IDLE
        self._steps = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No protocol is offered. What follows may be of the other protocol: it must not be read as a request.
            self._stop(b"")
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or Failure(Reason.BAD_REQUEST, "this is no HTTP/1.1 request"))
            return
        if self._phase in (_Phase.HEADER, _Phase.BODY):
            # A field, a trailer field or a chunk extension that is not complete yet is counted here, not in `_count`.
            if not self._steps:
                self._fed += len(data)
            else:
                self._fed = len(data) if fresh and self._steps == 1 else 0
            if self._fed > self._limits.header_bytes:
                self._refuse(self._too_large())

    def end_of_input(self) -> None:
        """The client sends no more: what is owed is answered, a request cut short is dropped."""
        if self._last_words is None and not self.transport.is_closing():
            self._stop(b"")

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    # httptools
    def on_message_begin(self) -> None:
        """First byte of a request."""
        super().on_message_begin()
        self._header_bytes = 0
        self._steps += 1
        self._enter(_Phase.HEADER)

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; trailer fields are counted and dropped."""
        self._count(len(name) + len(value) + 4)
        if self._phase is _Phase.HEADER:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The header is here whole: the request starts."""
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refusal = Failure(Reason.BAD_REQUEST, "only HTTP/1.1 and HTTP/1.0 are spoken here")
            raise self._refusal
        if not _is_own_target(self.url, self.headers):
            self._refusal = Failure(Reason.BAD_REQUEST, "the request target names another host than the header Host")
            raise self._refusal
        if self.parser.should_upgrade() and any(
            n in (b"content-length", b"transfer-encoding") for n, _ in self.headers
        ):
            # The parser reads no body here, so where this request ends would be a matter of opinion.
            self._refusal = Failure(Reason.BAD_REQUEST, "an Upgrade together with a body is refused")
            raise self._refusal
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110 10.1.1
        self._steps += 1
        super().on_headers_complete()
        self._enter(_Phase.BODY)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here whole."""
        super().on_message_complete()
        self._enter(_Phase.IDLE if self.cycle.response_complete else _Phase.DONE)

    def _should_upgrade(self) -> bool:
        return False

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes:
            self._refusal = self._too_large()
            raise self._refusal

    def _too_large(self) -> Failure:
        return Failure(Reason.HEADER_TOO_LARGE, f"the header is larger than {self._limits.header_bytes} bytes")

    # uvicorn
    def on_response_complete(self) -> None:
        """An answer is complete; the next request of the pipeline, or idleness, follows."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._last_words is not None:
            self.transport.write(self._last_words)
            self.transport.close()
            return
        elif self._phase is _Phase.DONE:
            self._enter(_Phase.IDLE)
        if self.flow.read_paused and self._phase in (_Phase.HEADER, _Phase.BODY):
            self._enter(self._phase)  # it was us who did not read: the client's time begins now
        self.flow.resume_reading()

    # time
    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        seconds = {
            _Phase.IDLE: self._limits.idle_timeout,
            _Phase.HEADER: self._limits.header_timeout,
            _Phase.BODY: self._limits.body_timeout,
            _Phase.DONE: 0.0,
        }[phase]
        # One timer per connection: it is set anew only when the deadline comes nearer than it is set for.
        self._deadline = self.loop.time() + seconds if seconds else 0.0
        if self._deadline and (self._timer is None or self._timer.when() > self._deadline):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._deadline and self.flow.read_paused:
            self._enter(self._phase)  # it is us who do not read
        elif not self._deadline or self.loop.time() < self._deadline - 0.001:
            when = self._deadline or self.loop.time() + self._limits.idle_timeout
            self._timer = self.loop.call_at(when, self._on_timer)
        elif self._phase is _Phase.IDLE:
            self.transport.close()
        else:
            what = "header" if self._phase is _Phase.HEADER else "body"
            self._refuse(Failure(Reason.REQUEST_TIMEOUT, f"the {what} of the request did not arrive in time"))

    # the end
    def _refuse(self, failure: Failure) -> None:
        if self.transport.is_closing() or self._last_words is not None:
            return
        status, body = self._problem(failure)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\ncache-control: no-store\r\n\r\n"
        )
        self._stop(head.encode() + body)

    def _stop(self, answer: bytes) -> None:
        """Take no more input. Answers that are owed go out first, then `answer`, then the connection ends."""
        if self._phase is _Phase.BODY:
            if not self.pipeline:
                # The request that broke off is the one that is worked on. Never write into or after its answer.
                if not self.cycle.response_started:
                    self.transport.write(answer)
                self.transport.close()
                return
            self.pipeline.popleft()  # it waits for its turn, and will not get it
        elif self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
            self.transport.close()
            return
        elif not answer:
            self.cycle.keep_alive = False  # says so in the answer
        self._last_words = answer
        self._enter(_Phase.DONE)


def _is_own_target(target: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """An absolute-form target (RFC 9112 3.2.2) must name what Host names; no user information, no fragment."""
    if b"#" in target:
        return False
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return True  # origin-form, or one that no row has
    authority = rest.partition(b"/")[0].partition(b"?")[0]
    return [authority.lower()] == [value.strip().lower() for name, value in headers if name == b"host"]
