"""The transports of real clients: their headers in their order, one connection for each request, their roll-over."""

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

GO = b"User-Agent: Go-http-client/1.1\r\n"
JAVA = b"User-Agent: Java-http-client/17.0.15\r\n"
PATIENCE = 60.0


@dataclass(frozen=True)
class Site:
    """Where the service is, and the keys of each role that a client has: some of them may be out of date."""

    port: int
    context: ssl.SSLContext
    keys: dict[str, list[str]]


@dataclass(frozen=True)
class Answer:
    """What came back, undecoded."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(site: Site, request: bytes) -> Answer:
    """One request on a connection of its own."""
    with (
        socket.create_connection(("127.0.0.1", site.port), PATIENCE) as plain,
        site.context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        received = b""
        while (at := received.find(b"\r\n\r\n")) < 0:
            part = connection.recv(65536)
            assert part, received
            received += part
        lines = received[:at].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        body = received[at + 4 :]
        while len(body) < int(headers["content-length"]):
            part = connection.recv(65536)
            assert part, body
            body += part
    return Answer(int(lines[0].split(" ")[1]), headers, body)


class GoClient:
    """tsb-client-go: `Content-Type` on every method, the next key of the role on 401 with errorCode 631 alone."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._at = dict.fromkeys(site.keys, 0)
        self.rolled = 0

    def call(self, method: str, path: str, role: str, body: bytes = b"") -> Answer:
        while self._at[role] < len(self._site.keys[role]):
            answer = exchange(self._site, self._request(method, path, role, body))
            if answer.status != 401:
                return answer
            code = answer.json["errorCode"]
            assert type(code) is int, "the client converts it without a look, and panics"
            if code != 631:
                return answer
            self._at[role] += 1
            self.rolled += 1
        raise AssertionError(f"All apikeys in group {role} are invalid")

    def _request(self, method: str, path: str, role: str, body: bytes) -> bytes:
        length = b"Content-Length: %d\r\n" % len(body) if body or method == "POST" else b""
        key = self._site.keys[role][self._at[role]]
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._site.port}\r\n".encode()
            + GO
            + length
            + f"Content-Type: application/json\r\nX-Api-Key: {key}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
            + body
        )


class JavaClient:
    """The Java integrations: `Accept: application/json`; a body on POST alone, every answer parsed as JSON."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def call(self, method: str, path: str, role: str, body: bytes = b"") -> Answer:
        for key in self._site.keys[role]:
            head = f"{method} {path} HTTP/1.1\r\n"
            if body:
                head += f"Content-Length: {len(body)}\r\n"
            head += f"Host: 127.0.0.1:{self._site.port}\r\n"
            more = f"Accept: application/json\r\nContent-Type: application/json\r\nX-API-KEY: {key}\r\n\r\n"
            answer = exchange(self._site, head.encode() + JAVA + more.encode() + body)
            if answer.status != 401 or answer.json["errorCode"] != 631:
                return answer
        raise AssertionError("unauthorized")
