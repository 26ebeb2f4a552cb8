"""The freshness contract, case by case, in simulated time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp import Evidence
from hsmgate.usecases import revocation
from hsmgate.usecases.revocation import Histogram, Remembered, Settings
from support.ocsp_gate import Memory
from support.simulated_pki import START, Node, World
from support.virtual_time import VirtualLoop

T = TypeVar("T")
Sim = Callable[[Awaitable[T]], T]
EVERY, BOUNDED = None, 30.0


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    opened = VirtualLoop()
    yield opened
    opened.close()


class Stage:
    """A world with nodes over one memory."""

    def __init__(self, loop: VirtualLoop, freshness: float | None, **settings: Any) -> None:
        self.loop = loop
        self.world, self.memory = World(), Memory()
        self.settings = Settings(freshness=freshness, **settings)
        self.node = Node(self.world, self.memory, self.settings)

    def another(self) -> Node:
        return Node(self.world, self.memory, self.settings)

    def do(self, job: Awaitable[T]) -> T:
        async def run() -> T:
            return await job

        return self.loop.run_until_complete(run())

    def sleep(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    def ask(self, node: Node | None = None) -> Reason | None:
        """One request: the reason why it was refused, None for one that passed."""
        return self.do((node or self.node).request()).reason

    def revoke(self, value: bool = True) -> None:
        async def change() -> None:
            self.world.set_revoked(value)

        self.do(change())


async def at_once(node: Node, count: int) -> list[Reason | None]:
    return [verdict.reason for verdict in await asyncio.gather(*(node.request() for _ in range(count)))]


# who asks, who waits
@pytest.mark.parametrize(("freshness", "most"), [(EVERY, 2), (BOUNDED, 1)])
def test_two_hundred_at_once_share(loop: VirtualLoop, freshness: float | None, most: int) -> None:
    stage = Stage(loop, freshness)
    stage.world.latency = 0.5
    assert stage.do(at_once(stage.node, 200)) == [None] * 200
    assert stage.node.queries <= most
    counts = stage.node.revocation.counts
    assert counts.queries + counts.shared == 200


@pytest.mark.parametrize(("freshness", "most"), [(EVERY, 2), (BOUNDED, 1)])
def test_two_hundred_within_a_query_share(loop: VirtualLoop, freshness: float | None, most: int) -> None:
    stage = Stage(loop, freshness)
    stage.world.latency = 0.5

    async def arrive() -> list[Reason | None]:
        tasks = []
        for _ in range(200):
            tasks.append(asyncio.create_task(stage.node.request()))
            await asyncio.sleep(0.002)
        return [verdict.reason for verdict in await asyncio.gather(*tasks)]

    assert stage.do(arrive()) == [None] * 200
    assert stage.node.queries <= most


def test_who_arrives_while_a_query_is_in_flight_is_judged_on_the_next(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.world.latency = 0.5

    async def story() -> tuple[Reason | None, Reason | None]:
        first = asyncio.create_task(stage.node.request())
        await asyncio.sleep(0.3)  # the responder has said good by now
        stage.world.set_revoked(True)
        second = asyncio.create_task(stage.node.request())
        return (await first).reason, (await second).reason

    assert stage.do(story()) == (None, Reason.REVOKED)
    assert stage.node.queries == 2


def test_evidence_is_used_again_within_the_bound_and_not_after(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    assert stage.ask() is None
    stage.revoke()
    stage.sleep(14)
    assert stage.ask() is None
    assert (stage.node.queries, stage.node.revocation.counts.hits) == (1, 1)
    stage.sleep(16)
    assert stage.ask() is Reason.REVOKED


def test_a_revocation_is_seen_at_half_of_the_bound_where_requests_come(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    assert stage.ask() is None
    stage.revoke()
    stage.sleep(15.5)
    assert stage.ask() is None  # starts the refresh
    stage.sleep(1)
    assert stage.ask() is Reason.REVOKED


def test_a_refresh_that_fails_is_not_tried_again_at_every_request(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    assert stage.ask() is None
    stage.world.up = False
    stage.sleep(16)
    for _ in range(100):
        assert stage.ask() is None
        stage.sleep(0.1)
    assert stage.node.queries <= 1 + 4  # 10 s, one try each 3 s
    stage.sleep(10)
    assert stage.ask() is Reason.OCSP_NO_ANSWER


def test_a_query_slower_than_the_bound_is_not_shared_backwards(loop: VirtualLoop) -> None:
    stage = Stage(loop, 0.1)
    stage.world.latency = 0.5

    async def story() -> tuple[Reason | None, Reason | None]:
        first = asyncio.create_task(stage.node.request())
        await asyncio.sleep(0.3)
        stage.world.set_revoked(True)
        second = asyncio.create_task(stage.node.request())
        return (await first).reason, (await second).reason

    assert stage.do(story()) == (None, Reason.REVOKED)


@pytest.mark.parametrize("jump", [-3600.0, -29.0, -1.0, 1.0, 29.0, 3600.0])
def test_a_clock_that_jumps_does_not_stretch_the_bound(loop: VirtualLoop, jump: float) -> None:
    stage = Stage(loop, BOUNDED, skew=7200.0)
    assert stage.ask() is None
    stage.revoke()
    stage.sleep(31)
    stage.world.offset = jump
    assert stage.ask() is Reason.REVOKED


def test_next_update_and_max_age_end_evidence_before_the_bound(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    stage.world.valid = 5.0
    assert stage.ask() is None
    stage.sleep(7)
    stage.revoke()
    assert stage.ask() is Reason.REVOKED
    other = Stage(loop, BOUNDED, max_age=10.0)
    other.world.lag = 6.0
    assert other.ask() is None
    other.sleep(6)
    assert other.ask() is None
    assert other.node.queries == 2


def test_an_answer_that_is_not_good_ends_what_was_held(loop: VirtualLoop) -> None:
    """Every failure but no answer at all says something about now."""
    stage = Stage(loop, BOUNDED)
    said: list[Reason | None] = [None, Reason.STATUS_UNKNOWN, Reason.OCSP_NO_ANSWER]
    good = stage.do(stage.node.request()).proof
    assert good is not None

    async def ask() -> Evidence:
        reason = said.pop(0)
        if reason is not None:
            raise Failure(reason)
        return good.evidence

    async def request() -> Reason | None:
        try:
            await stage.node.revocation.check("other", ask, asyncio.get_running_loop().time() + 2)
        except Failure as failure:
            return failure.reason
        return None

    assert stage.do(request()) is None
    stage.sleep(16)
    assert stage.do(request()) is None  # held, and refreshed behind it
    stage.sleep(1)
    assert stage.do(request()) is Reason.OCSP_NO_ANSWER  # the held one was dropped


def test_evidence_that_must_be_new_is_not_taken_from_before(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    check = stage.node.revocation.check

    async def twice() -> None:
        for _ in range(2):
            await check("client", stage.node.asker(), asyncio.get_running_loop().time() + 2, reuse=False)

    stage.do(twice())
    assert stage.node.queries == 2


# what is remembered
@pytest.mark.parametrize("freshness", [EVERY, BOUNDED])
@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("restart", [False, True])
def test_a_revoked_client_is_refused_throughout_an_outage(
    loop: VirtualLoop, freshness: float | None, allow: bool, restart: bool
) -> None:
    stage = Stage(loop, freshness, allow_no_answer=allow, timeout=0.01)
    stage.world.latency = 0.001
    stage.revoke()
    assert stage.ask() is Reason.REVOKED
    stage.world.up = False
    node = stage.another() if restart else stage.node

    async def many() -> set[Reason | None]:
        return {(await node.request()).reason for _ in range(10_000)}

    assert stage.do(many()) == {Reason.REVOKED}
    assert node.revocation.counts.remembered == 10_000


def test_allow_lets_in_without_an_answer_and_nothing_else(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY, allow_no_answer=True)
    stage.world.up = False
    verdict = stage.do(stage.node.request())
    assert (verdict.reason, verdict.proof) == (None, None)
    assert stage.node.revocation.counts.allowed == 1
    stage.world.up, stage.world.lag = True, 1e7  # an answer, but a stale one
    assert stage.ask() is Reason.OCSP_STALE


def test_deny_refuses_within_the_deadline(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.world.up = False
    verdict = stage.do(stage.node.request())
    assert verdict.reason is Reason.OCSP_NO_ANSWER
    assert verdict.answered - verdict.arrived <= 2.0


def test_a_query_that_never_ends_is_ended(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)

    async def forever() -> Evidence:
        await asyncio.sleep(1e9)
        raise AssertionError

    async def request() -> None:
        await stage.node.revocation.check("stuck", forever, asyncio.get_running_loop().time() + 2)

    with pytest.raises(Failure, match="no verdict within 2 s"):
        stage.do(request())
    stage.sleep(2)
    assert stage.ask() is None  # another certificate
    with pytest.raises(Failure, match="no verdict within 2 s"):
        stage.do(request())
    assert stage.node.revocation.counts.queries == 3


@pytest.mark.parametrize(
    ("lag", "echoes", "wait", "ends"),
    [
        (0.0, True, 5.0, True),  # newer
        (0.0, False, 5.0, True),
        (5.0, True, 5.0, False),  # as old as the revocation, no nonce: could be played back
        (600.0, False, 5.0, False),  # older
        (0.0, True, 0.2, True),  # within the same second, but live
        (0.0, False, 0.2, False),
    ],
)
def test_only_a_newer_good_ends_a_revocation(
    loop: VirtualLoop, lag: float, echoes: bool, wait: float, ends: bool
) -> None:
    stage = Stage(loop, EVERY)
    stage.world.latency = 0.001
    stage.sleep(1000.1)
    stage.revoke()
    assert stage.ask() is Reason.REVOKED
    stage.revoke(value=False)
    if lag:
        stage.world.history = [(-1e9, False)]  # what was said before it was revoked
    stage.sleep(wait)
    stage.world.lag, stage.world.echoes = lag, echoes
    assert stage.ask() is (None if ends else Reason.REVOKED)
    assert bool(stage.memory.rows) is not ends


def test_a_good_that_was_asked_for_earlier_ends_nothing(loop: VirtualLoop) -> None:
    """Another node learns of the revocation while our query is in flight."""
    stage = Stage(loop, EVERY)
    stage.world.latency = 1.0
    other = stage.another()

    async def story() -> tuple[Reason | None, Reason | None]:
        slow = asyncio.create_task(stage.node.request())
        await asyncio.sleep(0.6)
        stage.world.set_revoked(True)
        stage.world.latency = 0.1
        return (await other.request()).reason, (await slow).reason

    assert stage.do(story()) == (Reason.REVOKED, Reason.REVOKED)


def test_what_another_node_learns_after_our_answer_counts(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    assert stage.ask() is None
    stage.revoke()
    assert stage.ask(stage.another()) is Reason.REVOKED
    assert stage.ask() is Reason.REVOKED


def test_what_is_held_does_not_stand_in_the_way_of_a_newer_good(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    assert stage.ask() is None
    stage.revoke()
    assert stage.ask(stage.another()) is Reason.REVOKED
    stage.revoke(value=False)
    stage.sleep(3)
    assert stage.ask() is None


class Recalling(Memory):
    """Knows something new from the second reading on."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0

    def recall(self, question: str) -> Remembered | None:
        self.readings += 1
        return Remembered(START, START, "revoked") if self.readings > 1 else None


