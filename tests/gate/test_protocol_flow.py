"""Flow and ending of a connection: nobody is read faster than answered, nothing owed is cut off, nothing stays."""

import asyncio
import contextlib
import gc
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from OpenSSL import SSL

from hsmgate.gate.limits import LINGER_SECONDS
from support.gate_bench import READ, House, Visit, alice, stranger
from support.http_bench import EchoApp

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 "
Opens = Callable[..., House]


@pytest.fixture(name="house")
def _house() -> Iterator[Opens]:
    made: list[House] = []

    def make(app: EchoApp | None = None, **settings: Any) -> House:
        made.append(House(app, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


# flow
def test_a_pipeline_is_not_read_faster_than_it_is_answered(house: Opens) -> None:
    one = house(EchoApp(hold=asyncio.Event()))
    visit = Visit(one, alice()).handshake()
    visit.gate.data_received(visit.records(*[GET * 500] * 20))
    one.loop.step(5)
    assert visit.raw.paused
    assert visit.gate._http is not None
    assert len(visit.gate._http.pipeline) < 100
    assert one.app.hold is not None
    one.app.hold.set()
    for _ in range(25_000):
        one.loop.step()
        if len(one.app.calls) == 10_000:
            break
    assert visit.answers().count(OK) == 10_000


def test_a_client_that_does_not_read_is_not_read_from(house: Opens) -> None:
    one = house(idle_timeout=60)
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    for _ in range(3000):
        if visit.raw.paused:
            break
        visit.gate.data_received(visit.records(GET * 20))
        one.loop.step(30)
    assert visit.raw.paused
    assert visit.raw.unsent < 200_000
    visit.raw.greedy = True
    visit.raw.take(10**9)
    one.loop.step(1000)
    assert not visit.raw.paused  # it reads again: so do we


def test_what_is_stuck_below_is_not_added_to(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    visit.gate.write(b"x" * 1_000_000)
    one.loop.step(2)
    assert visit.raw.is_paused()  # whatever would come (key updates too) would want an answer
    visit.raw.take(10**9)
    assert not visit.raw.is_paused()


def test_a_client_that_reads_next_to_nothing_is_let_go(house: Opens) -> None:
    one = house(idle_timeout=60)
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    visit.gate.write(b"x" * 1_000_000)
    one.loop.step(2)
    for _ in range(3):  # 2 KB a second: slow, but it reads
        visit.raw.take(120_000)
        one.loop.forward(60.1)
        assert not visit.raw.is_closing()
    visit.raw.take(100)
    one.loop.forward(60.1)
    assert visit.raw.aborted
    assert one.events == ["connection.stalled"]


def test_what_the_kernel_holds_for_a_client_is_unread_too(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice()).handshake()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            visit.raw.stream = ours
            visit.raw.unsent = 1000
            assert visit.gate._unsent() == 1000
            ours.setblocking(False)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += ours.send(bytes(100_000))
            stuck = visit.gate._unsent()
            assert 1000 + 100_000 < stuck <= 1000 + sent
            theirs.recv(1 << 20)
            deadline = time.monotonic() + 10
            while visit.gate._unsent() >= stuck:  # the client reads: that counts, though nothing more was written
                assert time.monotonic() < deadline
                theirs.recv(1 << 20)
            visit.raw.stream = None


# the end
def test_a_large_last_answer_is_sent_to_its_end(house: Opens) -> None:
    one = house(idle_timeout=60)
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    visit.gate.write(b"x" * 1_000_000)
    visit.gate.close()
    assert visit.raw.ended  # FIN stands behind the bytes
    for _ in range(9):
        one.loop.forward(10 * LINGER_SECONDS)
        assert not visit.raw.is_closing(), "cut off although it reads"
        assert visit.gate in one.state.connections  # the server's end waits for it
        visit.raw.take(100_000)
    visit.raw.take(10**9)
    one.loop.forward(LINGER_SECONDS + 0.1)
    assert visit.raw.aborted
    assert visit.gate not in one.state.connections


def test_a_last_answer_of_few_bytes_is_waited_for_too(house: Opens) -> None:
    one = house(idle_timeout=60)
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    visit.gate.write(b"x" * 20_000)
    visit.gate.close()
    one.loop.forward(10 * LINGER_SECONDS)
    assert not visit.raw.is_closing()
    visit.raw.take(19_000)
    one.loop.forward(10 * LINGER_SECONDS)
    assert not visit.raw.is_closing()
    visit.raw.take(10**9)
    one.loop.forward(LINGER_SECONDS + 0.1)
    assert visit.raw.aborted


def test_a_large_last_answer_that_nobody_reads(house: Opens) -> None:
    one = house(idle_timeout=60)
    visit = Visit(one, alice()).handshake()
    visit.raw.greedy = False
    visit.gate.write(b"x" * 1_000_000)
    visit.gate.close()
    one.loop.forward(60.1)
    assert visit.raw.aborted


def test_close_notify_goes_before_the_end(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice()).handshake()
    visit.give(visit.records(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"))
    assert visit.answers().startswith(OK)
    assert visit.tls.closed  # close_notify
    assert visit.tls.alert in (None, "close_notify")
    assert visit.raw.ended


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
def test_half_closed_and_still_answered(how: str, house: Opens) -> None:
    one = house(EchoApp(hold=asyncio.Event()))
    visit = Visit(one, alice()).handshake()
    visit.give(visit.records(GET))
    if how == "FIN":
        assert visit.gate.eof_received() is True
    else:
        visit.tls.connection.shutdown()
        visit.give(visit.tls.outgoing())
    one.loop.step(2)
    assert one.app.hold is not None
    one.app.hold.set()
    one.loop.step(5)
    visit.tls.connection.set_shutdown(0)  # so that OpenSSL goes on reading
    assert visit.answers().startswith(OK)
    assert visit.raw.ended


def test_bytes_after_close_notify_take_no_memory(house: Opens) -> None:
    one = house(EchoApp(hold=asyncio.Event()))
    visit = Visit(one, alice()).handshake()
    visit.give(visit.records(GET))
    visit.tls.connection.shutdown()
    visit.give(visit.tls.outgoing())
    for _ in range(50):
        visit.gate.data_received(b"\x17\x03\x03\x40\x00" * 50_000)
    unread = SSL._lib.BIO_get_mem_data(visit.gate._channel._conn._into_ssl, SSL._ffi.new("char **"))  # type: ignore[attr-defined]
    assert unread <= READ
    assert one.app.hold is not None
    one.app.hold.set()
    one.loop.step(5)
    assert visit.raw.ended


def test_a_body_cut_off_by_fin_is_no_body(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice()).handshake()
    visit.give(visit.records(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhello"))
    visit.gate.eof_received()
    one.loop.step(5)
    assert [call.body for call in one.app.calls] == [None]
    assert visit.raw.ended
    assert not visit.answers()


def test_ending_the_server(house: Opens) -> None:
    one = house(EchoApp(hold=asyncio.Event()))
    busy, idle, early = (Visit(one, alice()) for _ in range(3))
    busy.handshake()
    idle.handshake()
    busy.give(busy.records(GET))
    for connection in list(one.state.connections):  # what uvicorn does
        connection.shutdown()
    one.loop.step(3)
    assert early.raw.aborted
    assert idle.raw.ended
    assert not busy.raw.ended
    one.loop.forward(0.6)
    assert idle.raw.aborted
    assert busy.gate in one.state.connections
    assert one.app.hold is not None
    one.app.hold.set()
    one.loop.step(5)
    assert b"connection: close" in busy.answers()
    one.loop.forward(0.6)
    assert not one.state.connections


# leaks
@pytest.mark.parametrize("who", [alice, stranger])
def test_a_connection_leaves_nothing_behind_even_without_the_garbage_collector(
    who: Callable[[], Any], house: Opens
) -> None:
    one = house()
    gc.collect()
    known = _server_sides()
    gc.disable()
    try:
        refs: list[weakref.ref[Any]] = []
        for _ in range(20):
            visit = Visit(one, who()).handshake()
            if visit.tls.complete and who is alice:
                visit.give(visit.records(GET))
                assert visit.answers().startswith(OK)
            refs += [weakref.ref(visit.gate), weakref.ref(visit.gate._channel)]
            visit.raw.lose()
            one.loop.step(3)
            del visit.raw.protocol
            del visit
        assert [ref() for ref in refs if ref() is not None] == []
        assert _server_sides() <= known
    finally:
        gc.enable()


def _server_sides() -> int:
    return sum(one.get_app_data() is not None for one in SSL.Connection._reverse_mapping.values())
