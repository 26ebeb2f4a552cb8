"""GateProtocol on a bench: real TLS in memory, a transport that counts, a loop that is stepped by hand."""

import asyncio
import socket
import time
from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import Any, Self

import structlog
import uvicorn
from uvicorn.server import ServerState

from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.limits import Limits
from hsmgate.gate.protocol import Gatehouse, GateProtocol
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki.material import Identity, Material
from support import certs
from support.certs import Made
from support.http_bench import EchoApp, ListTransport, SteppedLoop, problem
from support.tls_client import TlsClient

READ = 256_000  # what uvloop reads at most at once


@cache
def root() -> Made:
    return certs.authority("bench root")


@cache
def alice() -> Made:
    return certs.client("bench alice", root())


@cache
def stranger() -> Made:
    return certs.client("bench stranger", certs.authority("bench other root"))


@cache
def identity() -> Identity:
    made = certs.make("localhost")
    return Identity(key_der=made.key_der, chain=(made.der,))


class RawTransport(ListTransport):
    """TCP below. `unsent`: how many of the bytes written the client has not taken; 0 where it takes them at once."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__()
        self.address = address
        self.stream: socket.socket | None = None
        self.greedy = True  # the client takes all
        self.unsent = 0
        self.ended = False  # FIN queued
        self.aborted = False
        self.protocol: GateProtocol
        self._high, self._waiting = 65_536, False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "socket":
            return self.stream
        return (self.address, 4711) if name == "peername" else super().get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        if not self.greedy:
            self.unsent += len(data)
            self._weigh()

    def is_paused(self) -> bool:
        return self.paused

    def _weigh(self) -> None:
        if self.unsent > self._high and not self._waiting:
            self._waiting = True
            self.protocol.pause_writing()
        elif self.unsent <= self._high // 4 and self._waiting:
            self._waiting = False
            self.protocol.resume_writing()

    def take(self, size: int) -> None:
        """The client reads."""
        self.unsent = max(0, self.unsent - size)
        self._weigh()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        assert low is None
        self._high = high
        self._weigh()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.closed = self.aborted = True
        asyncio.get_event_loop().call_soon(self.lose)

    def lose(self) -> None:
        """What asyncio does when the socket is gone."""
        self.closed = True
        self.protocol.connection_lost(None)


class House:
    """What all connections of one bench share. `logged`: all that was written into the log."""

    def __init__(self, app: EchoApp | None = None, *, client_auth: str = "need", **limits: float) -> None:
        self.loop = SteppedLoop()
        asyncio.set_event_loop(self.loop)
        self.app = app or EchoApp()
        self.logged: list[MutableMapping[str, Any]] = []
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._remember])
        self.material = Material(identity=identity(), entries=(("root", root().der),))
        settings = TlsSettings(client_auth=client_auth)
        self.keeper = TrustKeeper(lambda: self.material, lambda: b"", settings, time.time, log)
        bounds = Limits(**limits)  # type: ignore[arg-type]
        self.gatehouse = Gatehouse(self.keeper, bounds, problem, time.time, log)
        self.config = uvicorn.Config(self.app, ws="none", lifespan="off", log_config=None, access_log=False)
        self.config.load()
        self.state = ServerState()

    def _remember(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.logged.append(event)
        raise structlog.DropEvent

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.logged]

    def connect(self, address: str = "192.0.2.1") -> RawTransport:
        """A TCP connection."""
        raw = RawTransport(address)
        raw.protocol = self.gatehouse.protocol(self.config, self.state, {}, self.loop)
        raw.protocol.connection_made(raw)
        return raw

    def close(self) -> None:
        """End everything and check that nothing is left behind."""
        try:
            for connection in list(self.state.connections):
                connection.connection_lost(None)
            self.loop.step(5)
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.step(3)
            assert not self.loop.errors, self.loop.errors
            assert not self.state.connections
            assert not self.state.tasks
            assert self.gatehouse.census.total == self.gatehouse.census.unfinished == 0
            assert not [handle for handle in self.loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        finally:
            self.loop.close()
            asyncio.set_event_loop(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


class Visit:
    """One client at the gate, in memory."""

    def __init__(
        self,
        house: House,
        certificate: Made | None = None,
        version: str | None = None,
        address: str = "192.0.2.1",
        extra: Sequence[bytes] = (),
    ) -> None:
        self.house = house
        self.raw = house.connect(address)
        self.gate = self.raw.protocol
        self.tls = TlsClient(version, certificate, extra)
        self._heard = 0

    def hear(self) -> None:
        """The client takes what was written for it."""
        self.house.loop.step(2)
        data = b"".join(self.raw.written)
        if len(data) > self._heard:
            self.tls.feed(data[self._heard :])
            self._heard = len(data)

    def give(self, data: bytes, size: int = READ) -> None:
        """Bytes for the gate, as the network would hand them over: none while it does not read."""
        for start in range(0, len(data), size):
            for _ in range(500):
                if not self.raw.paused:
                    break
                self.house.loop.step()
            if self.raw.closed:
                return
            self.gate.data_received(data[start : start + size])
        self.house.loop.step(3)

    def handshake(self) -> Self:
        """Shake hands as far as it goes."""
        self.tls.feed(b"")
        for _ in range(8):
            flight = self.tls.outgoing()
            if not flight:
                break
            self.give(flight)
            self.hear()
        return self

    def records(self, *texts: bytes) -> bytes:
        """A record of each text."""
        for text in texts:
            self.tls.connection.send(text)
        return self.tls.outgoing()

    def answers(self) -> bytes:
        """All that the client has read in plaintext."""
        for _ in range(20):
            self.hear()
        return self.tls.received
