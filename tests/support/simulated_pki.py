"""A simulated responder and clock for the freshness contract: what is true, what is said, and what was seen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp import Evidence
from hsmgate.usecases.revocation import Proof, Revocation, RevocationMemory, Settings

START = 1_800_000_000.0  # Unix seconds when the loop's clock is 0


@dataclass
class World:
    """The truth, and how the responder tells it."""

    revoked: bool = False
    up: bool = True
    latency: float = 0.05
    echoes: bool = True
    lag: float = 0.0  # answers are as old as this, and say what was true then
    valid: float = 3600.0  # nextUpdate after thisUpdate
    offset: float = 0.0  # of our wall clock
    history: list[tuple[float, bool]] = field(default_factory=lambda: [(-1e9, False)])  # (loop time, revoked)
    asked: list["Asked"] = field(default_factory=list)  # by all nodes
    events: list["Asked | Verdict"] = field(default_factory=list)  # answers and verdicts in the order they came

    def now(self) -> float:
        """Our wall clock, right or wrong."""
        return START + asyncio.get_running_loop().time() + self.offset

    def set_revoked(self, value: bool) -> None:
        self.revoked = value
        self.history.append((asyncio.get_running_loop().time(), value))

    def truth_at(self, moment: float) -> bool:
        return [value for when, value in self.history if when <= moment][-1]

    def was_good(self, start: float, end: float) -> bool:
        """Whether the certificate was not revoked at some moment of this time."""
        return not self.truth_at(start) or any(start < when <= end and not value for when, value in self.history)


@dataclass
class Asked:
    """One query: when it was sent, and how it ended."""

    begun: float
    asked_at: float  # our wall clock
    number: int  # also in the evidence
    outcome: str = ""
    this_update: float = 0.0
    nonce: bool = False


@dataclass(frozen=True)
class Verdict:
    """One request: when it came, when it was answered, and why."""

    arrived: float
    answered: float
    proof: Proof | None
    reason: Reason | None
    wall: float
    queries: int  # that its node began meanwhile


class Node:
    """One process with its own contract over a shared memory."""

    def __init__(self, world: World, memory: RevocationMemory, settings: Settings) -> None:
        self.world = world
        self.settings = settings
        self.revocation = Revocation(memory, settings, world.now)
        self.queries = 0
        self.running = 0
        self.most_running = 0

    def asker(self) -> Callable[[], Awaitable[Evidence]]:
        async def ask() -> Evidence:
            asked = self.world.asked
            record = Asked(asyncio.get_running_loop().time(), self.world.now(), len(asked))
            asked.append(record)
            self.queries += 1
            self.running += 1
            self.most_running = max(self.running, self.most_running)
            try:
                return await self._exchange(record)
            except Failure as failure:
                record.outcome = record.outcome or failure.reason.name
                raise
            finally:
                self.running -= 1
                self.world.events.append(record)

        return ask

    async def _exchange(self, record: Asked) -> Evidence:
        world, loop = self.world, asyncio.get_running_loop()
        latency, lag, echoes = world.latency, world.lag, world.echoes and not world.lag
        await asyncio.sleep(min(latency / 2, self.settings.timeout))
        if not world.up or latency > self.settings.timeout:
            await asyncio.sleep(max(0.0, record.begun + self.settings.timeout - loop.time()))
            raise Failure(Reason.OCSP_NO_ANSWER, "down")
        said_at = loop.time() - lag
        this_update = float(int(START + said_at))  # the responder's clock is right, and counts whole seconds
        revoked, valid = world.truth_at(said_at), world.valid
        await asyncio.sleep(latency / 2)
        self._check_times(this_update, this_update + valid)
        record.this_update, record.nonce = this_update, echoes
        record.outcome = "revoked" if revoked else "good"
        evidence = Evidence(
            serial="1",
            this_update=this_update,
            next_update=this_update + valid,
            produced_at=this_update,
            responder="simulated",
            digest=str(record.number),
            nonce_echoed=echoes,
        )
        if revoked:
            raise Failure(Reason.REVOKED, "the certificate is revoked", evidence)
        return evidence

    def _check_times(self, this_update: float, next_update: float) -> None:
        """As the judge of answers does."""
        now, settings = self.world.now(), self.settings
        if this_update > now + settings.skew:
            raise Failure(Reason.OCSP_TIME, "future")
        if now - settings.skew > next_update or now - this_update > settings.max_age:
            raise Failure(Reason.OCSP_STALE, "stale")

    async def request(self, question: str = "client") -> Verdict:
        arrived, before = asyncio.get_running_loop().time(), self.queries
        proof, reason = None, None
        try:
            proof = await self.revocation.check(question, self.asker(), arrived + self.settings.timeout)
        except Failure as failure:
            reason = failure.reason
        answered = asyncio.get_running_loop().time()
        verdict = Verdict(arrived, answered, proof, reason, self.world.now(), self.queries - before)
        self.world.events.append(verdict)
        return verdict
