"""A scriptable OCSP responder on loopback: any bytes, any HTTP behaviour, slow, endless, dead; it counts queries."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.x509 import ocsp

OCSP_TYPE = "application/ocsp-response"
PATIENCE = 10.0  # seconds after which a connection that nobody uses is left


@dataclass(frozen=True)
class Query:
    """One HTTP request as it came."""

    line: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def request(self) -> ocsp.OCSPRequest:
        return ocsp.load_der_ocsp_request(self.body)

    @property
    def nonce(self) -> bytes | None:
        """The nonce extension's value, DER."""
        values = [extension.value for extension in self.request.extensions]
        return values[0].public_bytes() if values and isinstance(values[0], x509.OCSPNonce) else None


@dataclass(frozen=True)
class Reply:
    """What is sent: pieces as they come (an iterable may wait between them), then `end`: keep, close or reset."""

    pieces: Iterable[bytes]
    end: str = "keep"


Script = Callable[[Query], Reply]


def http(
    body: bytes, status: str = "200 OK", kind: str = OCSP_TYPE, headers: Iterable[str] = (), length: int | None = None
) -> Reply:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if kind:
        lines.append(f"Content-Type: {kind}")
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return Reply(["\r\n".join([*lines, "", ""]).encode() + body])


def after(seconds: float, reply: Reply) -> Reply:
    """The same, later."""

    def pieces() -> Iterator[bytes]:
        time.sleep(seconds)
        yield from reply.pieces

    return Reply(pieces(), reply.end)


def dripping(reply: Reply, seconds: float) -> Reply:
    """One octet at a time."""

    def pieces() -> Iterator[bytes]:
        for octet in b"".join(reply.pieces):
            yield bytes((octet,))
            time.sleep(seconds)

    return Reply(pieces(), "close")


class Responder:
    """Listens on 127.0.0.1; `script` may be changed at any time; `kill` and `revive` keep the port."""

    def __init__(self, script: Script, address: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script
        self.queries: list[Query] = []
        self.connections = 0
        self.faults: list[BaseException] = []  # of the script
        self._address = address
        self.port = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self.port}"

    def __enter__(self) -> Self:
        self.revive()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is None and self.faults:
            raise self.faults[0]

    def revive(self) -> None:
        """Listen."""
        listener = socket.socket(socket.AF_INET6 if ":" in self._address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._address, self.port))
        listener.listen(512)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def kill(self) -> None:
        """Close everything at once, as a process that dies."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            stream = connection.makefile("rb")
            with stream:
                while (query := _read(stream.readline, stream.read)) is not None:
                    with self._lock:
                        self.queries.append(query)
                    if not self._answer(connection, query):
                        break
        with self._lock:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, query: Query) -> bool:
        """Whether the connection is kept."""
        try:
            reply = self.script(query)
            for piece in reply.pieces:
                connection.sendall(piece)
        except OSError:
            return False
        except BaseException as error:
            self.faults.append(error)
            return False
        if reply.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return reply.end == "keep"


def _read(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Query | None:
    line = readline().decode("latin-1").strip()
    if not line:
        return None
    headers: dict[str, str] = {}
    while header := readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Query(line=line, headers=headers, body=read(int(headers.get("content-length", "0"))))
