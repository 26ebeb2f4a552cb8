"""Bytes into the gate's TLS: nothing breaks, little comes back, and nobody gets in without a trusted certificate.

python fuzz/fuzz_tls.py -max_total_time=60 fuzz/corpus/tls

The first byte of an input says which client speaks, the second how its bytes are cut; then come places and values
where its flights are changed, or raw bytes.
"""

import sys
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
with atheris.instrument_imports(include=["hsmgate.gate"]), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from OpenSSL import SSL

    from support.gate_bench import House, Visit, alice, stranger
    from support.http_bench import EchoApp

OUTPUT = 64 * 1024
_SIZES = (1, 5, 60, 500, 5000, 256_000)
_VERSIONS = ("1.2", "1.3")
_GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
_house = House(handshakes=64)


def _raw(visit: Visit, data: bytes, size: int) -> None:
    """Bytes of no client at all."""
    visit.give(data, size)


def _spoilt(visit: Visit, data: bytes, size: int) -> None:
    """A real client whose flights are changed on the way: (flight, place, value) of four bytes each."""
    changes = [data[at : at + 4] for at in range(0, min(len(data), 40), 4) if len(data[at : at + 4]) == 4]
    visit.tls.feed(b"")
    for number in range(6):
        flight = bytearray(visit.tls.outgoing())
        if not flight:
            break
        for which, high, low, value in changes:
            if which % 6 == number:
                flight[(high << 8 | low) % len(flight)] ^= value
        visit.give(bytes(flight), size)
        visit.hear()
    if visit.tls.complete:
        try:
            visit.give(visit.records(_GET), size)
        except SSL.Error:
            return


def _behind(visit: Visit, data: bytes, size: int) -> None:
    """A real client, and behind its handshake raw bytes."""
    visit.handshake()
    visit.give(data, size)


def _inside(visit: Visit, data: bytes, size: int) -> None:
    """A real client that sends these bytes as plaintext."""
    visit.handshake()
    if visit.tls.complete and not visit.tls.closed and data:
        visit.give(visit.records(*(data[at : at + size] for at in range(0, len(data), size))))


_WAYS = (_raw, _spoilt, _behind, _inside)
_WHO = (alice, stranger, lambda: None)


def one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    way = _WAYS[data[0] % 4]
    who = _WHO[data[0] // 4 % 3]()
    version = _VERSIONS[data[0] // 12 % 2]
    size = _SIZES[data[1] % len(_SIZES)]
    _house.app.__init__()  # type: ignore[misc]
    _house.logged.clear()
    before = len(_house.loop.errors)
    visit = Visit(_house, who, version)
    try:
        way(visit, data[2:], size)
        gate = visit.gate
        if gate._http is not None:  # noqa: SLF001
            assert gate._channel.verdict is not None, "in without a verdict"  # noqa: SLF001
            assert who is alice(), "in without a trusted certificate"
        if who is not alice() or way is _raw:
            assert _house.app.begun == 0, "served without proof"
        assert sum(map(len, visit.raw.written)) <= OUTPUT + 600 * len(data), "much came back"
        assert len(_house.logged) <= 2, _house.logged
        assert len(_house.loop.errors) == before, _house.loop.errors
    finally:
        visit.raw.lose()
        _house.loop.step(3)
    assert _house.gatehouse.census.total == _house.gatehouse.census.unfinished == 0
    assert not _house.state.connections
    assert not _house.state.tasks


if __name__ == "__main__":
    assert isinstance(_house.app, EchoApp)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
