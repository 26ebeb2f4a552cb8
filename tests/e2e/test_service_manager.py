"""A service below systemd, and its health check: what a service manager hears from the first to the last."""

import os
import re
import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support.forks import Forks
from support.service import PATIENCE, PROGRAM, Quick, Service, one_line, run
from support.unit import allowed


def test_ready_reloading_alive_and_stopping(quick_used: Quick, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)

        def heard(first: str) -> list[str]:
            """The next message that begins so; that it lives comes in between."""
            while (lines := manager.recv(1000).decode().splitlines())[0] != first:
                assert lines == ["WATCHDOG=1"]
            return lines

        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        with quick_used.serve(**environ) as service:
            assert heard("READY=1") == ["READY=1", f"STATUS=serves https://127.0.0.1:{service.port}"]
            for _ in range(3):
                heard("WATCHDOG=1")
            service.send(signal.SIGHUP)
            assert heard("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
            assert heard("READY=1")[1].startswith("STATUS=serves ")
            service.send(signal.SIGTERM)
            heard("STOPPING=1")
            assert service.process.wait(PATIENCE) == 0


def test_health_needs_no_certificate_and_says_what_is_wrong(quick_used: Quick, commands: Forks) -> None:
    config = ("--config", quick_used.config)
    assert "does not answer at" in one_line(commands.run("health", *config).err)
    with quick_used.serve() as service:
        well = commands.run("health", *config)
        assert (well.code, well.out, well.err) == (0, "ok\n", "")
        with closing(sqlite3.connect(quick_used.data / "hsmgate.db")) as database, database:
            database.execute("DROP TABLE keystore")
        ill = commands.run("health", *config)
        assert (ill.code, ill.out) == (1, "")
        assert "the service is not well: INTEGRITY: the database is not as this version made it" in one_line(ill.err)
        assert service.stop() == 0
    assert commands.run("health", *config).code == 1
    assert not (quick_used.data / "health.sock").exists()


def test_without_the_socket_it_serves_all_the_same(quick_used: Quick, commands: Forks) -> None:
    (quick_used.data / "health.sock").mkdir()
    with quick_used.serve() as service, quick_used.client(service.port) as client:
        assert "hsmgate.health.socket" in service.await_line("health.unavailable")
        assert client.labels() == ["first"]
        elsewhere = commands.run("health", "--config", quick_used.config)
        assert elsewhere.code == 1
    with quick_used.serve(HSMGATE_HEALTH_SOCKET=str(quick_used.folder / "other.sock")):
        found = commands.run(
            "health", "--config", quick_used.config, HSMGATE_HEALTH_SOCKET=str(quick_used.folder / "other.sock")
        )
        assert found.code == 0


@pytest.mark.long
def test_it_makes_no_system_call_that_the_unit_forbids(quick_used: Quick, tmp_path: Path) -> None:
    """Traced from start to end: handshakes, keys, reload, health."""
    trace = tmp_path / "trace"
    service = Service(quick_used.config, tmp_path / "log", NOTIFY_SOCKET=str(tmp_path / "absent"))
    service.program = ("strace", "-f", "-qq", "-e", "signal=none", "-o", str(trace), *PROGRAM)
    with service:
        traced = int(Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text())
        with quick_used.client(service.port) as client:
            assert client.create("traced").status == 201
            assert client.sign("traced", "aGVsbG8=").status == 200
        assert run("health", "--config", quick_used.config).returncode == 0
        quick_used.truststore.write_bytes(quick_used.truststore.read_bytes() + b"# changed\n")
        os.kill(traced, signal.SIGHUP)
        service.await_line("trust.active")
        os.kill(traced, signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
    made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace.read_text(), re.MULTILINE))
    assert {"accept4", "sendto"} & made, "it was traced"
    assert made - allowed() <= {"fchown"}, "SQLite's, and only where root runs it"
