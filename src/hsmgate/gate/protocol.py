"""One TCP connection: handshake within bounds, then HTTP above the decrypted bytes."""

import asyncio
import fcntl
import itertools
import sys
import termios
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from structlog.typing import FilteringBoundLogger
from uvicorn.config import Config
from uvicorn.server import ServerState

from hsmgate.errors import Failure, Reason
from hsmgate.gate.admission import Connection
from hsmgate.gate.http import BoundedHttp, Problem
from hsmgate.gate.keeper import Snapshot, TrustKeeper
from hsmgate.gate.limits import (
    ENDING_LINGER_SECONDS,
    HANDSHAKE_BYTES,
    LINGER_SECONDS,
    NOISE_BYTES,
    SLOWEST_READER,
    Census,
    Limits,
)
from hsmgate.gate.tls import Channel
from hsmgate.gate.transport import TlsTransport
from hsmgate.pki import path as paths
from hsmgate.pki.peer import Peer
from hsmgate.pki.trust import fingerprint

_keys = itertools.count()
_SLICE = 2048  # plaintext bytes given to HTTP at once: few requests fit in before it can say that it wants no more
_STEPS = 256  # slices handed up in one turn of the loop, so that a flood of tiny records holds nobody else up


@dataclass
class Gatehouse:
    """What all connections share."""

    keeper: TrustKeeper
    limits: Limits
    problem: Problem
    now: Callable[[], float]
    log: FilteringBoundLogger
    census: Census = field(init=False)
    refused: Counter[Reason] = field(default_factory=Counter)  # handshakes

    def __post_init__(self) -> None:
        self.census = Census(self.limits)

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "GateProtocol":
        """Given to uvicorn as `Config(http=...)`."""

        def above(connection: Connection) -> BoundedHttp:
            state = {**app_state, "connection": connection}
            return BoundedHttp(config, server_state, state, _loop, limits=self.limits, problem=self.problem)

        return GateProtocol(self, above, server_state, _loop or asyncio.get_running_loop())


