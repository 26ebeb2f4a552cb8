"""The local health check: one line for who may connect, whatever was or is in its place."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsmgate.adapters import health_socket
from hsmgate.adapters.health_socket import ask_health, serve_health
from hsmgate.errors import Failure, Reason


async def well() -> str:
    return "ok"


def node(path: Path) -> int:
    return path.lstat().st_ino if os.path.lexists(path) else 0


@contextmanager
def served(path: Path, judge: Callable[[], Awaitable[str]] = well) -> Iterator[None]:
    """In a loop of its own, until the block ends."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    task: list[asyncio.Task[None]] = []

    before = node(path)

    async def life() -> None:
        task.append(asyncio.create_task(serve_health(path, judge)))
        ready.set()
        await asyncio.wait(task)
        answers = asyncio.all_tasks() - {asyncio.current_task()}
        for answer in answers:  # as asyncio.run does
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(life(),))
    thread.start()
    try:
        assert ready.wait(20)
        while node(path) == before and not task[0].done():
            time.sleep(0.005)
        yield
    finally:
        loop.call_soon_threadsafe(task[0].cancel)
        thread.join()
        loop.close()


def test_who_may_connect_is_told(tmp_path: Path) -> None:
    path = tmp_path / "health.sock"
    with served(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert ask_health(path) == "ok"
        assert ask_health(path) == "ok"
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_told_and_may_change(tmp_path: Path) -> None:
    states = iter(["CONNECTIVITY: the database is locked", "ok"])

    async def judge() -> str:
        return next(states)

    with served(tmp_path / "h", judge):
        assert ask_health(tmp_path / "h") == "CONNECTIVITY: the database is locked"
        assert ask_health(tmp_path / "h") == "ok"


def test_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    with served(folder / "health.sock"):
        assert ask_health(folder / "health.sock") == "ok"


def test_the_socket_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "health.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Failure, match="connection refused"):
        ask_health(path)
    with served(path):
        assert ask_health(path) == "ok"


def test_a_socket_that_another_process_took_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "health.sock"

    async def other() -> str:
        return "other"

    with served(path):
        with served(tmp_path / "second", other):
            (tmp_path / "second").rename(path)
            assert ask_health(path) == "other"
            path.rename(tmp_path / "second")
        (tmp_path / "health.sock").write_text("mine")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_something_else_in_its_place_is_left_alone(tmp_path: Path, what: str) -> None:
    path = tmp_path / "health.sock"
    if what == "link":
        path.symlink_to("x")
    elif what == "folder":
        path.mkdir()
    else:
        path.touch()
    with pytest.raises(Failure, match=r"health\.sock: ") as caught:
        asyncio.run(serve_health(path, well))
    assert caught.value.reason is Reason.STORE_UNREADABLE
    assert [one.name for one in tmp_path.iterdir()] == ["health.sock"]


def test_nobody_there(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path / "no" / "folder"):
        with pytest.raises(Failure, match="does not answer at") as caught:
            ask_health(path)
        assert caught.value.reason is Reason.CONNECTIVITY


def test_silence_is_no_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_socket, "SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "h"))
        silent.listen()
        with pytest.raises(Failure, match="no answer in time"):
            ask_health(tmp_path / "h")

    async def hangs() -> str:
        await asyncio.sleep(60)
        return "ok"

    with served(tmp_path / "slow", hangs), pytest.raises(Failure, match="no answer in time"):
        ask_health(tmp_path / "slow")
