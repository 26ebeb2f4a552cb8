"""The breaker: what opens it, what closes it, and what it costs meanwhile; in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, TypeVar

import pytest
import structlog

from hsmgate.adapters import breaker as breakers
from hsmgate.adapters.breaker import FAILURES, IDLE_SECONDS, MOST_PROBES, Breaker, origin
from hsmgate.errors import Failure, Reason
from support.virtual_time import VirtualLoop

T = TypeVar("T")
URL = "http://responder.example/ocsp"
SILENT = Failure(Reason.OCSP_NO_ANSWER, "cannot be reached")


class Network:
    """Answers as it is told; a Failure without `hangs` comes at once."""

    def __init__(self) -> None:
        self.outcome: Failure | bytes = b"answer"
        self.always: dict[str, Failure | bytes] = {}  # by URL
        self.hangs = 0.0
        self.asked: list[tuple[float, str]] = []
        self.waiting = self.most_waiting = 0

    async def ask(self, url: str, _request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        self.asked.append((asyncio.get_running_loop().time(), url))
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await asyncio.sleep(min(self.hangs, timeout))
            outcome = self.always.get(url, self.outcome)
            if isinstance(outcome, Failure):
                raise Failure(outcome.reason, outcome.detail, outcome.evidence)
            return outcome
        finally:
            self.waiting -= 1


class Stage:
    def __init__(self, loop: VirtualLoop, timeout: float = 2.0) -> None:
        self.loop, self.network = loop, Network()
        self.logged: list[str] = []
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self._note])
        self.breaker = Breaker(self.network.ask, timeout, log)

    def _note(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.logged.append(str(event["event"]))
        raise structlog.DropEvent

    def do(self, job: Awaitable[T]) -> T:
        async def run() -> T:
            return await job

        return self.loop.run_until_complete(run())

    def ask(self, url: str = URL) -> Reason | None:
        try:
            self.do(self.breaker.ask(url, b"request", 2.0))
        except Failure as failure:
            return failure.reason
        return None

    def sleep(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    def trip(self) -> None:
        self.network.outcome = SILENT
        for _ in range(FAILURES):
            assert self.ask() is Reason.OCSP_NO_ANSWER
        assert self.breaker.open_origins == [origin(URL)]


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    opened: list[Stage] = []
    loop = VirtualLoop()

    def make(timeout: float = 2.0) -> Stage:
        opened.append(Stage(loop, timeout))
        return opened[-1]

    yield make
    for one in opened:
        one.do(one.breaker.close())
        assert one.network.waiting == 0
    loop.close()


def test_answers_pass_through(stage: Callable[..., Stage]) -> None:
    assert stage().ask() is None


def test_failures_in_a_row_open_it_and_then_nobody_waits(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.network.hangs = 2.0
    one.trip()
    asked, start = len(one.network.asked), one.loop.time()
    assert [one.ask() for _ in range(1000)] == [Reason.OCSP_NO_ANSWER] * 1000
    assert one.loop.time() == start
    assert len(one.network.asked) - asked <= 1  # a probe
    assert one.logged == ["ocsp.responder-down"]


def test_a_success_between_starts_the_count_anew(stage: Callable[..., Stage]) -> None:
    one = stage()
    for _ in range(5):
        one.network.outcome = SILENT
        assert [one.ask() for _ in range(FAILURES - 1)] == [Reason.OCSP_NO_ANSWER] * (FAILURES - 1)
        one.network.outcome = b"answer"
        assert one.ask() is None
    assert one.breaker.open_origins == []


@pytest.mark.parametrize(
    "failure",
    [
        Failure(Reason.OCSP_HTTP, "HTTP 404"),
        Failure(Reason.OCSP_NO_ANSWER, "HTTP 503", 503),
        Failure(Reason.OCSP_ADDRESS, "never asked"),
    ],
)
def test_only_transport_failures_open_it(stage: Callable[..., Stage], failure: Failure) -> None:
    one = stage()
    one.network.outcome = failure
    assert [one.ask() for _ in range(20)] == [failure.reason] * 20
    assert one.breaker.open_origins == []


@pytest.mark.parametrize("hangs", [0.0, 0.9, 100.0])
@pytest.mark.parametrize("down", [0.1, 5.0, 50.0])
def test_service_within_a_second_of_its_return(stage: Callable[..., Stage], hangs: float, down: float) -> None:
    """However it was away: refusing, or swallowing everything."""
    one = stage()
    one.network.hangs = hangs
    one.trip()
    one.sleep(down)
    assert one.ask() is Reason.OCSP_NO_ANSWER
    one.network.outcome, one.network.hangs = b"answer", 0.3
    one.sleep(1.0)
    assert one.ask() is None
    assert one.logged == ["ocsp.responder-down", "ocsp.responder-back"]


@pytest.mark.parametrize("timeout", [0.05, 2.0, 10.0, 60.0])
def test_probes_are_few(stage: Callable[..., Stage], timeout: float) -> None:
    one = stage(timeout)
    one.network.hangs = 100.0
    one.trip()
    one.network.asked.clear()
    one.sleep(30)
    assert one.network.most_waiting <= MOST_PROBES
    assert len(one.network.asked) <= 30 / breakers.LEAST_INTERVAL + 1


def test_a_bad_answer_to_a_probe_is_an_answer(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.trip()
    one.network.outcome = Failure(Reason.OCSP_HTTP, "HTTP 404")
    one.sleep(1)
    assert one.ask() is Reason.OCSP_HTTP


def test_a_responder_that_nobody_asks_for_is_left_alone(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.trip()
    one.sleep(IDLE_SECONDS + 1)
    asked = len(one.network.asked)
    one.sleep(1000)
    assert len(one.network.asked) == asked
    assert one.breaker.open_origins == []
    assert one.ask() is Reason.OCSP_NO_ANSWER  # asked itself, and open again
    assert one.breaker.open_origins == [origin(URL)]


def test_responders_are_kept_apart_by_scheme_host_and_port(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.network.always[URL] = SILENT
    one.trip()
    one.network.outcome = b"answer"
    others = ("https://responder.example/ocsp", "http://responder.example:81/ocsp", "http://other.example/ocsp")
    assert [one.ask(url) for url in others] == [None, None, None]
    assert one.ask("http://RESPONDER.example:80/other/path") is Reason.OCSP_NO_ANSWER


def test_a_url_that_does_not_parse_is_left_to_the_one_who_asks(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.network.outcome = Failure(Reason.OCSP_ADDRESS)
    assert one.ask("http://host:99999/") is Reason.OCSP_ADDRESS


def test_what_is_kept_is_bounded(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_RESPONDERS", 10)
    one = stage()
    one.network.always[URL] = SILENT
    one.trip()
    one.network.outcome = b"answer"
    for number in range(50):
        one.ask(f"http://{number}.example/")
    assert len(one.breaker._states) == 10
    assert origin(URL) in one.breaker._states
