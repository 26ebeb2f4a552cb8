import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from support.audit_files import actions, event, lines, opened, rows
from support.trails import why_broken

FORK = multiprocessing.get_context("fork")  # a spawned interpreter takes longer than all that it would do here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


# -- several processes, sudden death


def hammer(path: Path, worker: int, count: int, max_bytes: int) -> None:
    audit = opened(path, max_bytes=max_bytes)
    for number in range(count):
        audit.append(event(f"{worker}-{number}"))


@pytest.mark.parametrize("max_bytes", [2**28, 20_000])
def test_four_processes_make_one_chain(path: Path, max_bytes: int) -> None:
    workers = [FORK.Process(target=hammer, args=(path, worker, 500, max_bytes)) for worker in range(4)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
        assert process.exitcode == 0
    files = [*sorted(path.parent.glob("audit.log.*")), path]
    assert why_broken(lines(*files)) == ""
    assert (len(files) > 20) == (max_bytes == 20_000)
    ids = [row["requestId"] for row in rows(*files) if row["action"] == "test"]
    assert sorted(ids) == sorted(f"{worker}-{number}" for worker in range(4) for number in range(500))
    for worker in range(4):
        assert [each for each in ids if each.startswith(f"{worker}-")] == [f"{worker}-{n}" for n in range(500)]


def crash(path: Path, round_: int, fsync: bool, max_bytes: int) -> list[str]:
    """Let a process append and kill it; the ids that it was answered for."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            audit = opened(path, fsync=fsync, max_bytes=max_bytes)
            for number in range(100_000):
                audit.append(event(f"{round_}-{number}", size=900))
                os.write(writing, f"{round_}-{number}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    answered = os.read(reading, 1)  # it is at work
    time.sleep(0.002 + (round_ * 7919 % 100) / 10_000)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        answered += pipe.read()
    return answered.decode().splitlines()


def crash_loop(path: Path, rounds: int, max_bytes: int) -> None:
    answered: list[str] = []
    for round_ in range(rounds):
        answered += crash(path, round_, fsync=round_ % 4 == 3, max_bytes=max_bytes)
    opened(path).close()
    files = [*sorted(path.parent.glob("audit.log.0*")), path]
    assert why_broken(lines(*files)) == ""
    assert len(answered) >= rounds
    there = {row["requestId"] for row in rows(*files)}
    assert not set(answered) - there


def test_what_was_answered_survives_a_kill_20_times(path: Path) -> None:
    crash_loop(path, 20, max_bytes=200_000)


@pytest.mark.long
@pytest.mark.parametrize("max_bytes", [2**28, 200_000, 10_000])
def test_what_was_answered_survives_a_kill_200_times(path: Path, max_bytes: int) -> None:
    crash_loop(path, 200, max_bytes)


def test_a_death_of_one_worker_in_a_line_is_mended_by_the_others(path: Path) -> None:
    audit = opened(path)
    audit.append(event())
    with path.open("ab") as file:
        file.write(b'{"seq":3,"time"')
    audit.append(event())
    assert actions(path) == ["audit.began", "test", "audit.recovered", "test"]
    assert why_broken(lines(path)) == ""


def test_renaming_while_processes_write_and_start_keeps_one_chain(path: Path) -> None:
    started = [FORK.Process(target=hammer, args=(path, worker, 1500, 2**28)) for worker in range(2)]
    for process in started:
        process.start()
    moved = []
    for number in range(8):
        time.sleep(0.02)
        if path.exists() and path.stat().st_size:
            moved.append(path.rename(path.with_name(f"audit.log.{number}")))
        late = FORK.Process(target=hammer, args=(path, 10 + number, 5, 2**28))
        late.start()
        started.append(late)
    for process in started:
        process.join()
        assert process.exitcode == 0
    assert len(moved) > 3
    assert why_broken(lines(*moved, path)) == ""
    assert sum(row["action"] == "test" for row in rows(*moved, path)) == 2 * 1500 + 8 * 5
