"""BoundedHttp on a bench: a loop that is stepped by hand, with a clock that stands still, and a transport of lists."""

import asyncio
import re
from collections.abc import Callable, Coroutine, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from uvicorn.server import ServerState

from hsmgate.errors import Failure
from hsmgate.gate.http import BoundedHttp
from hsmgate.gate.limits import Limits

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n:]+: [^\r\n]*\r\n)*\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_OF_HEAD = re.compile(rb"\r\nx-head: (\d+)\r\n")
SLICE = 2048  # what the gate hands up at most at once

Receive = Callable[[], Coroutine[Any, Any, MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, None]]


class SteppedLoop(asyncio.SelectorEventLoop):
    """Runs when told to; its clock moves when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 1000.0
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _loop, context: self.errors.append(context))

    def time(self) -> float:
        return self.clock

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.call_soon(self.stop)
            self.run_forever()

    def forward(self, seconds: float) -> None:
        """Let time pass and all that is due happen."""
        self.clock += seconds
        self.step(4)


class ListTransport(asyncio.Transport):
    """Collects what is written; remembers pausing and closing."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.2", 443), "sslcontext": True}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass(frozen=True)
class Call:
    """One request as the application saw it. `body` is None where the client was gone before it was whole."""

    method: str
    target: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None


@dataclass
class EchoApp:
    """Notes every request; answers with the number of the call. `hold`: answers wait until it is set."""

    calls: list[Call] = field(default_factory=list)
    begun: int = 0
    hold: asyncio.Event | None = None
    early: bool = False  # answers before it has read the body

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        number, self.begun = self.begun, self.begun + 1
        body: bytes | None = None if self.early else await _body(receive)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.calls.append(Call(scope["method"], target, scope["http_version"], tuple(scope["headers"]), body))
        if self.hold is not None:
            await self.hold.wait()
        text = str(number).encode()
        size = (b"x-head", text) if scope["method"] == "HEAD" else (b"content-length", b"%d" % len(text))
        await send({"type": "http.response.start", "status": 200, "headers": [size]})
        await send({"type": "http.response.body", "body": text})


async def _body(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


def problem(failure: Failure) -> tuple[int, bytes]:
    """The reason as body, so that tests can tell refusals apart."""
    status = {"HEADER_TOO_LARGE": 431, "REQUEST_TIMEOUT": 408}.get(failure.reason.name, 400)
    return status, failure.reason.name.encode()


class Bench:
    """One connection. `limits` as for the gate; `app` is an EchoApp of its own unless given."""

    def __init__(self, app: EchoApp | None = None, loop: SteppedLoop | None = None, **limits: float) -> None:
        self.loop = loop or SteppedLoop()
        self._own_loop = loop is None
        asyncio.set_event_loop(self.loop)
        self.app = app or EchoApp()
        config = uvicorn.Config(self.app, ws="none", lifespan="off", log_config=None, access_log=False)
        self.state = ServerState()
        bounds = Limits(**limits)  # type: ignore[arg-type]
        self.http = BoundedHttp(config, self.state, {}, self.loop, limits=bounds, problem=problem)
        self.transport = ListTransport()
        self.http.connection_made(self.transport)
        self._lost = False

    def feed(self, data: bytes, size: int = SLICE) -> None:
        """Give bytes as the gate does: in small slices, none while paused, a turn of the loop between them."""
        for start in range(0, len(data), size):
            self.wait_until_read()
            if self.transport.closed:
                break
            self.http.data_received(data[start : start + size])
        self.settle()

    def wait_until_read(self) -> None:
        """Let the application work until more is wanted (or nothing moves any more)."""
        for _ in range(2000):
            if not self.transport.paused or self.transport.closed:
                return
            self.loop.step()

    def settle(self) -> None:
        """Let everything happen that can happen now."""
        idle = 0
        while idle < 3:
            before = (len(self.transport.written), self.app.begun, len(self.app.calls))
            self.loop.step(2)
            idle = idle + 1 if before == (len(self.transport.written), self.app.begun, len(self.app.calls)) else 0
        if self.transport.closed and not self._lost:
            self._lost = True
            self.http.connection_lost(None)
            self.loop.step(3)

    @property
    def sent(self) -> bytes:
        return b"".join(self.transport.written)

    def responses(self) -> list[tuple[int, bytes]]:
        """What the client reads, as (status, body); fails where that is no sequence of whole responses."""
        data, found = self.sent, []
        while data:
            head = _HEAD.match(data)
            assert head is not None, data[:200]
            size = _LENGTH.search(head[0])
            length = int(size[1]) if size else 0
            body = data[head.end() : head.end() + length]
            assert len(body) == length, (head[0], body)
            of_head = _OF_HEAD.search(head[0])
            found.append((int(head[1]), of_head[1] if of_head else body))
            data = data[head.end() + length :]
        return found

    def close(self) -> None:
        """Lose the connection and check that nothing is left behind."""
        try:
            self._lose()
        finally:
            if self._own_loop:
                self.loop.close()
                asyncio.set_event_loop(None)

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self.http.connection_lost(None)
        self.settle()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.step(3)
        assert not self.loop.errors, self.loop.errors
        assert not self.state.connections
        assert not self.state.tasks
        timers = [handle for handle in self.loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        assert not timers, timers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()