class GateProtocol(asyncio.Protocol):
    """TLS under HTTP, with every byte and second before the proof of the peer bounded.

    It stands among uvicorn's connections until the socket is gone, so that ending the server waits for its last bytes.
    """

    _channel: Channel
    _raw: asyncio.Transport

    def __init__(
        self,
        house: Gatehouse,
        above: Callable[[Connection], BoundedHttp],
        server_state: ServerState,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._house = house
        self._above = above
        self._open_connections = cast("set[GateProtocol]", server_state.connections)
        self._loop = loop
        self._key = next(_keys)
        self._snapshot: Snapshot = house.keeper.current
        self._http: BoundedHttp | None = None
        self._address = ""
        self._entered = False
        self._received = 0  # bytes before the handshake was complete; after it, bytes since the last plaintext
        self._plain = b""  # decrypted, not handed up yet
        self._ended = False  # the client sends no more
        self._queued: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._linger = LINGER_SECONDS
        # why nothing is read now: HTTP wants no more, the client does not read, or a turn was not enough
        self._paused = self._stalled = self._behind = False
        self._reading = True
        self.closing = False

    # TCP below
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._raw = cast("asyncio.Transport", transport)
        peername = self._raw.get_extra_info("peername")
        self._address = str(peername[0]) if isinstance(peername, tuple) else "local"
        try:
            self._house.census.enter(self._key, self._address, self.abort)
        except Failure as failure:
            self._house.log.warning("connection.refused", peer=self._address, detail=str(failure))
            self.abort()
            return
        self._entered = True
        self._open_connections.add(self)
        self._channel = Channel(self._snapshot.context, self._snapshot.trust, self._house.now)
        self._set_timer(self._house.limits.handshake_timeout, self._handshake_timeout)

    def data_received(self, data: bytes) -> None:
        """Bytes from the network."""
        if self.closing or self._ended:
            return  # drained, so that our last bytes arrive
        if self._http is None:
            self._handshake(data)
            return
        self._received += len(data)
        self._channel.feed(data)
        self._pump()

    def eof_received(self) -> bool:
        """The client sends no more; an answer that is owed is still given."""
        if self._http is None or self.closing:
            return False
        self._end_of_input()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        self.closing = True
        self._set_timer(0, None)
        self._open_connections.discard(self)
        if self._entered:
            self._entered = False
            self._house.census.leave(self._key, self._address)
        self._leave_http(exc)

    def pause_writing(self) -> None:
        """The client does not read: write no more, and read no more of what would want an answer."""
        self._stalled = True
        self._steer()
        if self._http is not None:
            self._http.pause_writing()
            self._await_reader()

    def resume_writing(self) -> None:
        """The client reads again; after the end: it has taken everything."""
        self._stalled = False
        if self.closing:
            self._leave_http(None)
            self._set_timer(self._linger, self.abort)
        elif self._http is not None:
            self._set_timer(0, None)
            self._http.resume_writing()
            self._steer()

    def _await_reader(self) -> None:
        self._set_timer(self._house.limits.idle_timeout, self._check_reader, self._unsent())

    def _check_reader(self, before: int) -> None:
        """A slow reader may go on, one that reads next to nothing holds a connection and its memory."""
        if before - self._unsent() < SLOWEST_READER * self._house.limits.idle_timeout:
            self._house.log.info("connection.stalled", peer=self._address)
            self.abort()
        else:
            self._await_reader()

    def _unsent(self) -> int:
        """Bytes that the client has not acknowledged: ours, and the megabytes that the kernel takes off our hands."""
        size: int = self._raw.get_write_buffer_size()
        stream = self._raw.get_extra_info("socket")
        if stream is not None:
            size += int.from_bytes(fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return size

    # handshake
    def _handshake(self, data: bytes) -> None:
        # What follows the client's last flight may be as large as it likes: only what comes before is bounded.
        part = data[: HANDSHAKE_BYTES - self._received]
        self._received += len(part)
        try:
            complete = self._channel.handshake(part)
            if not complete and self._received >= HANDSHAKE_BYTES:
                raise Failure(Reason.BAD_REQUEST, f"{HANDSHAKE_BYTES} bytes came and the handshake was not complete")
        except Failure as failure:
            self._house.refused[failure.reason] += 1
            self._house.log.warning(
                "handshake.refused", peer=self._address, reason=failure.reason.name, detail=failure.detail
            )
            # its frames hold this connection, and this connection holds it: free both now, not at a collection
            failure.__traceback__ = failure.__context__ = None
            self._flush()
            self.close()
            return
        self._flush()
        if complete:
            if len(part) < len(data):
                self._channel.feed(data[len(part) :])
            self._open()

    def _open(self) -> None:
        self._house.census.finished(self._key)
        self._set_timer(0, None)
        self._received = 0
        peername = self._raw.get_extra_info("peername")
        address = f"{peername[0]}:{peername[1]}" if isinstance(peername, tuple) else "local"
        connection = Connection(self._peer(address), self._channel, self._snapshot)
        self._http = self._above(connection)
        self._http.connection_made(TlsTransport(self, self._raw))
        self._pump()

    def _peer(self, address: str) -> Peer:
        verdict = self._channel.verdict
        if verdict is None:
            return Peer(address=address)
        der = verdict.path[0]
        leaf = paths.parse(der)
        return Peer(
            fingerprint=fingerprint(der),
            subject=paths.name_of(leaf),
            serial=f"{leaf.serial_number:x}",
            leaf_der=der,
            chain_der=verdict.path,
            trusted_by=verdict.trusted_by,
            address=address,
        )

    def _handshake_timeout(self) -> None:
        self._house.log.info("handshake.timeout", peer=self._address)
        self.abort()

    # plaintext above
    def _pump(self) -> None:
        """Hand decrypted bytes up until there are none, HTTP wants no more for now, or others have a turn."""
        self._behind = False
        for _ in range(_STEPS):
            if self._http is None or self._paused or self._stalled or self.closing or not self._decrypt():
                break
            piece, self._plain = self._plain[:_SLICE], self._plain[_SLICE:]
            self._http.data_received(piece)
        else:
            self._behind = True
            self._loop.call_soon(self._pump)
        if not self.closing:
            self._flush()
            self._steer()

    def _decrypt(self) -> bool:
        """Whether there is plaintext to hand up."""
        if self._plain:
            return True
        if self._ended:
            return False
        try:
            data = self._channel.plaintext()
            if self._received > NOISE_BYTES and not data:
                raise Failure(Reason.BAD_REQUEST, f"TLS: {self._received} bytes in a row without application data")
        except Failure as failure:
            self._house.log.info("connection.broken", peer=self._address, detail=failure.detail)
            self._flush()
            self.close()
            return False
        if data is None:
            self._end_of_input()
            return False
        if data:
            self._plain, self._received = data, 0
        return bool(data)

    def _end_of_input(self) -> None:
        if self._http is not None and not self._ended:
            self._ended = True
            self._http.end_of_input()

    def write(self, data: bytes) -> None:
        """Queue plaintext; it goes out at the end of this turn of the loop."""
        if self.closing or not data:
            return
        if not self._queued:
            self._loop.call_soon(self._write_queued)
        self._queued.append(data)

    def _write_queued(self) -> None:
        if not self._queued or self._raw.is_closing():
            return
        data, self._queued = b"".join(self._queued), []
        try:
            self._channel.write(data)
        except Failure:
            self.abort()
            return
        self._flush()

    def _flush(self) -> None:
        if not self._raw.is_closing() and (data := self._channel.outgoing()):
            self._raw.write(data)

    def pause_reading(self) -> None:
        """HTTP wants no more for now."""
        self._paused = True
        self._steer()

    def resume_reading(self) -> None:
        """HTTP wants more; what is already here comes first."""
        if self._paused:
            self._paused = False
            if not self._behind:
                self._loop.call_soon(self._pump)

    def _steer(self) -> None:
        """Read from the network, or leave it to the client's patience."""
        wanted = self.closing or not (self._paused or self._stalled or self._behind)
        if wanted != self._reading and not self._raw.is_closing():
            self._reading = wanted
            if wanted:
                self._raw.resume_reading()
            else:
                self._raw.pause_reading()

    # the end
    def shutdown(self) -> None:
        """The server ends: nobody who is not proven is waited for, and nobody who has his answer for long."""
        self._linger = ENDING_LINGER_SECONDS
        if self._http is None and not self.closing:
            self.abort()
        elif self.closing and not self._stalled:
            self._set_timer(self._linger, self.abort)

    def close(self) -> None:
        """Send what is queued and close_notify, then drain for a while so that the client can read it."""
        if self.closing:
            return
        self._write_queued()
        self.closing = True
        if self._raw.is_closing():
            return
        if self._http is not None:
            self._channel.close()
        self._flush()
        self._steer()
        self._raw.set_write_buffer_limits(high=0)  # from now on `resume_writing` says that all is sent
        if self._raw.get_write_buffer_size():
            self._await_reader()
        else:
            self._set_timer(self._linger, self.abort)
            self._loop.call_soon(self._leave_http, None)
        if self._raw.can_write_eof():
            self._raw.write_eof()

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        self._raw.abort()

    def _leave_http(self, exc: Exception | None) -> None:
        http, self._http = self._http, None
        if http is not None:
            http.connection_lost(exc)

    def _set_timer(self, seconds: float, action: Callable[..., None] | None, *arguments: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action, *arguments) if action is not None else None
