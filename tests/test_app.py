"""The whole system in this process: it starts, serves, is told to end, and leaves nothing behind."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsmgate import app
from hsmgate.config import Config, load
from hsmgate.errors import Failure, Reason
from support.service import Client, Quick, outcomes

PLAIN = "hsmgate: {insecure: true}\nserver: {address: 127.0.0.1, port: 0}\n"


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """Served in the clear, on loopback; this process gets back what serving changed of it."""
    (tmp_path / "application-local.yml").write_text(PLAIN)
    hangup, umask = signal.getsignal(signal.SIGHUP), os.umask(0o022)
    yield load(tmp_path, None, {}, tmp_path)
    signal.signal(signal.SIGHUP, hangup)
    os.umask(umask)


def serving(config: Config, visit: Callable[[int], object]) -> None:
    """Serve while `visit` runs in another thread, then end as by Ctrl-C."""
    failed: list[BaseException] = []

    def then_end(port: int) -> None:
        try:
            visit(port)
        except BaseException as error:
            failed.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    visitors: list[threading.Thread] = []

    def announce(port: int) -> None:
        visitors.append(threading.Thread(target=then_end, args=[port]))
        visitors[0].start()

    app.serve(config, announce)
    visitors[0].join()
    if failed:
        raise failed[0]


def trail(config: Config) -> list[dict[str, object]]:
    folder = config.folder
    quick = Quick(folder)
    quick.audit = folder / "data" / "audit.log"
    return list(quick.trail())


def test_it_serves_and_its_end_is_the_last_line(config: Config) -> None:
    def visit(port: int) -> None:
        with Client(port, None) as client:
            assert client.create("one", "r-1").status == 201
            assert client.call("GET", "/v1/versionInfo").status == 200

    before = threading.active_count()
    serving(config, visit)
    assert threading.active_count() == before, "a thread goes on"
    actions = [line["action"] for line in trail(config)]
    assert actions[:2] == ["audit.began", "start"]
    assert actions[-1] == "end"
    assert outcomes(trail(config))["r-1"] == "ok"
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@pytest.mark.parametrize(("more", "status"), [("", 200), ("swaggerUI.enabled: false\n", 404)])
def test_the_pages_are_there_unless_they_are_switched_off(config: Config, more: str, status: int) -> None:
    (config.folder / "application-local.yml").write_text(PLAIN + more)
    seen: dict[str, int] = {}

    def visit(port: int) -> None:
        with Client(port, None) as client:
            for path in ("/", "/swagger-ui", "/swagger-ui/index.html", "/v3/api-docs", "/v3/api-docs/swagger-config"):
                seen[path] = client.call("GET", path).status
            if status == 200:
                assert client.call("GET", "/v3/api-docs").json["components"]["securitySchemes"] == {}  # insecure

    serving(load(config.folder, None, {}, config.folder), visit)
    assert set(seen.values()) == {status}
    assert len(seen) == 5


def test_it_can_be_served_again_and_keeps_what_was_made(config: Config) -> None:
    for number in range(2):

        def visit(port: int, number: int = number) -> None:
            with Client(port, None) as client:
                assert client.create(f"key-{number}").status == 201
                assert len(client.labels()) == number + 1

        serving(config, visit)
    assert [line["action"] for line in trail(config)].count("start") == 2


def test_without_a_line_for_its_start_it_does_not_serve(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwritable(*_arguments: object) -> None:
        raise Failure(Reason.AUDIT_UNAVAILABLE, "no room")

    monkeypatch.setattr("hsmgate.adapters.audit_file.FileAudit.append", unwritable)
    with pytest.raises(Failure, match="no room"):
        app.serve(config, lambda _port: pytest.fail("it listens"))


def test_what_fails_at_the_last_moment_ends_it_in_order(config: Config) -> None:
    def announce(_port: int) -> None:
        raise Failure(Reason.STORE_UNREADABLE, "nobody to tell")

    with pytest.raises(Failure, match="nobody to tell"):
        app.serve(config, announce)
    assert [line["action"] for line in trail(config)] == ["audit.began", "start", "end"]


def test_the_file_of_the_composition_stays_readable() -> None:
    lines = Path(app.__file__).read_text().splitlines()
    assert len(lines) < 120
