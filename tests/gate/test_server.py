"""How the server ends and reloads: nothing in flight is lost, nobody is waited for who has nothing to say."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from pathlib import Path

import pytest
import uvicorn

from hsmgate.gate.server import GateServer
from support import certs
from support.gate_server import PATIENCE, Gate, bundle
from support.wire import Wire

ROOT, SERVER = certs.authority("root"), certs.make("localhost")
ALICE, BOB = certs.client("alice", ROOT), certs.make("bob")


def gate(tmp_path: Path, **orders: object) -> Gate:
    return Gate(tmp_path / "gate", SERVER, [ROOT], **orders)


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(("number", "loop"), [(signal.SIGTERM, "uvloop"), (signal.SIGINT, "asyncio")])
def test_requests_in_flight_are_answered_and_new_ones_refused(
    number: signal.Signals, loop: str, tmp_path: Path
) -> None:
    with gate(tmp_path, loop=loop) as running, Wire(running.port, ALICE) as busy, Wire(running.port, ALICE) as idle:
        busy.handshake().send(b"GET /slow?0.6 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert idle.handshake().ask().status == 200
        running.signal(number)
        assert idle.rest() == b""  # closed in order
        assert refuses(running.port)
        answer = busy.response()
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert busy.rest() == b""
        assert running.ended() == 0


def test_a_body_on_its_way_is_waited_for(tmp_path: Path) -> None:
    with gate(tmp_path) as running, Wire(running.port, ALICE) as wire:
        wire.handshake().send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        time.sleep(0.2)
        running.signal(signal.SIGTERM)
        time.sleep(0.3)
        wire.send(b"world")
        assert wire.response().body.startswith(b"10 ")
        assert running.ended() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_large_answer_is_delivered_to_its_last_byte(loop: str, tmp_path: Path) -> None:
    size = 12_000_000  # more than sockets buffer
    with gate(tmp_path, loop=loop) as running, Wire(running.port, ALICE) as wire:
        wire.handshake().send(f"GET /big?{size} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        assert wire.receive()
        running.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert running.process.poll() is None
        assert len(wire.response().body) == size
        assert running.ended() == 0


def test_silent_and_unproven_connections_hold_nothing_up(tmp_path: Path) -> None:
    with gate(tmp_path) as running, contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            half = stack.enter_context(Wire(running.port, ALICE))
            half.flush(half.hello()[:50])
            # proven, idle, and deaf: they do not close when they are asked to
            stack.enter_context(Wire(running.port, ALICE)).handshake()
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        assert time.monotonic() - began < 5


def test_an_endless_request_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with gate(tmp_path, grace=1) as running, Wire(running.port, ALICE) as wire:
        wire.handshake().send(b"GET /slow?1000 HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.2)
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.ended() == 0
        assert 0.9 < time.monotonic() - began < 8


def test_hangup_looks_at_the_stores_anew(tmp_path: Path) -> None:
    with gate(tmp_path, reload=3600.0) as running, Wire(running.port, ALICE) as wire:
        assert wire.handshake().ask().status == 200
        running.trust.write_bytes(bundle(BOB))
        for _ in range(5):  # an operator's finger on the key
            running.signal(signal.SIGHUP)
        running.await_line("trust.active")
        assert wire.ask().status == 403
        assert wire.rest() == b""
        running.trust.write_bytes(b"nonsense")
        count = len(running.lines())
        running.signal(signal.SIGHUP)
        running.await_line("trust.kept", since=count)
        with Wire(running.port, BOB) as bob:
            assert bob.handshake().ask().status == 200
        running.signal(signal.SIGTERM)
        assert running.ended() == 0


def test_a_background_job_that_dies_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None: ...

    async def die() -> None:
        raise ValueError("why")

    async def run() -> None:
        server = GateServer(
            uvicorn.Config(app, log_config=None),
            on_started=lambda: None,
            on_hangup=die,
            on_ending=lambda: None,
        )
        server._hangup()
        await asyncio.sleep(0.01)
        assert not server._tasks

    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        asyncio.run(run())
    assert "a background job failed" in caplog.text
    assert "why" in caplog.text
