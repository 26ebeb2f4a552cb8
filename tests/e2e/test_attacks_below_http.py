"""Attacks on the layers below HTTP, and what is left of thousands of visits: nothing."""

import contextlib
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import certs
from support.attacked import Honest, census
from support.gate_server import PATIENCE, Gate, key_pem
from support.wire import Response, Wire

ROOT, SERVER = certs.authority("root"), certs.make("localhost")
ALICE = certs.client("alice", ROOT)
STRANGER = certs.client("stranger", certs.authority("other root"))
SLOW = 12.0  # what a busy machine may make of it
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module", name="usual")
def _usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The limits that nobody has changed."""
    with Gate(tmp_path_factory.mktemp("usual"), SERVER, [ROOT]) as gate:
        yield gate
        assert gate.process.poll() is None


# below HTTP
def test_a_flood_of_key_updates(usual: Gate, tmp_path: Path) -> None:
    """OpenSSL's client sends a KeyUpdate, and asks for one, for each line that is a K."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "these tests need the openssl command"
    _write_client(tmp_path)
    command = [openssl, "s_client", "-connect", f"127.0.0.1:{usual.port}", "-tls1_3", "-cert", "c.pem"]
    since = len(usual.lines())
    with Honest(usual, ALICE) as other:
        client = subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert client.stdin is not None
        try:
            _one_by_one(client, b"K\n", 4000)
            line = usual.await_line("connection.broken", since)
        finally:
            client.kill()
            client.wait(PATIENCE)
            client.stdin.close()
    assert "without application data" in line["detail"]
    other.check()


def _one_by_one(client: "subprocess.Popen[bytes]", line: bytes, times: int) -> None:
    """Each line is read before the next is written: the client takes one command from each read."""
    assert client.stdin is not None
    descriptor = client.stdin.fileno()
    with contextlib.suppress(BrokenPipeError):
        for _ in range(times):
            os.write(descriptor, line)
            while fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)) != bytes(4):
                if client.poll() is not None:
                    return
                time.sleep(0)


def _write_client(folder: Path) -> None:
    (folder / "c.pem").write_bytes(key_pem(ALICE) + ALICE.pem)


def test_a_flood_of_one_byte_records(usual: Gate) -> None:
    with Wire(usual.port, ALICE) as wire, Honest(usual, ALICE) as other:
        wire.handshake().send(POST + b"content-length: 60000\r\n\r\n")
        flood = wire.records(*[b"x"] * 60_000)
        wire.flush(flood)
        assert wire.response().body.startswith(b"60000 ")
    other.check()


@pytest.mark.parametrize("version", VERSIONS)
def test_half_closed_by_close_notify(version: str, usual: Gate) -> None:
    with Wire(usual.port, ALICE, version=version) as wire:
        wire.handshake().send(b"GET /slow?0.3 HTTP/1.1\r\nhost: a\r\n\r\n")
        wire.tls.connection.shutdown()
        wire.flush()
        wire.tls.connection.set_shutdown(0)
        assert wire.response().status == 200
        assert wire.rest() == b""


def test_reset_in_the_middle(usual: Gate) -> None:
    before = census(usual, ALICE)
    for request in (b"", GET[:20], POST + b"content-length: 9\r\n\r\nhi", b"GET /slow?0.2 HTTP/1.1\r\nhost: a\r\n\r\n"):
        for _ in range(5):
            with Wire(usual.port, ALICE) as wire:
                wire.handshake().send(request)
                wire.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + SLOW
    while (after := census(usual, ALICE))["tls"] > before["tls"] or after["descriptors"] > before["descriptors"]:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)


def test_renegotiation_by_openssl(usual: Gate, tmp_path: Path) -> None:
    """OpenSSL's client asks for a renegotiation for a line that is an R: refused, the peer stays who it is."""
    _write_client(tmp_path)
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{usual.port}", "-tls1_2", "-cert", "c.pem"],
        cwd=tmp_path,
        input=b"R\n" + GET,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert b"HTTP/1.1 200" not in done.stdout
    with Wire(usual.port, ALICE) as wire:
        answer: Response = wire.handshake().ask()
    assert answer.status == 200


# leaks
def _visits(gate: Gate, times: int) -> None:
    for number in range(times):
        with Wire(gate.port, (ALICE, STRANGER, None)[number % 3], version=VERSIONS[number % 2]) as wire:
            if number % 3:
                wire.flush(wire.hello())
                while wire.receive():
                    with contextlib.suppress(ConnectionError):
                        wire.flush()
            else:
                assert wire.handshake().ask().status == 200


def _no_growth(gate: Gate, times: int) -> None:
    _visits(gate, 60)  # what is made once is made now
    before = census(gate, ALICE)
    threads = [threading.Thread(target=_visits, args=(gate, times // 2)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 10)
    deadline = time.monotonic() + SLOW
    while (after := census(gate, ALICE))["connections"] > 1:
        assert time.monotonic() < deadline, after
        time.sleep(0.1)
    for what in ("connections", "unfinished", "tasks", "tls", "descriptors"):
        assert after[what] <= before[what], (what, before, after)
    assert after["objects"] <= before["objects"] + 5
    assert after["rss"] - before["rss"] < 10 * 2**20


def test_two_thousand_handshakes_leave_nothing_behind(usual: Gate) -> None:
    _no_growth(usual, 2000)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_thousand_handshakes_leave_nothing_behind(usual: Gate) -> None:
    _no_growth(usual, 10_000)
