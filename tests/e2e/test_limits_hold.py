"""Attacks on a running gate over real sockets: limits answer or close in time, and others are served meanwhile."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import certs, der_text
from support.attacked import Honest, census
from support.certs import Made
from support.gate_server import PATIENCE, Gate
from support.wire import Wire

ROOT, SERVER = certs.authority("root"), certs.make("localhost")
ALICE = certs.client("alice", ROOT)
STRANGER = certs.client("stranger", certs.authority("other root"))
SHORT = 0.4  # the time limits of these gates
SLOW = 12.0  # what a busy machine may make of it
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: a\r\n"
VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module", name="strict")
def _strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Every time is short."""
    limits = {f"{what}_timeout": SHORT for what in ("handshake", "header", "body", "idle")}
    with Gate(tmp_path_factory.mktemp("strict"), SERVER, [ROOT], limits=limits) as gate:
        yield gate
        assert gate.process.poll() is None


@pytest.fixture(scope="module", name="usual")
def _usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """The limits that nobody has changed."""
    with Gate(tmp_path_factory.mktemp("usual"), SERVER, [ROOT]) as gate:
        yield gate
        assert gate.process.poll() is None


def closed_within(wire: Wire, began: float) -> bytes:
    """What still came, when the gate closed neither at once nor late."""
    rest = wire.rest()
    took = time.monotonic() - began
    assert SHORT * 0.7 < took < SLOW, took
    return rest


# headers
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: ", b"a" * 16_000),
        (b"GET / HTTP/1.1\r\nhost: a\r\n", b"x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 500),
        (b"GET /", b"a" * 16_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a" * 16_000),
    ],
    ids=["one field", "many fields", "target", "trailer"],
)
def test_a_header_of_29_megabytes(start: bytes, piece: bytes, usual: Gate) -> None:
    before = census(usual, ALICE)["rss"]
    with Wire(usual.port, ALICE) as wire, Honest(usual, ALICE) as other:
        wire.handshake().send(start)
        sent, answer = 0, b""
        wire.plain.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionError):
            while sent < 29 * 2**20:
                wire.send(piece)
                sent += len(piece)
        with contextlib.suppress(EOFError):
            answer = str(wire.response().status).encode()
        wire.rest()
        time.sleep(0.1)
    assert answer in (b"431", b""), answer
    assert answer == b"431" or sent < 29 * 2**20
    assert census(usual, ALICE)["rss"] - before < 20 * 2**20
    other.check()


