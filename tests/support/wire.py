"""A TLS client over a real socket whose every byte, record and pause is in the test's hand."""

import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from OpenSSL import SSL

from support.certs import Made
from support.tls_client import TlsClient


@dataclass(frozen=True)
class Response:
    """One HTTP response. `headers` with lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection. Every read waits at most `patience` seconds and then fails the test with TimeoutError."""

    def __init__(
        self,
        port: int,
        certificate: Made | None = None,
        extra: Sequence[bytes] = (),
        version: str | None = None,
        source: str = "127.0.0.1",
        patience: float = 20.0,
        prepare: Callable[[SSL.Context], None] | None = None,
    ) -> None:
        self.tls = TlsClient(version, certificate, extra, prepare)
        self.plain = socket.create_connection(("127.0.0.1", port), patience, source_address=(source, 0))
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = 0  # of tls.received

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.plain.close()

    @property
    def alert(self) -> str | None:
        """The first alert that came."""
        return self.tls.alert

    def connected(self) -> bool:
        """Whether our side of the handshake is complete."""
        return self.tls.complete

    def hello(self) -> bytes:
        """The ClientHello, not sent."""
        self.tls.feed(b"")
        return self.tls.outgoing()

    def handshake(self) -> Self:
        """Complete our side; raises where the server ends it."""
        self.flush(self.hello())
        while not self.tls.complete:
            assert self.receive(), f"the server closed the connection, alert {self.tls.alert}"
            self.flush()
        return self

    def flush(self, data: bytes = b"") -> None:
        """Send `data` and whatever TLS has to say."""
        data += self.tls.outgoing()
        if data:
            self.plain.sendall(data)

    def receive(self) -> bool:
        """Take what comes next; False once the server has closed or reset."""
        try:
            data = self.plain.recv(1 << 16)
        except ConnectionError:
            data = b""
        if data:
            self.tls.feed(data)
        return bool(data)

    def records(self, *texts: bytes) -> bytes:
        """One TLS record of each text, not sent."""
        for text in texts:
            self.tls.connection.send(text)
        return self.tls.outgoing()

    def send(self, text: bytes) -> None:
        """Plaintext, in records of 16 KB."""
        for start in range(0, len(text), 1 << 14):
            self.plain.sendall(self.records(text[start : start + (1 << 14)]))

    def response(self) -> Response:
        """The next response."""
        while (end := self.tls.received.find(b"\r\n\r\n", self._read)) < 0:
            self._more()
        status, *lines = self.tls.received[self._read : end].decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        number = int(status.split(" ")[1])
        start = end + 4
        size = int(headers.get("content-length", "0")) if number >= 200 else 0
        while len(self.tls.received) < start + size:
            self._more()
        self._read = start + size
        return Response(number, headers, self.tls.received[start : self._read])

    def _more(self) -> None:
        if self.tls.closed or not self.receive():
            raise EOFError(f"closed after {self.tls.received[self._read :][:200]!r}, alert {self.tls.alert}")

    def ask(self, path: str = "/", method: str = "GET") -> Response:
        """One request without a body, and its response."""
        self.send(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        return self.response()

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while self.receive():
            with contextlib.suppress(OSError):
                self.flush()
        return self.tls.received[self._read :]
