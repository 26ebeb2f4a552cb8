"""Speaks ASGI to an application, as a server would."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hsmgate.api.asgi import Message, Scope
from hsmgate.api.dispatch import Dispatcher

JSON = (b"content-type", b"application/json")
HOST = (b"host", b"localhost:8080")
Headers = list[tuple[bytes, bytes]]


@dataclass
class Response:
    """What the application sent."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    reads: int = 0  # how often it asked for a piece of the body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = [value.decode() for key, value in self.headers if key == name.encode()]
        assert len(values) < 2, f"{name} was sent twice"
        return values[0] if values else None


def scope_of(method: str, path: str, headers: Headers, state: dict[str, Any] | None = None) -> Scope:
    """An http scope; `path` as on the wire."""
    raw, _, query = path.encode("latin-1").partition(b"?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": raw,
        "query_string": query,
        "headers": headers,
        "state": state or {},
    }


async def send_pieces(app: Dispatcher, scope: Scope, pieces: Iterable[Message]) -> Response:
    """Run one request whose body comes in these messages; afterwards the client is gone."""
    response = Response()
    waiting = iter(pieces)

    async def receive() -> Message:
        response.reads += 1
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status, response.headers = message["status"], list(message["headers"])
        else:
            response.body += message["body"]

    await app(scope, receive, send)
    return response


def request(
    app: Dispatcher, method: str, path: str, body: object = None, *, headers: Headers | None = None, raw: bytes = b""
) -> Response:
    """One request with a JSON body (or `raw` bytes), its length announced; `headers` replaces the usual ones."""
    content = json.dumps(body).encode() if body is not None else raw
    fields = [HOST, JSON] if headers is None else list(headers)
    if content:
        fields.append((b"content-length", str(len(content)).encode()))
    return send(app, scope_of(method, path, fields), content)


def send(app: Dispatcher, scope: Scope, content: bytes) -> Response:
    """One request whose whole body is `content`."""
    pieces = [{"type": "http.request", "body": content, "more_body": False}]
    return asyncio.run(send_pieces(app, scope, pieces))
