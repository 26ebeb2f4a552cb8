"""The freshness contract as a model: whatever happens, in whatever order and with whatever clock, it holds."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hsmgate.usecases.revocation import Settings
from support.ocsp_gate import Memory
from support.simulated_pki import Asked, Node, Verdict, World
from support.virtual_time import VirtualLoop

T = TypeVar("T")
TIMEOUT, FRESH, MAX_AGE, SKEW = 2.0, 30.0, 900.0, 300.0
TICK = 1e-6
durations = st.sampled_from([0.01, 0.4, 1.0, 3.0, 14.0, 16.0, 31.0])
jumps = st.sampled_from([-7200.0, -600.0, -20.0, -1.0, 1.0, 20.0, 600.0, 7200.0])


class Contract(RuleBasedStateMachine):
    """Two nodes share a memory; requests come at any time, the responder does what it likes, clocks jump."""

    freshness: float | None = None
    allow = False

    @initialize()
    def begin(self) -> None:
        self.loop = VirtualLoop()
        self.world, self.memory = World(), Memory()
        self.settings = Settings(
            freshness=self.freshness, max_age=MAX_AGE, skew=SKEW, timeout=TIMEOUT, allow_no_answer=self.allow
        )
        self.nodes = [self.node(), self.node()]
        self.waiting: list[tuple[int, asyncio.Task[Verdict]]] = []
        self.live = True  # no answer was ever older than its query
        self.jumped = False
        self.bar: Asked | None = None  # the newest REVOKED that no newer GOOD has ended

    def node(self) -> Node:
        return Node(self.world, self.memory, self.settings)

    def do(self, job: Awaitable[T]) -> T:
        async def run() -> T:
            return await job

        return self.loop.run_until_complete(run())

    # what may happen
    @rule(which=st.integers(0, 1), count=st.integers(1, 5))
    def requests_arrive(self, which: int, count: int) -> None:
        async def send() -> None:
            self.waiting += [(which, asyncio.create_task(self.nodes[which].request())) for _ in range(count)]
            await asyncio.sleep(0)

        self.do(send())

    @rule(which=st.integers(0, 1), seconds=durations)
    def a_request_is_answered(self, which: int, seconds: float) -> None:
        self.do(self.nodes[which].request())
        self.do(asyncio.sleep(seconds))

    @rule(seconds=durations)
    def time_goes_on(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @rule(seconds=jumps)
    def our_clock_jumps(self, seconds: float) -> None:
        self.world.offset += seconds
        self.jumped = True

    @rule(revoked=st.booleans())
    def status_changes(self, revoked: bool) -> None:
        async def change() -> None:
            self.world.set_revoked(revoked)

        self.do(change())

    @rule(up=st.sampled_from([True, True, False]), latency=st.sampled_from([0.001, 0.3, 1.5, 5.0]))
    def responder_changes(self, up: bool, latency: float) -> None:
        self.world.up, self.world.latency = up, latency

    @rule(lag=st.sampled_from([0.0, 10.0, 600.0, 895.0]), echoes=st.booleans(), valid=st.sampled_from([5.0, 3600.0]))
    def answers_change(self, lag: float, echoes: bool, valid: float) -> None:
        self.world.lag, self.world.echoes, self.world.valid = lag, echoes, valid
        self.live = self.live and not lag

    @precondition(lambda self: bool(self.waiting))
    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        _, task = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        task.cancel()
        self.do(asyncio.wait([task]))

    @rule(which=st.integers(0, 1))
    def a_node_restarts(self, which: int) -> None:
        self.end(which)
        self.nodes[which] = self.node()

    def end(self, which: int) -> None:
        """The process goes, and with it those that wait there."""
        tasks = [task for number, task in self.waiting if number == which]
        for task in tasks:
            task.cancel()

        async def wait() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)

        self.do(wait())
        self.do(self.nodes[which].revocation.close())
        self.do(asyncio.sleep(0))
        self.waiting = [one for one in self.waiting if one[0] != which]

    @rule(which=st.integers(0, 1))
    def everything_is_good(self, which: int) -> None:
        world = self.world
        self.do(self.now_good())
        world.up, world.latency, world.lag, world.echoes, world.valid = True, 0.05, 0.0, True, 3600.0
        self.do(asyncio.sleep(3.0))
        self.do(self.nodes[which].request())

    async def now_good(self) -> None:
        self.world.set_revoked(False)

    @precondition(lambda self: not self.jumped)
    @rule(which=st.integers(0, 1))
    def all_is_well(self, which: int) -> None:
        """With a responder that works, what is true is what counts, as soon as the contract says."""
        world = self.world
        world.up, world.latency, world.lag, world.echoes, world.valid = True, 0.05, 0.0, True, 3600.0
        self.do(asyncio.sleep((self.freshness or 0.0) + TIMEOUT + 4.0))
        verdict = self.do(self.nodes[which].request())
        assert (verdict.proof is None) == world.revoked

    # what must hold
    @invariant()
    def the_contract_holds(self) -> None:
        if not hasattr(self, "loop"):
            return
        assert all(node.most_running <= 1 for node in self.nodes)
        events, self.world.events = self.world.events, []
        for event in events:
            if isinstance(event, Asked):
                self.learn(event)
            else:
                self.judge(event)
        for _, task in self.waiting:
            assert not task.done() or task.exception() is None, "one client's leaving ended another's request"
        self.waiting = [one for one in self.waiting if not one[1].done()]

    def learn(self, asked: Asked) -> None:
        """A REVOKED counts from when it is known until a GOOD that was asked for later and says something newer."""
        bar = self.bar
        if asked.outcome == "revoked":
            if bar is not None:
                asked.asked_at = max(asked.asked_at, bar.asked_at)
                asked.this_update = max(asked.this_update, bar.this_update)
            self.bar = asked
        elif asked.outcome == "good" and bar is not None and asked.asked_at > bar.asked_at:
            newer = asked.this_update > bar.this_update
            if newer or (asked.this_update == bar.this_update and asked.nonce):
                self.bar = None

    def judge(self, verdict: Verdict) -> None:
        assert verdict.answered <= verdict.arrived + TIMEOUT + TICK
        assert verdict.queries <= 2
        if verdict.reason is not None:
            late = verdict.answered >= verdict.arrived + TIMEOUT - TICK
            assert verdict.queries or self.freshness is not None or late, "refused for what was asked before it came"
            return
        assert self.bar is None, "let in beside a REVOKED that nothing has ended"
        if verdict.proof is None:
            assert self.allow
            return
        evidence = verdict.proof.evidence
        asked = self.world.asked[int(evidence.digest)]
        age = verdict.answered - asked.begun
        assert asked.outcome == "good"
        assert abs(verdict.proof.age - age) <= TICK or self.jumped
        if asked.begun < verdict.arrived:
            assert self.freshness is not None, "judged on evidence asked for before it arrived"
            assert age <= self.freshness + TICK
            assert verdict.wall <= (evidence.next_update or verdict.wall)
            assert verdict.wall - evidence.this_update <= MAX_AGE
        if self.live:
            assert self.world.was_good(asked.begun, verdict.answered)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.end(0)
            self.end(1)
            self.loop.close()


class Bounded(Contract):
    freshness = FRESH


class Allowing(Contract):
    allow = True


class BoundedAllowing(Bounded):
    allow = True


MACHINES = [Contract, Bounded, Allowing, BoundedAllowing]


def run(machine: type[Contract], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.too_slow],
            database=None,
        ),
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_contract(machine: type[Contract]) -> None:
    run(machine, examples=60, steps=30)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("machine", MACHINES)
def test_contract_for_long(machine: type[Contract]) -> None:
    run(machine, examples=3000, steps=80)
