"""Trust and server certificate change under load: who is removed gets nothing more, who stays notices nothing."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from support import certs
from support.certs import Made
from support.gate_server import PATIENCE, Gate, bundle, key_pem, replace

ALICE, BOB = certs.make("alice"), certs.make("bob")
ROOT = certs.authority("root")
CAROL = certs.client("carol", ROOT)  # trusted by an issuer, not by a pin
SERVERS = [certs.make(f"server {number}") for number in range(2)]
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
MOST = 200  # connections a removed client holds open at once


class Client:
    """A client as they come: Python's ssl over a blocking socket, kept alive."""

    def __init__(self, folder: Path, made: Made) -> None:
        self.made = made
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        file = folder / f"{made.sha256}.pem"
        file.write_bytes(key_pem(made) + made.pem)
        self._context.load_cert_chain(file)

    def connect(self, port: int) -> "Open":
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Open(self._context.wrap_socket(plain))


class Open:
    """One open connection."""

    def __init__(self, stream: ssl.SSLSocket) -> None:
        self.stream = stream

    def status(self) -> int:
        """The status of one request; ConnectionError where none comes."""
        self.stream.sendall(GET)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < size:
            body += self._more()
        return int(head[9:12])

    def _more(self) -> bytes:
        data = self.stream.recv(65_536)
        if not data:
            raise ConnectionResetError("closed")
        return data

    def server(self) -> bytes | None:
        return self.stream.getpeercert(binary_form=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stream.close()


@dataclass
class Load:
    """Threads that ask on kept-alive connections all the time. `asked`: (began, status), 0 for a lost one."""

    asked: list[tuple[float, int]] = field(default_factory=list)
    lost: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def keep(self, client: Client, port: int, *, reconnect: bool) -> None:
        connection: Open | None = None
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                connection = connection or client.connect(port)
                self.asked.append((began, connection.status()))
                if self.asked[-1][1] != 200 and reconnect:
                    raise ConnectionAbortedError("refused")
            except (OSError, ssl.SSLError) as error:
                if not reconnect:
                    self.lost.append(error)
                    return
                if connection is not None:
                    connection.stream.close()
                connection = None
                time.sleep(0.02)
        if connection is not None:
            connection.stream.close()


@contextlib.contextmanager
def under_load(client: Client, port: int, threads: int, *, reconnect: bool = False) -> Iterator[Load]:
    load = Load()
    running = [
        threading.Thread(target=load.keep, args=(client, port), kwargs={"reconnect": reconnect}) for _ in range(threads)
    ]
    for thread in running:
        thread.start()
    try:
        yield load
    finally:
        load._stop.set()
        for thread in running:
            thread.join(PATIENCE)


@pytest.fixture(name="gate")
def _gate(tmp_path: Path) -> Iterator[Gate]:
    with Gate(tmp_path / "gate", SERVERS[0], [ALICE, BOB, ROOT], reload=0.05) as running:
        yield running


def change(gate: Gate, action: Callable[[], object], event: str = "trust.active") -> float:
    """Do it and wait for the line; the moment that it was reported."""
    since = len(gate.lines())
    action()
    return float(gate.await_line(event, since)["at"])


def _swaps(gate: Gate, folder: Path, times: int, each: int, removed: Made, with_it: list[Made]) -> None:
    without = [made for made in (ALICE, BOB, ROOT) if made not in with_it]
    loser, winner = Client(folder, removed), Client(folder, ALICE)
    after: list[int] = []
    windows: list[tuple[float, float]] = []
    with (
        under_load(winner, gate.port, 2) as trusted,
        under_load(loser, gate.port, 1, reconnect=True) as attempts,
    ):
        for number in range(times):
            with contextlib.ExitStack() as stack:
                held = [stack.enter_context(loser.connect(gate.port)) for _ in range(each)]
                # some have asked before, some have never
                assert {connection.status() for connection in held[::2]} == {200}
                active = change(gate, lambda: replace(gate.trust, bundle(*without)))
                assert time.monotonic() > active
                after += [connection.status() for connection in held]
            if number % 5 == 0:
                broken = [bundle(*without, *with_it)[:-60], b"", b"\x30\x82nonsense"][number // 5 % 3]
                since = len(gate.lines())
                change(gate, lambda broken=broken: replace(gate.trust, broken), "trust.kept")  # type: ignore[misc]
                with pytest.raises(ssl.SSLError), loser.connect(gate.port) as again:
                    again.status()
                assert len(gate.lines("trust.kept", "trust.active", since=since)) == 1
            windows.append((active, time.monotonic()))
            change(gate, lambda: replace(gate.trust, bundle(*without, *with_it)))
    assert len(after) == times * each
    assert set(after) == {403}
    in_windows = [status for began, status in attempts.asked if any(a < began < b for a, b in windows)]
    assert 200 not in in_windows
    assert 200 in {status for _, status in attempts.asked}  # in between it was let in
    assert trusted.lost == []
    assert {status for _, status in trusted.asked} == {200}
    assert len(trusted.asked) > times
    assert gate.process.poll() is None


def test_a_removed_pin_gets_nothing_more(gate: Gate, tmp_path: Path) -> None:
    _swaps(gate, tmp_path, times=5, each=MOST, removed=BOB, with_it=[BOB])


def test_a_client_of_a_removed_issuer_gets_nothing_more(gate: Gate, tmp_path: Path) -> None:
    _swaps(gate, tmp_path, times=3, each=40, removed=CAROL, with_it=[ROOT])


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("removed", "with_it"), [(BOB, [BOB]), (CAROL, [ROOT])], ids=["pin", "issuer"])
def test_fifty_swaps_each_way(removed: Made, with_it: list[Made], gate: Gate, tmp_path: Path) -> None:
    _swaps(gate, tmp_path, times=50, each=30, removed=removed, with_it=with_it)


def test_trusted_again_on_the_connection_that_is_still_open(gate: Gate, tmp_path: Path) -> None:
    bob = Client(tmp_path, BOB)
    with bob.connect(gate.port) as quiet, bob.connect(gate.port) as loud:
        assert (quiet.status(), loud.status()) == (200, 200)
        change(gate, lambda: replace(gate.trust, bundle(ALICE)))
        assert loud.status() == 403
        change(gate, lambda: replace(gate.trust, bundle(ALICE, BOB)))
        assert quiet.status() == 200
        with pytest.raises(ConnectionError):
            loud.status()  # its 403 said Connection: close


def _rotations(gate: Gate, folder: Path, times: int, each: int) -> None:
    alice = Client(folder, ALICE)
    with alice.connect(gate.port) as oldest, under_load(alice, gate.port, 2) as load:
        first = oldest.server()
        for number in range(1, times + 1):
            fresh = SERVERS[number % 2]
            change(gate, lambda fresh=fresh: replace(gate.server, key_pem(fresh) + fresh.pem))  # type: ignore[misc]
            for _ in range(each):
                with alice.connect(gate.port) as new:
                    assert new.server() == fresh.der
                    assert new.status() == 200
            if number % 4 == 1:
                other = SERVERS[(number + 1) % 2]
                bad = [key_pem(other) + fresh.pem, key_pem(other)[:-30] + other.pem, other.pem, b""][number // 4 % 4]
                change(gate, lambda bad=bad: replace(gate.server, bad), "trust.kept")  # type: ignore[misc]
                with alice.connect(gate.port) as new:
                    assert new.server() == fresh.der
            assert oldest.status() == 200
        assert oldest.server() == first
    assert load.lost == []
    assert {status for _, status in load.asked} == {200}
    assert len(gate.lines("trust.active")) == times
    assert len(gate.lines("trust.kept")) == len(range(1, times + 1, 4))


def test_the_server_certificate_changes_and_nobody_is_cut_off(gate: Gate, tmp_path: Path) -> None:
    _rotations(gate, tmp_path, times=5, each=10)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_fifty_server_certificates(gate: Gate, tmp_path: Path) -> None:
    _rotations(gate, tmp_path, times=50, each=20)


def test_a_change_binds_in_time_with_the_default_interval(tmp_path: Path) -> None:
    with Gate(tmp_path / "gate", SERVERS[0], [ALICE, BOB], reload=1.0) as gate:
        times = []
        for trusted in ([ALICE], [ALICE, BOB]):
            began = time.monotonic()
            times.append(change(gate, lambda trusted=trusted: replace(gate.trust, bundle(*trusted))) - began)  # type: ignore[misc]
            time.sleep(0.37)  # at another moment of the watcher's second
        assert min(times) < 1.5, times
        assert max(times) < 4, times  # one late look on a busy machine
