"""The listener below the site: HTTP as at the gate, without TLS; idle, slow and endless clients make room."""

import asyncio
import functools
import socket
from collections import OrderedDict
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from hsmgate.errors import Failure
from hsmgate.gate.http import BoundedHttp
from hsmgate.gate.limits import Limits, peer_of
from hsmgate.responder.site import Site

STALLED_SECONDS = 10.0  # without a byte taken by the client, or since the end of its connection
LIMITS = Limits(
    header_bytes=32 * 1024,  # a request of 10 KB as Base64 in the path, half of it percent-encoded
    header_timeout=10.0,
    idle_timeout=15.0,
    body_timeout=10.0,
    connections=1000,
    connections_per_peer=200,
)
GRACE_SECONDS = 5.0


class Crowd:
    """The open connections. Where there is no room, one that waits for its client is ended for the newcomer."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: OrderedDict[ResponderHttp, str] = OrderedDict()  # -> address; the longest idle first
        self._by_peer: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, one: "ResponderHttp", address: str) -> bool:
        """Whether there is room, or room could be made."""
        peer = peer_of(address)
        crowded = self._by_peer.get(peer, 0) >= self._limits.connections_per_peer
        if (crowded and not self._evict(peer)) or (len(self._open) >= self._limits.connections and not self._evict()):
            return False
        self._open[one] = peer
        self._by_peer[peer] = self._by_peer.get(peer, 0) + 1
        return True

    def answered(self, one: "ResponderHttp") -> None:
        """It has been served just now."""
        if one in self._open:
            self._open.move_to_end(one)

    def leave(self, one: "ResponderHttp") -> None:
        """It is gone."""
        peer = self._open.pop(one, None)
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    def _evict(self, peer: str | None = None) -> bool:
        """End the one that has been without a request for longest: of this peer, or of the one that has most."""
        if peer is None and self._by_peer:
            peer = max(self._by_peer, key=self._by_peer.__getitem__)
        for one, owner in self._open.items():
            if owner == peer and not one.is_working:
                self.leave(one)
                one.abort()
                return True
        return False


class ResponderHttp(BoundedHttp):
    """One connection. A client that takes nothing of its answer is not waited for."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        problem: Callable[[Failure], tuple[int, bytes]],
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, limits=limits, problem=problem)
        self._crowd = crowd
        self._stall: asyncio.TimerHandle | None = None

    @property
    def is_working(self) -> bool:
        """Whether a request is here whole, and its answer is not."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came."""
        super().connection_made(transport)
        if not self._crowd.enter(self, self.client[0] if self.client else ""):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._crowd.leave(self)
        self._watch(on=False)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The client sends no more: what is owed is answered, then the connection ends."""
        self.end_of_input()
        return True  # type: ignore[return-value]

    def on_response_complete(self) -> None:
        """An answer is written."""
        self._crowd.answered(self)
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._watch(on=True)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._watch(on=True)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._watch(on=False)

    def _watch(self, *, on: bool) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if on:
            self._stall = self.loop.call_later(STALLED_SECONDS, self._stalled)

    def _stalled(self) -> None:
        self._stall = None
        if self.transport.get_write_buffer_size():
            self.abort()


class Listener:
    """Serves a site on a bound socket, on the running loop."""

    def __init__(self, site: Site, problem: Callable[[Failure], tuple[int, bytes]], limits: Limits = LIMITS) -> None:
        self.crowd = Crowd(limits)
        self._state = ServerState()
        self._config = uvicorn.Config(
            site,
            http=functools.partial(  # type: ignore[arg-type]
                ResponderHttp, limits=limits, problem=problem, crowd=self.crowd
            ),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
        )
        self._config.load()
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """From now on clients are served."""
        loop = asyncio.get_running_loop()
        self._tick(loop)
        self._server = await loop.create_server(self._protocol, sock=bound, backlog=1024)

    def _protocol(self) -> asyncio.Protocol:
        return self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state={}, _loop=asyncio.get_running_loop()
        )

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """uvicorn's server would set the Date of answers once a second; here it is us."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._timer = loop.call_later(1.0, self._tick, loop)

    async def stop(self) -> None:
        """Answers that are owed go out, within a grace; everybody else is sent away."""
        self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        end = asyncio.get_running_loop().time() + GRACE_SECONDS
        while self._state.connections and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - uvicorn's set
            await asyncio.sleep(0.02)
        for connection in list(self._state.connections):
            connection.abort()  # type: ignore[union-attr]
        await asyncio.sleep(0)