def test_a_header_that_never_ends(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        wire.handshake().send(GET[:-2])
        assert closed_within(wire, time.monotonic()).startswith(b"HTTP/1.1 408 ")


def test_a_header_byte_by_byte(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        wire.handshake()
        began = time.monotonic()
        answer = b""
        with contextlib.suppress(ConnectionError):
            for byte in GET[:-4] + b"\r\nx: " + b"a" * 300:
                wire.send(bytes([byte]))
                time.sleep(SHORT / 8)
                if time.monotonic() - began > SLOW:
                    break
                wire.plain.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    if not wire.receive():
                        break
                wire.plain.settimeout(PATIENCE)
        wire.plain.settimeout(PATIENCE)
        answer = wire.rest()
        assert time.monotonic() - began < SLOW
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_idle_after_the_handshake(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        wire.handshake()
        assert closed_within(wire, time.monotonic()) == b""


def test_idle_after_a_request(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        assert wire.handshake().ask().status == 200
        assert closed_within(wire, time.monotonic()) == b""


def test_a_request_that_takes_long_is_not_idle(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        assert wire.handshake().ask(f"/slow?{SHORT * 3}").status == 200


# bodies
def test_a_body_byte_by_byte(strict: Gate) -> None:
    with Wire(strict.port, ALICE) as wire:
        wire.handshake().send(POST + b"content-length: 1000\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for _ in range(12):
                wire.send(b"x")
                time.sleep(SHORT / 8)
        assert wire.rest().startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < SLOW


def test_a_body_without_end(strict: Gate) -> None:
    before = census(strict, ALICE)["rss"]
    with Wire(strict.port, ALICE) as wire, Honest(strict, ALICE) as other:
        wire.handshake().send(POST + b"transfer-encoding: chunked\r\n\r\n")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < SLOW:
                wire.send(b"3e80\r\n" + b"x" * 16_000 + b"\r\n")
        assert time.monotonic() - began < SLOW
    other.check()
    assert census(strict, ALICE)["rss"] - before < 30 * 2**20


def test_a_body_shorter_than_said_and_gone(usual: Gate) -> None:
    with Wire(usual.port, ALICE) as wire:
        wire.handshake().send(POST + b"content-length: 10\r\n\r\nhello")
        wire.plain.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""


def test_a_body_longer_than_said_is_the_next_request_and_none(usual: Gate) -> None:
    with Wire(usual.port, ALICE) as wire:
        wire.handshake().send(POST + b"content-length: 5\r\n\r\nhello world")
        assert wire.response().body.startswith(b"5 ")
        assert wire.response().status == 400
        assert wire.rest() == b""


def test_a_large_body_arrives_whole(usual: Gate) -> None:
    body = os.urandom(3_000_000)
    with Wire(usual.port, ALICE) as wire:
        wire.handshake().send(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert wire.response().body.startswith(b"3000000 ")


# answers
def test_answers_that_nobody_reads(strict: Gate) -> None:
    sizes = []
    for _ in range(4):
        with Wire(strict.port, ALICE) as wire:
            since = len(strict.lines())
            wire.handshake().send(b"GET /big?20000000 HTTP/1.1\r\nhost: a\r\n\r\n")
            strict.await_line("connection.stalled", since)
        sizes.append(census(strict, ALICE)["rss"])
    assert max(sizes[2:]) - sizes[1] < 15 * 2**20, sizes  # what one took is there for the next


def test_an_answer_that_is_read_slowly_comes_whole(usual: Gate) -> None:
    size = 8_000_000
    with Wire(usual.port, ALICE) as kept, Wire(usual.port, ALICE) as last:
        for wire, ending in ((kept, ""), (last, "connection: close\r\n")):
            wire.handshake().send(f"GET /big?{size} HTTP/1.1\r\nhost: a\r\n{ending}\r\n".encode())
            wire.plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        began = time.monotonic()
        while time.monotonic() - began < 2.6:  # longer than a closed connection lingers
            for wire in (kept, last):
                wire.receive()
            time.sleep(0.02)
        for wire in (kept, last):
            assert len(wire.response().body) == size


def test_two_thousand_requests_at_once(usual: Gate) -> None:
    with Wire(usual.port, ALICE) as wire:
        wire.handshake().send(GET * 2000)
        assert {wire.response().status for _ in range(2000)} == {200}


# before the proof
def _prefixes(gate: Gate) -> tuple[bytes, list[socket.socket]]:
    with Wire(gate.port, ALICE) as wire:
        hello = wire.hello()
    opened = []
    for size in range(len(hello)):
        opened.append(socket.create_connection(("127.0.0.1", gate.port), PATIENCE))
        opened[-1].sendall(hello[:size])
    return hello, opened


def test_a_client_hello_cut_at_every_byte(strict: Gate) -> None:
    with Honest(strict, ALICE) as other:
        began = time.monotonic()
        hello, opened = _prefixes(strict)
        assert len(hello) > 200
        for one in opened:
            with one, contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""  # silence, then the end
        assert time.monotonic() - began < SLOW
    other.check()
    assert census(strict, ALICE)["unfinished"] == 0


def test_plaintext_at_the_tls_port(usual: Gate) -> None:
    with socket.create_connection(("127.0.0.1", usual.port), PATIENCE) as plain:
        plain.sendall(GET)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := plain.recv(100):
                answer += data
    assert b"HTTP" not in answer
    assert len(answer) < 64


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"], ids=["same address", "another address"])
def test_a_thousand_half_open_connections(source: str, usual: Gate) -> None:
    with Wire(usual.port, ALICE) as wire:
        half = wire.hello()[:100]
    with contextlib.ExitStack() as stack, Honest(usual, ALICE) as other:
        for number in range(1000):
            one = socket.create_connection(("127.0.0.1", usual.port), PATIENCE, source_address=(source, 0))
            stack.enter_context(one)
            if number % 2:
                with contextlib.suppress(ConnectionError):
                    one.sendall(half)
        done = len(other.waits)
        numbers = census(usual, ALICE)
        assert numbers["unfinished"] <= 257
        deadline = time.monotonic() + PATIENCE
        while len(other.waits) < done + 10 and not other.failed:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    other.check()


def test_a_chain_of_more_than_64_kb(usual: Gate) -> None:
    filler = [certs.make(f"filler {n}", extensions=[_unknown(14_000)]).der for n in range(6)]
    with Wire(usual.port, ALICE, filler) as wire, contextlib.suppress(AssertionError, ConnectionError, EOFError):
        wire.handshake().ask()
        pytest.fail("a chain of 84 KB was taken")


def _unknown(size: int) -> bytes:
    return der_text.extension("1.3.6.1.4.1.55555.1", der_text.tlv(0x04, b"x" * size), critical=False)


# alerts
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who", [STRANGER, None], ids=["stranger", "nobody"])
def test_the_alert_arrives_sixty_times_of_sixty(who: Made | None, version: str, usual: Gate) -> None:
    alerts = []
    for number in range(60):
        with Wire(usual.port, who, version=version) as wire:
            wire.flush(wire.hello())
            while not wire.connected() and wire.receive():
                last = wire.tls.outgoing()
                if wire.connected() and number % 2:  # TLS 1.3: it believes itself in, and talks at length
                    last += wire.records(*[b"x" * 16_000] * 30)
                with contextlib.suppress(ConnectionError):
                    wire.flush(last)
            wire.rest()
            alerts.append(wire.alert)
    wanted = "unknown_ca" if who else {"1.2": "handshake_failure", "1.3": "certificate_required"}[version]
    assert alerts == [wanted] * 60


# limits on connections
def test_connections_are_limited_in_total_and_for_each_peer(tmp_path: Path) -> None:
    limits = {"connections": 8, "connections_per_peer": 5}
    with Gate(tmp_path / "gate", SERVER, [ROOT], limits=limits) as gate, contextlib.ExitStack() as stack:

        def enter(source: str) -> Wire:
            return stack.enter_context(Wire(gate.port, ALICE, source=source)).handshake()

        first = [enter("127.0.0.1") for _ in range(5)]
        with pytest.raises((AssertionError, ConnectionError)):
            enter("127.0.0.1")
        others = [enter("127.0.0.2") for _ in range(3)]
        with pytest.raises((AssertionError, ConnectionError)):
            enter("127.0.0.3")
        assert {wire.ask().status for wire in (*first, *others)} == {200}  # nobody inside has suffered
        assert len(gate.lines("connection.refused")) == 2
        first[0].plain.close()
        time.sleep(0.2)
        assert enter("127.0.0.3").ask().status == 200
