"""The keeper of trust: whole new state or the old one, told once, whatever happens to the files."""

import asyncio
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.x509 import load_der_x509_certificate

from hsmgate.errors import Failure, Reason
from hsmgate.gate import keeper as keeper_module
from hsmgate.gate.keeper import TrustKeeper, expiry_warnings, names_of
from hsmgate.gate.tls import TlsSettings
from hsmgate.pki import trust
from hsmgate.pki.material import Identity, Material
from support import certs

PATIENCE = 15.0
Log = list[MutableMapping[str, Any]]

ALICE, BOB, CAROL = (certs.make(name) for name in ("alice", "bob", "carol"))
SERVER = certs.make("localhost")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SECOND_LOOK", 0.04)  # the real one is waited for in the end-to-end tests


def logger(lines: Log) -> Any:
    def remember(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        lines.append({"level": method, **event})
        raise structlog.DropEvent

    return structlog.wrap_logger(structlog.PrintLogger(), processors=[remember])


# in memory
@dataclass
class Source:
    """What `load` and `look` see; both can be held up or fail."""

    entries: tuple[tuple[str, bytes], ...] = (("alice", ALICE.der),)
    before_load: list[Callable[[], None]] = field(default_factory=list)
    loads: int = 0

    def load(self) -> Material:
        self.loads += 1
        entries = self.entries  # what this look at the files has seen, however long the rest takes
        if self.before_load:
            self.before_load.pop(0)()
        identity = Identity(key_der=SERVER.key_der, chain=(SERVER.der,))
        return Material(identity=identity, entries=entries)

    def look(self) -> bytes:
        return repr(self.entries).encode()

    def keeper(self, lines: Log, **settings: str) -> TrustKeeper:
        return TrustKeeper(self.load, self.look, TlsSettings(**settings), time.time, logger(lines))  # type: ignore[arg-type]


def test_a_slow_refresh_never_undoes_a_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    proving, slow = threading.Event(), threading.Event()
    real = keeper_module.prove  # type: ignore[attr-defined]

    def prove(*arguments: Any) -> None:
        if not proving.is_set():
            proving.set()
            assert slow.wait(PATIENCE)
        real(*arguments)

    monkeypatch.setattr(keeper_module, "prove", prove)
    source.entries = (("alice", ALICE.der), ("bob", BOB.der))

    async def story() -> None:
        first = asyncio.create_task(keeper.refresh())
        await asyncio.to_thread(proving.wait, PATIENCE)
        source.entries = (("carol", CAROL.der),)
        second = asyncio.create_task(keeper.refresh(force=True))
        await asyncio.sleep(0.3)  # time enough to overtake
        slow.set()
        await first
        await second

    asyncio.run(story())
    assert set(keeper.current.trust.pins) == {CAROL.der}
    numbers = [line["snapshot"] for line in lines if line["event"] == "trust.active"]
    assert numbers == sorted(set(numbers)), "two snapshots with one number: a cached verdict would outlive its trust"


def test_what_changes_while_it_is_read_is_not_taken() -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    source.entries = (("bob", BOB.der),)

    def change() -> None:
        source.entries = (("carol", CAROL.der),)

    source.before_load.append(change)
    asyncio.run(keeper.refresh())
    assert keeper.current.number == 1
    asyncio.run(keeper.refresh())
    assert set(keeper.current.trust.pins) == {CAROL.der}


def test_any_other_error_is_told_once_too() -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    source.entries = (("bob", BOB.der),)

    def fail() -> None:
        raise ValueError("a bug")

    source.before_load.append(fail)
    asyncio.run(keeper.refresh())
    asyncio.run(keeper.refresh())
    assert [line["event"] for line in lines] == ["trust.kept"]
    assert "a bug" in lines[0]["detail"]
    assert source.loads == 2
    assert keeper.current.number == 1


def test_a_hangup_takes_the_same_again() -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    asyncio.run(keeper.refresh())
    assert keeper.current.number == 1
    asyncio.run(keeper.refresh(force=True))
    assert keeper.current.number == 2
    assert [line["event"] for line in lines] == ["trust.active"]


def test_files_that_do_not_rest_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    seen = iter(range(6))  # six looks, each another content; then rest
    monkeypatch.setattr(keeper, "_look", lambda: repr(next(seen, 6)).encode())
    source.entries = (("bob", BOB.der),)
    asyncio.run(keeper.refresh())
    assert next(seen, None) is None
    assert keeper.current.number == 2
    assert source.loads == 2  # at the start and at the end: nothing half-written was ever read


def test_trust_that_lets_strangers_in_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    source, lines = Source(), Log()
    keeper = source.keeper(lines)
    source.entries = (("bob", BOB.der),)
    with monkeypatch.context() as patch:
        patch.setattr(keeper_module, "prove", lambda *_: _raise(Failure(Reason.INTEGRITY, "a stranger got in")))
        asyncio.run(keeper.refresh())
    assert keeper.current.number == 1
    assert [line["event"] for line in lines] == ["trust.kept"]
    source.entries = (("carol", CAROL.der),)
    asyncio.run(keeper.refresh())
    assert keeper.current.number == 2


def _raise(failure: Failure) -> None:
    raise failure


def test_the_start_fails_on_what_a_swap_would_refuse() -> None:
    source = Source(entries=(("nonsense", b"\x30\x00"),))
    with pytest.raises(Failure):
        source.keeper(Log())


def test_expiry_is_told_before_it_bites() -> None:
    day = 86_400.0
    entries = [("alice", ALICE.der)]
    made = trust.build(entries)
    end = load_der_x509_certificate(ALICE.der).not_valid_after_utc.timestamp()
    start = load_der_x509_certificate(ALICE.der).not_valid_before_utc.timestamp()
    assert expiry_warnings(made, end - 31 * day) == []
    assert "expires on" in expiry_warnings(made, end - 29 * day)[0]
    assert "expired on" in expiry_warnings(made, end + 1)[0]
    assert "not yet valid" in expiry_warnings(made, start - 1)[0]


def test_names_of_a_server_certificate() -> None:

    both = certs.alternative_names(x509.DNSName("A.Example"), x509.DNSName("*.b.example"))
    assert names_of(certs.make("ignored", extensions=[both]).der) == {"a.example", "*.b.example"}
    assert names_of(certs.make("Only.Name").der) == {"only.name"}