def test_what_another_node_learns_between_answer_and_release_counts(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    node = Node(stage.world, Recalling(), stage.settings)
    assert stage.ask(node) is Reason.REVOKED


def test_two_revocations_are_as_new_as_the_newer_in_each_way(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.sleep(1000)
    stage.memory.rows["client"] = Remembered(START + 900, START + 990, "the certificate is revoked")
    stage.world.lag = 100.0
    stage.revoke()
    stage.world.history = [(-1e9, True)]
    assert stage.ask() is Reason.REVOKED
    kept = stage.memory.rows["client"]
    assert kept.asked_at >= START + 1000
    assert kept.this_update == START + 990


def test_a_revoked_client_that_insists_costs_one_write_a_second(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.world.latency, writes = 0.01, 0
    keep = stage.memory.remember

    def remember(question: str, revoked: Remembered) -> None:
        nonlocal writes
        writes += 1
        keep(question, revoked)

    stage.memory.remember = remember  # type: ignore[method-assign]
    stage.revoke()
    for _ in range(500):
        assert stage.ask() is Reason.REVOKED
    assert 5 <= writes <= 12  # five seconds; thisUpdate changes each second


def test_an_old_revoked_learnt_while_writes_are_saved_still_outlives_a_good_asked_for_no_later(
    loop: VirtualLoop,
) -> None:
    stage = Stage(loop, EVERY)
    other = stage.another()
    stage.sleep(10)
    stage.revoke()
    assert stage.ask() is Reason.REVOKED
    stage.revoke(value=False)

    async def both() -> tuple[Reason | None, Reason | None]:
        first = asyncio.create_task(other.request())  # good, echoed, of the same second; it takes longer
        await asyncio.sleep(0.01)
        stage.world.latency, stage.world.lag = 0.001, 5.0  # from here on it tells what was true five seconds ago
        stage.world.history = [(-1e9, True), (asyncio.get_running_loop().time(), False)]
        late = await stage.node.request()
        return late.reason, (await first).reason

    assert stage.do(both()) == (Reason.REVOKED, Reason.REVOKED)
    stage.sleep(2)
    stage.world.lag = 0.0
    assert stage.ask() is None


class Away(Memory):
    """A database that cannot be written."""

    def remember(self, question: str, revoked: Remembered) -> None:
        raise Failure(Reason.CONNECTIVITY, "away")

    def forget(self, question: str, revoked: Remembered) -> None:
        raise Failure(Reason.CONNECTIVITY, "away")


def test_a_revocation_counts_although_it_cannot_be_written(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY, allow_no_answer=True)
    node = Node(stage.world, Away(), stage.settings)
    stage.revoke()
    assert stage.ask(node) is Reason.REVOKED
    stage.world.up = False
    assert stage.ask(node) is Reason.REVOKED
    assert node.revocation.counts.unsaved == 1
    stage.world.up = True
    stage.revoke(value=False)
    stage.sleep(2)
    assert stage.ask(node) is None


def test_a_revocation_that_cannot_be_ended_in_the_database_stays(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    away = Away()
    away.rows["client"] = Remembered(START - 10, START - 10, "the certificate is revoked")
    assert stage.ask(Node(stage.world, away, stage.settings)) is Reason.REVOKED


# what must not go wrong
def test_a_client_that_leaves_does_not_end_the_query_of_others(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.world.latency = 0.5

    async def story() -> Reason | None:
        first, second = asyncio.create_task(stage.node.request()), asyncio.create_task(stage.node.request())
        await asyncio.sleep(0.1)
        first.cancel()
        return (await second).reason

    assert stage.do(story()) is None
    assert stage.node.queries == 1


def test_an_unforeseen_error_reaches_every_waiter_and_the_log_and_passes_nobody(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context))

    async def broken() -> Evidence:
        await asyncio.sleep(0.1)
        raise ZeroDivisionError

    async def story() -> list[Any]:
        deadline = asyncio.get_running_loop().time() + 2
        checks = [stage.node.revocation.check("broken", broken, deadline) for _ in range(3)]
        return list(await asyncio.gather(*checks, return_exceptions=True))

    assert [type(one) for one in stage.do(story())] == [ZeroDivisionError] * 3
    assert len(told) == 1
    assert isinstance(told[0]["exception"], ZeroDivisionError)


def test_waiters_get_a_failure_of_their_own(loop: VirtualLoop) -> None:
    stage = Stage(loop, EVERY)
    stage.world.up = False

    async def story() -> list[Any]:
        deadline = asyncio.get_running_loop().time() + 9
        checks = [stage.node.revocation.check("client", stage.node.asker(), deadline) for _ in range(3)]
        return list(await asyncio.gather(*checks, return_exceptions=True))

    assert len({id(failure) for failure in stage.do(story())}) == 3


def test_what_is_kept_is_bounded(loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MOST_QUESTIONS", 10)
    stage = Stage(loop, BOUNDED)

    async def many() -> None:
        for number in range(50):
            await stage.node.request(f"client {number}")

    stage.do(many())
    assert len(stage.node.revocation._questions) == 10


def test_close_ends_what_is_in_flight(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    stage.world.latency = 1.0

    async def story() -> None:
        task = asyncio.create_task(stage.node.request())
        await asyncio.sleep(0.1)
        await stage.node.revocation.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    stage.do(story())
    assert stage.node.running == 0


def test_counts(loop: VirtualLoop) -> None:
    stage = Stage(loop, BOUNDED)
    stage.do(at_once(stage.node, 3))
    stage.sleep(5)
    stage.ask()
    stage.revoke()
    stage.sleep(40)
    stage.ask()
    counts = stage.node.revocation.counts
    assert (counts.queries, counts.shared, counts.hits, counts.allowed) == (2, 2, 1, 0)
    assert counts.failures == {"REVOKED": 1}
    assert sum(counts.latency.counts) == 2
    assert counts.latency.total == pytest.approx(0.1)
    assert sum(counts.age.counts) == 4
    assert counts.age.total == pytest.approx(5.0 + 0.05 * 4)


def test_histogram() -> None:
    histogram = Histogram()
    for value in (0.0005, 0.001, 0.0011, 60.0, 61.0):
        histogram.observe(value)
    assert histogram.counts[:2] == [2, 1]
    assert histogram.counts[-2:] == [1, 1]
    assert histogram.total == pytest.approx(121.0026)
