"""What is short runs on the event loop, what is long in a worker thread."""

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from hsmgate.api.durations import SHORT, Durations
from hsmgate.api.lanes import kind_of_signature
from hsmgate.api.routes import ROUTES
from hsmgate.api.wire.operations import SignBody, SignRequest
from hsmgate.usecases.ports import Keystore
from support.api import Api


class Clocks:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.computed = self.passed = 0.0
        self.durations = Durations(lambda: self.computed, lambda: self.passed)

    def run(self, computed: float, waited: float = 0.0, kind: str = "a") -> None:
        def work() -> None:
            self.computed += computed
            self.passed += computed + waited

        self.durations.timed(kind, work)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_what_is_not_known_is_long(clocks: Clocks) -> None:
    assert not clocks.durations.are_short("a")
    clocks.run(SHORT / 10)
    assert clocks.durations.are_short("a")
    assert not clocks.durations.are_short("b")


def test_one_long_run_counts_for_many_short_ones(clocks: Clocks) -> None:
    clocks.run(SHORT / 10)
    clocks.run(0.05)
    runs = 0
    while not clocks.durations.are_short("a"):
        clocks.run(SHORT / 10)
        runs += 1
    assert 130 < runs < 200


def test_waiting_counts_little_for_a_busy_machine_and_much_for_a_slow_disk(clocks: Clocks) -> None:
    clocks.run(SHORT / 10, waited=0.01)
    assert clocks.durations.are_short("a")
    clocks.run(SHORT / 10, waited=0.2)
    assert not clocks.durations.are_short("a")


def test_what_failed_took_its_time_too(clocks: Clocks) -> None:
    def work() -> None:
        clocks.computed += 1
        raise ZeroDivisionError

    clocks.run(SHORT / 10)
    with pytest.raises(ZeroDivisionError):
        clocks.durations.timed("a", work)
    assert not clocks.durations.are_short("a")


class Where:
    """A keystore that tells in which thread it was asked for its keys, and the time that this takes."""

    def __init__(self, keystore: Keystore, spend: Callable[[], None]) -> None:
        self._keystore, self._spend = keystore, spend
        self.threads: list[int] = []

    def labels(self) -> list[str]:
        self.threads.append(threading.get_ident())
        self._spend()
        return self._keystore.labels()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keystore, name)


def _api(keystore: Keystore, executor: ThreadPoolExecutor, where: Where, *, waits_for_nobody: bool) -> Api:
    api = Api(keystore, executor)
    keys = cast("Keystore", where)
    api.app._ports = dataclasses.replace(api.ports, keystore=keys, waits_for_nobody=waits_for_nobody)
    return api


def _computes(seconds: float) -> Callable[[], None]:
    def spend() -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    return spend


@pytest.mark.parametrize(
    ("computes", "waits_for_nobody", "on_loop"), [(0.0, True, True), (0.0, False, False), (0.02, True, False)]
)
def test_where_a_request_runs(
    keystore: Keystore, executor: ThreadPoolExecutor, computes: float, waits_for_nobody: bool, on_loop: bool
) -> None:
    where = Where(keystore, _computes(computes))
    api = _api(keystore, executor, where, waits_for_nobody=waits_for_nobody)
    for _ in range(400):  # the first may take long for reasons of its own: an import
        assert api.call("GET", "/v1/key").status == 200
        if on_loop and where.threads[-1] == threading.get_ident():
            break
        if not on_loop and len(where.threads) == 5:
            break
    assert (where.threads[-1] == threading.get_ident()) == on_loop
    assert where.threads[0] != threading.get_ident()


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("SHA256_WITH_ECDSA", "SHA256_WITH_ECDSA"),
        ("EDDSA", "EDDSA"),
        ("SHA256_WITH_RSA_PSS", None),
        ("SHA256_WITH_DSA", None),
        ("BLS", "BLS"),
        ("what a client makes up", ""),
    ],
)
def test_signatures_that_a_second_core_helps_always_go_to_a_thread(algorithm: str, kind: str | None) -> None:
    body = SignBody(SignRequest(payload="", sign_key_name="a", signature_algorithm=algorithm))
    assert kind_of_signature(body) == kind


def test_what_writes_or_takes_a_turn_never_runs_on_the_loop() -> None:
    reading = {row.action for row in ROUTES if row.only_reads}
    assert reading == {
        "GET /v1/versionInfo",
        "GET /v1/licenseInfo",
        "GET /v1/generateRandom/{length}",
        "GET /v1/key",
        "POST /v1/synchronousSign",
        "POST /v1/verify",
        "POST /v1/encrypt",
        "POST /v1/synchronousDecrypt",
        "POST /v1/synchronousHmac",
        "POST /v1/wrap",
    }
