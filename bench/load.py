"""The client side: keep-alive requests and full handshakes over mutual TLS, from threads of this process."""

import json
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CONNECTIONS = 8


def client_context(ca: Path, client_pem: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(str(client_pem))
    return context


def request(method: str, path: str, body: object = None) -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    fields = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {len(data)}")
    head = "\r\n".join((f"{method} {path} HTTP/1.1", *fields, "", ""))
    return head.encode() + data


def _answer(connection: ssl.SSLSocket) -> int:
    """Read one response; its status, negative when the server closes after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit("the server closed the connection")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    status = int(head.split(b" ")[1])
    return -status if b"\r\nconnection: close" in head.lower() else status


def _connect(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), 30)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(raw, server_hostname="localhost")


def keep_alive(
    context: ssl.SSLContext, port: int, message: bytes, count: int, expected: tuple[int, ...] = (200,)
) -> None:
    """`count` requests in all, over CONNECTIONS connections."""

    def one(share: int) -> None:
        with _connect(context, port) as connection:
            for _ in range(share):
                connection.sendall(message)
                status = _answer(connection)
                if status not in expected:
                    raise SystemExit(f"unexpected status {status}")

    _spread(one, count)


def handshakes(context: ssl.SSLContext, port: int, message: bytes, count: int) -> None:
    """`count` connections, each with a full handshake and one request."""

    def one(share: int) -> None:
        for _ in range(share):
            with _connect(context, port) as connection:
                connection.sendall(message)
                if _answer(connection) != 200:
                    raise SystemExit("unexpected status")
                if connection.session_reused:
                    raise SystemExit("a session was resumed: this is no full handshake")

    _spread(one, count)


def _spread(one: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(one, [count // CONNECTIONS] * CONNECTIONS))


def one_by_one(
    context: ssl.SSLContext, port: int, message: bytes, count: int, expected: tuple[int, ...] = (200,)
) -> None:
    """`count` requests after each other on connections that are kept: what one client waits."""
    left = count
    while left:
        with _connect(context, port) as connection:
            while left:
                connection.sendall(message)
                status = _answer(connection)
                left -= 1
                if abs(status) not in expected:
                    raise SystemExit(f"unexpected status {status}")
                if status < 0:
                    break
