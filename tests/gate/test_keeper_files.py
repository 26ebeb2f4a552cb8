"""The keeper and its files: whatever happens to them, whole new state or the old one, told once."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.x509 import load_der_x509_certificate

from hsmgate.adapters.stores import Store, Stores
from hsmgate.gate import keeper as keeper_module
from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.tls import TlsSettings
from support import certs
from support.certs import Made
from support.gate_server import bundle, key_pem, replace

LOOK = 0.02  # seconds between looks
PATIENCE = 15.0
PASSWORD = "secret"
Log = list[MutableMapping[str, Any]]

ALICE, BOB, CAROL = (certs.make(name) for name in ("alice", "bob", "carol"))
SERVER, NEXT_SERVER = (certs.make(name) for name in ("localhost", "next.example"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SECOND_LOOK", 0.04)  # the real one is waited for in the end-to-end tests


def logger(lines: Log) -> Any:
    def remember(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        lines.append({"level": method, **event})
        raise structlog.DropEvent

    return structlog.wrap_logger(structlog.PrintLogger(), processors=[remember])


@dataclass
class Watched:
    """A keeper that watches files, with what it logged."""

    keeper: TrustKeeper
    lines: Log
    server: Path
    trust: Path

    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def pins(self) -> set[bytes]:
        return set(self.keeper.current.trust.pins)

    async def until(self, event: str, times: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.events().count(event) < times:
            assert time.monotonic() < deadline, self.lines
            await asyncio.sleep(0.005)

    async def rest(self) -> None:
        """Long enough for several looks, and a second look too."""
        await asyncio.sleep(keeper_module.SECOND_LOOK + 6 * LOOK)


def pin_set(*made: Made) -> set[bytes]:
    return {one.der for one in made}


def watch(
    tmp_path: Path,
    story: Callable[[Watched], Awaitable[None]],
    *,
    trust_path: str = "trust.pem",
    password: str | None = None,
    content: bytes | None = None,
) -> Watched:
    """Start with ALICE and BOB trusted, watch, and let the story happen."""
    server, trusted = tmp_path / "server.pem", tmp_path / trust_path
    server.write_bytes(key_pem(SERVER) + SERVER.pem)
    if not trusted.exists():
        trusted.write_bytes(bundle(ALICE, BOB) if content is None else content)
    lines: Log = []
    stores = Stores(server=Store(server), trust=Store(trusted, password))
    watched = Watched(
        TrustKeeper(stores.load, stores.look, TlsSettings(), time.time, logger(lines)), lines, server, trusted
    )

    async def run() -> None:
        task = asyncio.create_task(watched.keeper.watch(LOOK))
        try:
            await story(watched)
        finally:
            task.cancel()

    asyncio.run(run())
    return watched


def test_a_changed_file_is_taken_and_told(tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        swapped = []
        w.keeper.on_swap = lambda snapshot: swapped.append(snapshot.number)
        w.trust.write_bytes(bundle(BOB, CAROL))
        await w.until("trust.active")
        assert w.pins() == pin_set(BOB, CAROL)
        assert w.keeper.current.number == 2
        assert swapped == [2]

    w = watch(tmp_path, story)
    assert w.events() == ["trust.removed", "trust.added", "trust.active"]
    assert w.lines[0]["sha256"] == ALICE.sha256
    assert w.lines[1]["sha256"] == CAROL.sha256
    assert w.lines[1]["role"] == "pin"
    assert (w.lines[2]["snapshot"], w.lines[2]["pins"], w.lines[2]["issuers"]) == (2, 2, 0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: replace(path, bundle(CAROL)), id="atomic rename"),
        pytest.param(lambda path: _keep_times(path, bundle(CAROL, ALICE)), id="same size and times"),
        pytest.param(lambda path: (path.unlink(), path.write_bytes(bundle(CAROL))), id="removed and made again"),
    ],
)
def test_however_a_file_changes(change: Callable[[Path], Any], tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        change(w.trust)
        await w.until("trust.active")
        assert CAROL.der in w.pins()
        assert BOB.der not in w.pins()

    w = watch(tmp_path, story)
    assert "trust.kept" not in w.events()


def _keep_times(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_touch_is_no_change(tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        before = w.keeper.current
        w.trust.touch()
        replace(w.server, w.server.read_bytes())
        await w.rest()
        assert w.keeper.current is before

    assert watch(tmp_path, story).events() == []


def test_a_slow_write_is_taken_when_it_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SECOND_LOOK", 1.0)  # far from the pauses below, however busy the machine is
    whole = bundle(BOB, CAROL, *(certs.make(f"more {n}") for n in range(4)))

    async def story(w: Watched) -> None:
        with w.trust.open("wb", buffering=0) as file:
            for start in range(0, len(whole), 400):  # also cut between two certificates, where a PEM looks whole
                file.write(whole[start : start + 400])
                await asyncio.sleep(0.02)
                assert w.keeper.current.number == 1
        await w.until("trust.active")
        assert len(w.pins()) == 6

    w = watch(tmp_path, story)
    assert w.events().count("trust.active") == 1
    assert "trust.kept" not in w.events()


def _java_store(password: str) -> bytes:
    return serialize_java_truststore(
        [PKCS12Certificate(load_der_x509_certificate(ALICE.der), b"alice")], BestAvailableEncryption(password.encode())
    )


def _instead(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


BROKEN_TRUST: dict[str, Callable[[Path], Any]] = {
    "cut": lambda path: path.write_bytes(bundle(ALICE, CAROL)[:-100]),
    "garbage": lambda path: path.write_bytes(os.urandom(3000)),
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "other password": lambda path: path.write_bytes(_java_store("another")),
    "a folder with nothing in it": lambda path: _instead(path, Path.mkdir),
    "a link to nowhere": lambda path: _instead(path, lambda it: it.symlink_to("/nowhere")),
    "a loop of links": lambda path: _instead(path, lambda it: it.symlink_to(it)),
    "a FIFO": lambda path: _instead(path, os.mkfifo),
    "a key": lambda path: path.write_bytes(key_pem(ALICE)),
    "HTML": lambda path: path.write_bytes(b"<html>404</html>"),
}


@pytest.mark.parametrize("name", BROKEN_TRUST)
def test_a_broken_truststore_changes_nothing_and_is_told_once(name: str, tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        before, good = w.keeper.current, w.trust.read_bytes()
        BROKEN_TRUST[name](w.trust)
        await w.until("trust.kept")
        await w.rest()
        assert w.keeper.current is before
        assert w.events() == ["trust.kept"]
        assert w.lines[0]["level"] == "error"
        assert "\n" not in w.lines[0]["detail"]
        if w.trust.is_dir():
            w.trust.rmdir()
        else:
            w.trust.unlink(missing_ok=True)
        w.trust.write_bytes(good)
        await w.until("trust.active")
        assert w.keeper.current.trust.pins == before.trust.pins

    store = _java_store(PASSWORD) if "password" in name else None
    assert watch(tmp_path, story, password=PASSWORD, content=store).events() == ["trust.kept", "trust.active"]


BROKEN_SERVER: dict[str, Callable[[], bytes]] = {
    "a key that does not match": lambda: key_pem(ALICE) + NEXT_SERVER.pem,
    "no key": lambda: NEXT_SERVER.pem,
    "no certificate": lambda: key_pem(NEXT_SERVER),
    "cut": lambda: (key_pem(NEXT_SERVER) + NEXT_SERVER.pem)[:-50],
    "empty": lambda: b"",
}


@pytest.mark.parametrize("name", BROKEN_SERVER)
def test_a_broken_key_store_changes_nothing_and_is_told_once(name: str, tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        before = w.keeper.current
        w.server.write_bytes(BROKEN_SERVER[name]())
        await w.until("trust.kept")
        await w.rest()
        assert w.keeper.current is before

    assert watch(tmp_path, story).events() == ["trust.kept"]


def test_a_new_server_certificate_is_taken(tmp_path: Path) -> None:
    async def story(w: Watched) -> None:
        replace(w.server, key_pem(NEXT_SERVER) + NEXT_SERVER.pem)
        await w.until("trust.active")
        assert w.keeper.current.server_names == {"next.example"}
        assert w.pins() == pin_set(ALICE, BOB)

    watch(tmp_path, story)


def test_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "a.pem").write_bytes(ALICE.pem)

    async def story(w: Watched) -> None:
        replace(folder / "b.crt", BOB.pem)
        await w.until("trust.active")
        assert w.pins() == pin_set(ALICE, BOB)
        (folder / "a.pem").unlink()
        await w.until("trust.active", 2)
        assert w.pins() == pin_set(BOB)
        (folder / "b.crt").write_bytes(b"nonsense")
        await w.until("trust.kept")
        assert w.pins() == pin_set(BOB)

    watch(tmp_path, story, trust_path="trusted")


@pytest.mark.parametrize("what", ["trusted/trust.pem", "trusted"])
def test_the_links_of_a_mounted_secret(what: str, tmp_path: Path) -> None:
    """Kubernetes: files link into ..data, ..data links to a dated folder and is replaced at once."""
    mount = tmp_path / "trusted"
    for name, content in (("..first", bundle(ALICE)), ("..second", bundle(ALICE, CAROL))):
        (mount / name).mkdir(parents=True)
        (mount / name / "trust.pem").write_bytes(content)
    (mount / "..data").symlink_to("..first")
    (mount / "trust.pem").symlink_to("..data/trust.pem")

    async def story(w: Watched) -> None:
        assert w.pins() == pin_set(ALICE)
        (mount / "..data_tmp").symlink_to("..second")
        (mount / "..data_tmp").rename(mount / "..data")
        shutil.rmtree(mount / "..first")
        await w.until("trust.active")
        assert w.pins() == pin_set(ALICE, CAROL)

    assert "trust.kept" not in watch(tmp_path, story, trust_path=what).events()
