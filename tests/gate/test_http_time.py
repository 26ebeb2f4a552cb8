"""Time and the end of input in HTTP: who is slow is let go, who waits for us is not."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from support.http_bench import Bench, EchoApp

GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
Open = Callable[..., Bench]


@pytest.fixture(name="bench")
def _bench() -> Iterator[Open]:
    made: list[Bench] = []

    def make(app: EchoApp | None = None, **limits: float) -> Bench:
        made.append(Bench(app, None, **limits))
        return made[-1]

    yield make
    for one in made:
        one.close()


# time
def test_silence_after_the_handshake(bench: Open) -> None:
    one = bench(idle_timeout=60)
    one.loop.forward(59)
    assert not one.transport.is_closing()
    one.loop.forward(2)
    assert one.transport.is_closing()
    assert one.sent == b""


def test_blank_lines_are_silence(bench: Open) -> None:
    one = bench(idle_timeout=60)
    for _ in range(61):
        one.feed(b"\r\n")
        one.loop.forward(1)
    assert one.transport.is_closing()
    assert one.sent == b""


def test_a_header_byte_by_byte(bench: Open) -> None:
    one = bench(header_timeout=10)
    for byte in GET % 1:
        one.feed(bytes([byte]))
        one.loop.forward(1)
        if one.transport.is_closing():
            break
    one.settle()
    assert one.loop.clock - 1000 == pytest.approx(10, abs=1)
    assert one.responses() == [(408, b"REQUEST_TIMEOUT")]


def test_a_body_byte_by_byte(bench: Open) -> None:
    one = bench(body_timeout=30)
    one.feed(POST + b"content-length: 100\r\n\r\n")
    for _ in range(100):
        one.feed(b"x")
        one.loop.forward(1)
        if one.transport.is_closing():
            break
    one.settle()
    assert one.loop.clock - 1000 == pytest.approx(30, abs=1)
    assert one.responses() == [(408, b"REQUEST_TIMEOUT")]
    assert [call.body for call in one.app.calls] == [None]  # the application has learnt of it


def test_a_slow_answer_is_nobodys_fault(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()), idle_timeout=5, header_timeout=5, body_timeout=5)
    one.feed(GET % 0)
    one.loop.forward(100)
    assert not one.transport.is_closing()
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0")]
    one.loop.forward(4)
    assert not one.transport.is_closing()  # idleness begins with the answer
    one.loop.forward(2)
    assert one.transport.is_closing()


@pytest.mark.parametrize("half", [GET[:20] % 2, POST + b"content-length: 4\r\n\r\nbo"])
def test_the_clock_stands_while_the_gate_does_not_read(half: bytes, bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()), header_timeout=10, body_timeout=10)
    one.feed(GET % 0 + GET % 1 + half)
    assert one.transport.paused
    for _ in range(10):
        one.loop.forward(9)
    assert not one.transport.is_closing()
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    one.loop.forward(9)
    one.feed(b"dy" if half.startswith(b"POST") else (GET % 2)[20:])
    assert [status for status, _ in one.responses()] == [200, 200, 200]


def test_a_header_that_stays_away_does_not_cost_the_answer_before_it(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()), header_timeout=10)
    one.feed(GET % 0 + GET[:20] % 1)
    one.loop.forward(11)
    assert not one.transport.is_closing()
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0"), (408, b"REQUEST_TIMEOUT")]
    assert one.transport.is_closing()


# the end of input
def test_half_closed_after_a_request(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()))
    one.feed(GET % 0 + GET % 1)
    one.http.end_of_input()
    one.feed(GET % 2)  # comes too late
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0"), (200, b"1")]
    assert one.transport.is_closing()


@pytest.mark.parametrize("half", [b"", GET[:15] % 0, POST + b"content-length: 5\r\n\r\nhell"])
def test_half_closed_with_nothing_owed(half: bytes, bench: Open) -> None:
    one = bench()
    one.feed(half)
    one.http.end_of_input()
    one.settle()
    assert one.sent == b""
    assert one.transport.is_closing()
    assert all(call.body is None for call in one.app.calls)


def test_half_closed_within_a_body_behind_another_request(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()))
    one.feed(GET % 0 + POST + b"content-length: 5\r\n\r\nhell")
    one.http.end_of_input()
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0")]
    assert len(one.app.calls) == 1
    assert one.transport.is_closing()
