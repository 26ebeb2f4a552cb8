"""HTTP/1.1 as the gate reads it: what is no request is refused, what is one is answered once and in order."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.http_bench import Bench, EchoApp

GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
REFUSED = [(400, b"BAD_REQUEST")]
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


# every row once stood in somebody's security advisory
NO_REQUEST = {
    "length and chunked": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "the same length twice": POST + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"content-length: 5, 5\r\n\r\nhello",
    "signed length": POST + b"content-length: +5\r\n\r\nhello",
    "negative length": POST + b"content-length: -5\r\n\r\nhello",
    "hex length": POST + b"content-length: 0x5\r\n\r\nhello",
    "empty length": POST + b"content-length: \r\n\r\nhello",
    "overflowing length": POST + b"content-length: 18446744073709551621\r\n\r\nhello",
    "space before the colon": POST + b"content-length : 5\r\n\r\nhello",
    "unknown transfer coding": POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nhost: a\n\n",
    "bare LF inside": b"GET / HTTP/1.1\r\nhost: a\nx: b\r\n\r\n",
    "bare CR inside": b"GET / HTTP/1.1\r\nhost: a\rx: b\r\n\r\n",
    "folded field": b"GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nhost: a\x00b\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nho\x00st: a\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "non-ASCII target": b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nhost: a\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 without its preface": b"GET / HTTP/2.0\r\nhost: a\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nhost: a\r\n\r\n",
    "unknown method": b"EVIL / HTTP/1.1\r\nhost: a\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nhost: a\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "upgrade with a body": POST + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", NO_REQUEST)
def test_what_is_no_request_never_gets_in(name: str, bench: Open) -> None:
    one = bench()
    one.feed(NO_REQUEST[name] + GET % 9)
    assert one.responses() == REFUSED
    assert all(call.body is None for call in one.app.calls)  # at most one began whose body turned out to be none
    assert len(one.app.calls) <= 1
    assert one.transport.is_closing()


BROKEN_BODIES = {
    "chunk longer than said": b"1\r\nxyz\r\n0\r\n\r\n",
    "chunk size is no number": b"g\r\nx\r\n0\r\n\r\n",
    "chunk size overflows": b"fffffffffffffffff\r\nx",
    "bare LF after the size": b"1\nx\n0\n\n",
    "bare CR in an extension": b"1;a\rb\r\nx\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_a_broken_body_is_never_a_body(name: str, bench: Open) -> None:
    one = bench()
    one.feed(POST + b"transfer-encoding: chunked\r\n\r\n" + BROKEN_BODIES[name] + GET % 9)
    assert one.responses() == REFUSED
    assert [call.body for call in one.app.calls] in ([], [None])
    assert one.transport.is_closing()


def test_pipelined_requests_are_answered_in_order(bench: Open) -> None:
    one = bench()
    one.feed(b"".join(GET % number for number in range(1000)))
    assert one.responses() == [(200, str(number).encode()) for number in range(1000)]
    assert [call.target for call in one.app.calls] == [b"/%d" % number for number in range(1000)]
    assert not one.transport.is_closing()


def test_a_pipeline_does_not_grow_faster_than_it_is_answered(bench: Open) -> None:
    one = bench()
    longest = 0
    data = b"GET / HTTP/1.1\r\n\r\n" * 5000
    for start in range(0, len(data), 2048):
        one.wait_until_read()
        one.http.data_received(data[start : start + 2048])
        longest = max(longest, len(one.http.pipeline))
    one.settle()
    assert longest <= 2048 // 18 + 1
    assert len(one.responses()) == 5000


def test_a_post_in_a_pipeline_that_reads_its_body_lets_no_more_in(bench: Open) -> None:
    one = bench()
    longest = 0
    data = (POST + b"content-length: 1\r\n\r\nx") * 2000
    for start in range(0, len(data), 2048):
        one.wait_until_read()
        one.http.data_received(data[start : start + 2048])
        longest = max(longest, len(one.http.pipeline))
    one.settle()
    assert longest < 50
    assert len(one.responses()) == 2000


def test_answers_that_are_owed_come_before_the_refusal(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()))
    one.feed(GET % 0 + GET % 1 + b"nonsense\r\n\r\n")
    assert one.responses() == []
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0"), (200, b"1"), *REFUSED]
    assert one.transport.is_closing()


def test_a_broken_body_behind_an_unanswered_request(bench: Open) -> None:
    one = bench(EchoApp(hold=asyncio.Event()))
    one.feed(GET % 0 + POST + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n" + GET % 9)
    assert one.responses() == []
    assert one.app.hold is not None
    one.app.hold.set()
    one.settle()
    assert one.responses() == [(200, b"0"), *REFUSED]
    assert [call.target for call in one.app.calls] == [b"/0"]  # the broken one is never worked on
    assert one.transport.is_closing()


def test_nothing_is_written_after_an_early_answer(bench: Open) -> None:
    one = bench(EchoApp(early=True))
    one.feed(POST + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
    assert one.responses() == [(200, b"0")]
    one.feed(b"nonsense\r\n")
    assert one.responses() == [(200, b"0")]  # a 400 here would be read as the answer to the next request
    assert one.transport.is_closing()


def test_an_early_answer_and_then_silence(bench: Open) -> None:
    one = bench(EchoApp(early=True), body_timeout=5)
    one.feed(POST + b"content-length: 10\r\n\r\nhello")
    one.loop.forward(6)
    one.settle()
    assert one.responses() == [(200, b"0")]
    assert one.transport.is_closing()


def test_after_an_early_answer_the_rest_of_the_body_is_no_request(bench: Open) -> None:
    one = bench(EchoApp(early=True))
    body = GET % 66
    one.feed(POST + b"content-length: %d\r\n\r\n" % len(body))
    one.feed(body + GET % 1)
    assert [call.target for call in one.app.calls] == [b"/", b"/1"]


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.3"])
def test_an_upgrade_is_served_as_what_it_is_and_ends_the_connection(protocol: bytes, bench: Open) -> None:
    one = bench()
    one.feed(b"GET /0 HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: " + protocol + b"\r\n\r\n")
    one.feed(GET % 1)  # in the other protocol this might be anything
    assert one.responses() == [(200, b"0")]
    assert b"connection: close" in one.sent
    assert one.transport.is_closing()


def test_an_upgrade_without_connection_upgrade_is_nothing(bench: Open) -> None:
    one = bench()
    one.feed(b"GET /0 HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\n\r\n" + GET % 1)
    assert one.responses() == [(200, b"0"), (200, b"1")]


def test_http_1_0_closes_and_hears_no_100(bench: Open) -> None:
    one = bench()
    one.feed(b"POST /0 HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert one.sent == b""
    one.feed(b"hi")
    assert one.responses() == [(200, b"0")]
    assert one.app.calls[0].version == "1.0"
    assert one.transport.is_closing()


def test_expect_100_continue(bench: Open) -> None:
    one = bench()
    one.feed(POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert one.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    one.feed(b"hi" + GET % 1)
    assert one.responses()[1:] == [(200, b"0"), (200, b"1")]
    assert one.app.calls[0].body == b"hi"


def test_absolute_form_gives_its_path(bench: Open) -> None:
    one = bench()
    one.feed(b"GET http://A/v1/key?a=b HTTP/1.1\r\nhost: a\r\n\r\n")
    assert one.app.calls[0].target == b"/v1/key?a=b"


@pytest.mark.parametrize(
    "target", [b"http://elsewhere/v1/key", b"https://x@a/v1/key", b"http://a:1/v1", b"/v1/key#part"]
)
def test_a_target_of_another_host_is_refused(bench: Open, target: bytes) -> None:
    one = bench()
    one.feed(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert [status for status, _ in one.responses()] == [400]
    assert not one.app.calls


def test_trailer_fields_are_dropped(bench: Open) -> None:
    one = bench()
    one.feed(POST + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nhost: evil\r\nx-request-id: evil\r\n\r\n")
    assert one.app.calls[0].body == b"hi"
    assert one.app.calls[0].headers == ((b"host", b"a"), (b"transfer-encoding", b"chunked"))


# the bound on headers
@pytest.mark.parametrize("size", [1, 100, 2048])
@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /", b"a" * 40_000),
        (b"GET / HTTP/1.1\r\nx: ", b"a" * 40_000),
        (b"GET / HTTP/1.1\r\n", b"a" * 40_000),
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 7_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a" * 40_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 7_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n1;", b"a" * 40_000),
        (POST + b"transfer-encoding: chunked\r\n\r\n", b"0" * 40_000),
    ],
    ids=["target", "value", "name", "fields", "trailer value", "trailer fields", "chunk extension", "chunk size"],
)
def test_no_part_of_a_header_grows_without_end(start: bytes, more: bytes, size: int, bench: Open) -> None:
    one = bench(header_bytes=8192)
    one.feed(start, size)
    fed = 0
    while not one.transport.is_closing() and fed < len(more):
        one.http.data_received(more[fed : fed + size])
        fed += size
    one.settle()
    assert fed <= 8192 + 2 * 2048, fed  # refused as soon as the bound is passed, not at the end
    assert one.responses() in ([(431, b"HEADER_TOO_LARGE")], REFUSED)
    assert all(call.body is None for call in one.app.calls)


@pytest.mark.parametrize("size", [1, 7, 1000, 2048])
def test_a_header_below_the_bound_passes_however_it_comes(size: int, bench: Open) -> None:
    one = bench(header_bytes=4096)
    field = b"x: " + b"a" * 3900 + b"\r\n"
    one.feed((GET % 0 + GET[:-2] % 1 + field + b"\r\n") * 3, size)
    assert len(one.responses()) == 6
    one.feed(POST + field + b"content-length: 4\r\n\r\nbody" + GET % 7, size)
    assert len(one.responses()) == 8
    one.feed(POST + field + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + GET % 9, size)
    assert len(one.responses()) == 10


def test_a_header_over_the_bound_within_one_piece(bench: Open) -> None:
    one = bench(header_bytes=100)
    one.feed(GET % 0 + GET[:-2] % 1 + b"x: " + b"a" * 100 + b"\r\n\r\n")
    assert one.responses() == [(200, b"0"), (431, b"HEADER_TOO_LARGE")]


def test_a_long_body_before_a_header_counts_not(bench: Open) -> None:
    one = bench(header_bytes=1024)
    one.feed(POST + b"content-length: 100000\r\n\r\n" + b"x" * 100_000 + GET[:-4] % 1)
    one.feed(b"\r\n\r\n")
    assert len(one.responses()) == 2


# however it is cut
_PIECES = st.lists(
    st.sampled_from(
        [
            *NO_REQUEST.values(),
            *(POST + b"transfer-encoding: chunked\r\n\r\n" + body for body in BROKEN_BODIES.values()),
            GET % 1,
            GET % 2,
            POST + b"content-length: 5\r\n\r\nhello",
            POST + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
            b"\r\n",
            b"GET /0 HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n",
            b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        ]
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(pieces=_PIECES, cuts=st.lists(st.integers(0, 600), max_size=8))
def test_the_same_bytes_are_the_same_requests_however_they_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    edges = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    with Bench() as whole:
        whole.feed(data)
    with Bench() as cut:
        for start, end in itertools.pairwise(edges):
            cut.feed(data[start:end])
    complete = [[call for call in one.app.calls if call.body is not None] for one in (whole, cut)]
    assert complete[0] == complete[1]
    assert whole.responses() == cut.responses()
    assert whole.transport.is_closing() == cut.transport.is_closing()
