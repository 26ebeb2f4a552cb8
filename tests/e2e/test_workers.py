"""Several processes on one port: they share what they must, die alone, are replaced, and end together."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from support.service import PATIENCE, Quick, Service, run


def several(quick: Quick, count: int = 2) -> Service:
    return quick.serve(SERVER_WORKERS=str(count))


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def pids(service: Service) -> list[int]:
    """The processes below the supervisor."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def accepted(pid: int) -> int:
    """How many connections the process holds."""
    links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).startswith("socket:") for link in links)


def test_they_share_keys_trust_and_trail_and_end_together(quick_used: Quick) -> None:
    with several(quick_used) as service:
        workers = pids(service)
        assert len(workers) == 2
        before = [accepted(pid) for pid in workers]
        clients = []
        while [accepted(pid) > held for pid, held in zip(workers, before, strict=True)] != [True, True]:
            clients.append(quick_used.client(service.port))
            assert clients[-1].labels() == ["first"]
            assert len(clients) < 200
        assert clients[0].create("second").status == 201
        for client in clients:
            assert client.labels() == ["first", "second"]
            assert client.sign("second", "aGVsbG8=").status == 200
        quick_used.truststore.write_bytes((quick_used.folder / "ca.crt").read_bytes().replace(b"\r", b""))
        until(lambda: len(re.findall(r"trust\.active", service.text())) == 2)
        assert service.stop() == 0
        assert not any(map(alive, workers))
        assert "Traceback" not in service.text()
        for client in clients:
            client.close()
    trail = quick_used.trail()
    assert [line["action"] for line in trail].count("start") == 3  # one of them before
    quick_used.verify_trail()


def test_one_that_dies_is_replaced_while_the_others_serve(quick_used: Quick) -> None:
    with several(quick_used) as service:
        victim, survivor = pids(service)
        os.kill(victim, signal.SIGKILL)
        with quick_used.client(service.port) as client:
            assert client.labels() == ["first"]
        service.await_line(r"worker\.ended .*code=-9")
        service.await_line(r"worker\.replaced")
        now = pids(service)
        assert survivor in now
        assert len(now) == 2
        assert service.stop() == 0


def test_none_outlives_its_supervisor(quick_used: Quick) -> None:
    with several(quick_used) as service:
        workers = pids(service)
        service.kill()
        until(lambda: not any(map(alive, workers)))


def test_a_worker_that_cannot_start_ends_all_with_its_one_line(quick_used: Quick) -> None:
    (quick_used.folder / "sealing.key").write_text("00" * 32 + "\n")
    done = run("serve", "--config", quick_used.config, SERVER_WORKERS="2", SERVER_PORT="0")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("hsmgate:")] == done.stderr.splitlines()[-1:]
    assert "does not hold random bytes" in done.stderr


def test_places_are_given_by_supervisors_only(quick_used: Quick) -> None:
    done = run("serve", "--config", quick_used.config, "--worker", "nonsense")
    assert done.returncode == 2
