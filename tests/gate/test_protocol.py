"""The gate's protocol: what a peer may take before and after it is proven, and how a connection ends."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL

from hsmgate.gate.limits import HANDSHAKE_BYTES, LINGER_SECONDS
from support import certs
from support.gate_bench import READ, House, Visit, alice, stranger
from support.http_bench import EchoApp

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
OK = b"HTTP/1.1 200 "
VERSIONS = ["1.2", "1.3"]
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


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trusted_client_gets_its_answer(version: str, house: Opens) -> None:
    visit = Visit(house(), alice(), version).handshake()
    visit.give(visit.records(GET))
    assert visit.answers().startswith(OK)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("who", "alert"),
    [(stranger, "unknown_ca"), (lambda: None, None)],
    ids=["stranger", "nobody"],
)
def test_a_refused_client_reads_why(who: Callable[[], Any], alert: str | None, version: str, house: Opens) -> None:
    one = house()
    visit = Visit(one, who(), version)
    visit.tls.feed(b"")
    while not visit.tls.complete and not visit.tls.closed:
        visit.give(visit.tls.outgoing())
        visit.hear()
    if visit.tls.complete:
        # in TLS 1.3 the client believes itself connected and talks on: that must not keep the alert from it
        visit.give(visit.tls.outgoing() + visit.records(*[b"x" * 16_000] * 40))
        visit.hear()
    wanted = alert or {"1.2": "handshake_failure", "1.3": "certificate_required"}[version]
    assert visit.tls.alert == wanted
    assert visit.raw.ended  # FIN after the alert, no reset
    assert not visit.raw.closed
    assert one.events == ["handshake.refused"]
    assert not one.app.begun
    one.loop.forward(LINGER_SECONDS + 0.1)
    assert visit.raw.aborted
    assert one.gatehouse.census.total == 0


# before the proof
def test_silence_before_the_handshake_ends_in_time(house: Opens) -> None:
    one = house(handshake_timeout=10)
    visit = Visit(one, alice())
    one.loop.forward(9.9)
    assert not visit.raw.is_closing()
    one.loop.forward(0.2)
    assert visit.raw.aborted
    assert one.events == ["handshake.timeout"]


def test_a_trickle_does_not_buy_time(house: Opens) -> None:
    one = house(handshake_timeout=10)
    visit = Visit(one, alice())
    visit.tls.feed(b"")
    for byte in visit.tls.outgoing():
        visit.give(bytes([byte]))
        one.loop.forward(1)
        if visit.raw.closed:
            break
    assert one.loop.clock <= 1011.1
    assert visit.raw.aborted
    assert not visit.raw.written


def test_a_client_hello_cut_at_every_byte(house: Opens) -> None:
    one = house(handshake_timeout=10, handshakes=100_000, connections=100_000, connections_per_peer=100_000)
    hello = _hello()
    cut = [one.connect() for _ in range(len(hello))]
    for size, raw in enumerate(cut):
        if size:
            raw.protocol.data_received(hello[:size])
        assert not raw.written, size  # silence, whatever part is there
    one.loop.forward(10.1)
    assert all(raw.aborted for raw in cut)
    assert one.gatehouse.census.total == 0
    assert set(one.events) == {"handshake.timeout"}


def test_a_client_hello_with_every_byte_wrong(house: Opens) -> None:
    one = house(handshakes=100_000, connections=100_000, connections_per_peer=100_000)
    hello = _hello()
    for at in range(len(hello)):
        raw = one.connect()
        raw.protocol.data_received(hello[:at] + bytes([hello[at] ^ 0xFF]) + hello[at + 1 :])
        assert len(b"".join(raw.written)) < 8192
        assert raw.protocol._http is None
        raw.lose()
    assert one.gatehouse.census.total == 0
    assert not one.app.begun


def _hello() -> bytes:
    with House() as other:
        client = Visit(other, alice()).tls
        client.feed(b"")
        return client.outgoing()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x00" * 20_000,
        b"\xff" * 100,
        b"\x80\x2e\x01\x00\x02",  # SSLv2
        b"\x16\x03\x01\x40\x01" + b"\x01" * 0x4001,  # record over 16 KB
        b"\x15\x03\x01\x00\x02\x02\x28",  # an alert
        b"\x17\x03\x03\x00\x10" + b"\x00" * 16,  # application data at once
        b"\x14\x03\x03\x00\x01\x01" * 100,  # ChangeCipherSpec over and over
    ],
)
def test_what_is_no_tls_is_closed(garbage: bytes, house: Opens) -> None:
    one = house()
    visit = Visit(one)
    visit.give(garbage)
    assert visit.raw.ended or visit.raw.aborted
    assert len(b"".join(visit.raw.written)) <= 64
    assert one.events == ["handshake.refused"]


@pytest.mark.parametrize("size", [1000, 100_000])
def test_the_bytes_of_a_handshake_are_bounded(size: int, house: Opens) -> None:
    one = house()
    visit = Visit(one)
    # a ClientHello of 16 MB, in records that are all in order
    record = b"\x16\x03\x01\x10\x00" + b"\x01\xff\xff\xff" + b"a" * 4092
    more = b"\x16\x03\x01\x10\x00" + b"a" * 4096
    given = 0
    for start in range(0, HANDSHAKE_BYTES * 2, size):
        visit.give((record + more * 32)[start : start + size])
        given += size
        if visit.raw.ended:
            break
    assert given <= HANDSHAKE_BYTES + size
    assert one.events == ["handshake.refused"]


@pytest.mark.parametrize("size", [1000, READ])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_chain_of_more_than_64_kb_is_refused_however_it_comes(version: str, size: int, house: Opens) -> None:
    one = house()
    filler = certs.extension_der(
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), bytes(14_000)), False)
    )
    visit = Visit(one, alice(), version, extra=[certs.make(f"filler {n}", extensions=[filler]).der for n in range(5)])
    visit.tls.feed(b"")
    for _ in range(4):
        visit.give(visit.tls.outgoing(), size)
        visit.hear()
    assert visit.gate._http is None
    assert "64" in one.logged[0]["detail"] or "65536" in one.logged[0]["detail"]
    assert visit.raw.ended


@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_request_right_behind_the_handshake_is_no_part_of_it(version: str, house: Opens) -> None:
    one = house()
    visit = Visit(one, alice(), version)
    visit.tls.feed(b"")
    while not visit.tls.complete:
        visit.give(visit.tls.outgoing())
        visit.hear()
    last = visit.tls.outgoing()  # in TLS 1.3 the client's certificate is still in here
    body = b"x" * 200_000
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
    request = visit.records(head, *(body[i : i + 16_000] for i in range(0, len(body), 16_000)))
    visit.give(last + request)
    assert visit.answers().startswith(OK)
    assert one.app.calls[0].body == body


# limits on connections
def test_a_refused_connection_costs_no_tls(house: Opens) -> None:
    one = house(connections=1)
    first = Visit(one, alice()).handshake()
    before = len(SSL.Connection._reverse_mapping)
    second = one.connect("192.0.2.9")
    assert second.aborted
    assert len(SSL.Connection._reverse_mapping) == before
    second.protocol.data_received(b"late")  # may still be on its way
    assert second.protocol.eof_received() is False
    one.loop.step(2)
    assert one.gatehouse.census.total == 1
    assert one.events == ["connection.refused"]
    first.give(first.records(GET))
    assert first.answers().startswith(OK)


def test_silent_connections_do_not_lock_others_out(house: Opens) -> None:
    one = house(handshakes=8)
    silent = [one.connect("203.0.113.1") for _ in range(100)]
    slow = Visit(one, alice(), address="192.0.2.1")
    silent += [one.connect("203.0.113.1") for _ in range(100)]
    one.loop.step(2)
    assert sum(not raw.closed for raw in silent) <= 8
    slow.handshake()
    slow.give(slow.records(GET))
    assert slow.answers().startswith(OK)


# after the proof
@pytest.mark.parametrize("version", VERSIONS)
def test_one_byte_in_each_record(version: str, house: Opens) -> None:
    one = house()
    visit = Visit(one, alice(), version).handshake()
    flood = visit.records(*(bytes([byte]) for byte in GET * 40))
    visit.give(flood)
    for _ in range(100):
        visit.hear()
    assert visit.tls.received.count(OK) == 40


def test_a_flood_of_tiny_records_takes_turns_with_others(house: Opens) -> None:
    one = house(header_bytes=10**6)
    visit = Visit(one, alice()).handshake()
    turns: list[int] = []
    visit.gate.data_received(visit.records(b"GET /"))
    flood = visit.records(*([b"x"] * 8000))
    visit.gate.data_received(flood)
    while visit.raw.paused and len(turns) < 1000:
        one.loop.step()
        turns.append(1)
    assert 8000 // 256 - 2 <= len(turns) <= 8000 // 256 + 4


def test_renegotiation_is_refused(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice(), "1.2").handshake()
    visit.give(visit.records(GET))
    assert visit.answers().startswith(OK)
    visit.tls.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        visit.tls.connection.do_handshake()
    visit.give(visit.tls.outgoing())
    visit.hear()
    assert visit.tls.connection.total_renegotiations() <= 1
    assert visit.gate._channel.verdict is not None
    assert one.app.begun == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broken_record_ends_the_connection_with_an_alert(version: str, house: Opens) -> None:
    one = house()
    visit = Visit(one, alice(), version).handshake()
    record = bytearray(visit.records(GET))
    record[-1] ^= 1
    visit.give(bytes(record))
    visit.hear()
    assert visit.tls.alert == "bad_record_mac"
    assert not one.app.begun
    assert one.events == ["connection.broken"]
    assert visit.raw.ended


def test_a_record_over_16_kb_ends_the_connection(house: Opens) -> None:
    one = house()
    visit = Visit(one, alice()).handshake()
    visit.give(b"\x17\x03\x03" + struct.pack(">H", 0x4200) + b"\x00" * 0x4200)
    visit.hear()
    assert visit.tls.alert == "record_overflow"
    assert visit.raw.ended
