"""What a service manager is told, over the socket that it names; and that it can do no harm."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsmgate.adapters.service_manager import ServiceManager, service_manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def test_each_state_is_a_message(manager: socket.socket) -> None:
    told = service_manager({"NOTIFY_SOCKET": manager.getsockname()})
    told.ready("serves https://x\nMAINPID=1")  # a status cannot say anything else
    told.reloading(1.5)
    told.alive()
    told.stopping()
    assert [manager.recv(1000).decode().splitlines() for _ in range(4)] == [
        ["READY=1", "STATUS=serves https://xMAINPID=1"],
        ["RELOADING=1", "MONOTONIC_USEC=1500000"],
        ["WATCHDOG=1"],
        ["STOPPING=1", "STATUS=requests in flight are finished"],
    ]


def test_an_abstract_socket() -> None:
    name = f"hsmgate-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        service_manager({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert listening.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "address", ["", "@", "/", "relative", "vsock:2:1234", "/nobody/listens", "/x" * 200, "/\udcff"]
)
def test_nobody_who_listens_is_no_harm(address: str) -> None:
    service_manager({"NOTIFY_SOCKET": address}).ready("x" * 10_000)
    ServiceManager().stopping()


def test_a_manager_that_does_not_read_does_not_hold_us_up(manager: socket.socket) -> None:
    told = service_manager({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(2000):  # more than the socket keeps
        told.alive()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "-1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "9" * 5000}, 0.0),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(environ: dict[str, str], seconds: float) -> None:
    assert service_manager({"NOTIFY_SOCKET": "/x", **environ}).watchdog_seconds == seconds
    assert service_manager(environ).watchdog_seconds == 0.0
