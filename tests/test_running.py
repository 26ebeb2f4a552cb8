"""What goes on beside the requests: a bad moment of disk or database stops none of it."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from structlog.testing import LogCapture

from hsmgate import running
from hsmgate.api.dispatch import Dispatcher, Log
from hsmgate.config import load
from hsmgate.errors import Failure, Reason
from hsmgate.opening import Parts, open_parts
from hsmgate.pki.peer import Peer
from hsmgate.running import Course, note, site_rules
from hsmgate.usecases.ports import AuditEvent, Ports
from support import certs

ROOT, OTHER = certs.authority("root"), certs.authority("other")


class Running:
    """Parts and a course over them, without a server."""

    def __init__(self, folder: Path) -> None:
        (folder / "application-local.yml").write_text(
            "server.ssl: {trust-store: trust.pem, key-store: server.pem}\nhsmgate.hosts: [keys.example]\n"
        )
        self.folder, self.said = folder, LogCapture()
        self.store("one.example", ROOT)
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.said])
        self.parts = open_parts(load(folder, None, {}, folder), log)
        self.executor = ThreadPoolExecutor(1)

        async def nobody(_scope: object, _demand: object) -> Peer:
            raise Failure(Reason.NO_CERTIFICATE)

        ports = Ports(self.parts.keystore, self.parts.audit, time.time, (), "")
        rules = site_rules(self.parts, ("keys.example",))
        self.dispatcher = Dispatcher(ports, nobody, self.executor, rules, cast("Log", self.parts.log))
        self.course = Course(self.parts, self.dispatcher, None, self.executor, ("keys.example",), 0.05)

    def store(self, name: str, *trusted: certs.Made) -> None:
        made = certs.make(name, ROOT, [certs.alternative_names(x509.DNSName(name))])
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "server.pem").write_bytes(key + made.pem)
        (self.folder / "trust.pem").write_bytes(b"".join(one.pem for one in trusted))

    def events(self) -> list[str]:
        return [entry["event"] for entry in self.said.entries]

    def trail(self) -> str:
        return (self.folder / "data" / "audit.log").read_text()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.executor.shutdown()
    made.parts.close()


def closed_audit(parts: Parts) -> None:
    """From now on no line can be written."""
    parts.audit.close()


def test_the_names_that_are_served_are_those_of_host_settings_and_certificate(beside: Running) -> None:
    hosts = site_rules(beside.parts, ("a.example",)).hosts
    assert hosts == {socket.gethostname(), "a.example", "one.example"}


def test_a_swap_changes_the_names_and_is_written_to_the_trail(beside: Running) -> None:
    beside.course.started("x", "https://x", lambda: None)
    beside.store("two.example", OTHER)
    asyncio.run(beside.course.reload())
    beside.executor.shutdown()
    assert "two.example" in beside.dispatcher.rules.hosts
    assert "one.example" not in beside.dispatcher.rules.hosts
    actions = [f'"action":"{name}"' in beside.trail() for name in ("trust.removed", "trust.added", "trust.active")]
    assert actions == [True, True, True]
    assert OTHER.sha256 in beside.trail()


def test_a_trail_that_takes_nothing_does_not_keep_new_trust_back(beside: Running) -> None:
    beside.course.started("x", "https://x", lambda: None)
    closed_audit(beside.parts)
    beside.store("two.example", OTHER)
    asyncio.run(beside.course.reload())
    beside.executor.shutdown()
    assert beside.parts.keeper is not None
    assert [entry.der for entry in beside.parts.keeper.current.trust.entries] == [OTHER.der]
    assert "audit.unwritten" in beside.events()


def test_a_line_that_cannot_be_written_is_said(beside: Running) -> None:
    closed_audit(beside.parts)
    note(beside.parts, AuditEvent("event", "end"))
    (entry,) = [entry for entry in beside.said.entries if entry["event"] == "audit.unwritten"]
    assert entry["detail"].startswith("end ")


def test_the_watcher_of_revocations_outlives_every_error_and_says_each_once(
    beside: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[Exception | None] = [
        Failure(Reason.CONNECTIVITY, "the database is locked"),
        Failure(Reason.CONNECTIVITY, "the database is locked"),
        ValueError("a bug"),
        None,
        None,
    ]
    calls: list[int] = []
    enough = asyncio.Event()

    def refresh() -> None:
        calls.append(1)
        if len(calls) == 8:
            loop[0].call_soon_threadsafe(enough.set)
        if len(calls) <= len(results) and (error := results[len(calls) - 1]) is not None:
            raise error

    monkeypatch.setattr(beside.parts.remembered, "refresh", refresh)
    monkeypatch.setattr(running, "REFRESH_SECONDS", 0.005)

    loop: list[asyncio.AbstractEventLoop] = []

    async def watch() -> None:
        loop.append(asyncio.get_running_loop())
        watch_revocations = beside.course.background[2]
        task = asyncio.create_task(watch_revocations())
        async with asyncio.timeout(20):
            await enough.wait()
        assert not task.done()
        task.cancel()

    asyncio.run(watch())
    said = [entry for entry in beside.said.entries if entry["event"].startswith("revocations.")]
    assert [entry["event"] for entry in said] == [
        "revocations.unreadable",
        "revocations.unreadable",
        "revocations.readable",
    ]
    assert "what is known stays in force" in said[0]["detail"]
    assert "a bug" in said[1]["detail"]


def test_what_it_holds_open_is_closed_at_the_end(beside: Running) -> None:
    async def life() -> None:
        with pytest.raises(Failure):
            await beside.parts.responders.ask("http://127.0.0.1:9/", b"", 0.5)
        await beside.course.ended()
        await beside.course.ended()

    asyncio.run(life())


def test_without_trust_there_is_nothing_to_reload(tmp_path: Path) -> None:
    (tmp_path / "application-local.yml").write_text("hsmgate.insecure: true\nserver.address: 127.0.0.1\n")
    log = structlog.wrap_logger(structlog.PrintLogger(), processors=[LogCapture()])
    parts = open_parts(load(tmp_path, None, {}, tmp_path), log)
    with ThreadPoolExecutor(1) as executor:
        ports = Ports(parts.keystore, parts.audit, time.time, (), "")

        async def admit(_scope: object, _demand: object) -> Peer:
            return Peer()

        rules = site_rules(parts, ())
        course = Course(parts, Dispatcher(ports, admit, executor, rules, cast("Log", parts.log)), None, executor, (), 1)
        asyncio.run(course.reload())
        course.ending()
    parts.close()
