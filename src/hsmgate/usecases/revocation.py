"""The freshness contract: who asks, who waits, what is remembered. No I/O of its own; time comes as an argument.

every-request: a request is judged on evidence from a query sent after it arrived; while one query is in flight,
later arrivals share the next. A duration: evidence is used again up to that time since it was asked for, never past
its nextUpdate or max-age, and refreshed in the background from half of it. A REVOKED is remembered until a newer
GOOD is proven. What passed is counted by the event loop's clock, which cannot be set; what answers say, by the
wall clock; where the two disagree, evidence counts as the older.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp import Evidence
from hsmgate.record import Record

MOST_QUESTIONS = 50_000  # certificates whose state is kept in memory; REVOKED is kept in the database besides
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_NET = 1.0  # seconds after which a query that does not keep its own deadline is ended
_REFRESH, _RETRY = 2, 10  # parts of the freshness: from when on to refresh, and how long to wait after a failed try
_WRITE_EVERY = 1.0  # seconds: a revoked client that asks again and again costs no more writes than this


class Remembered(Record):
    """A proven REVOKED. Times in Unix seconds."""

    asked_at: float
    this_update: float
    detail: str


class RevocationMemory(Protocol):
    """Where REVOKED is kept; shared by all nodes. Reading is from memory, at most a second old; writing blocks."""

    def recall(self, question: str) -> Remembered | None: ...

    def remember(self, question: str, revoked: Remembered) -> None:
        """Durable when it returns. Failure: CONNECTIVITY."""
        ...

    def forget(self, question: str, revoked: Remembered) -> None:
        """Forget this one and older ones, here at once; another node's newer one stays. Failure: CONNECTIVITY."""
        ...


class Settings(Record):
    """`freshness` in seconds, None for every request. `timeout` bounds one verdict as a whole."""

    freshness: float | None = None
    max_age: float = 604_800.0
    skew: float = 300.0
    timeout: float = 2.0
    allow_no_answer: bool = False


class Histogram:
    """How often a value fell below each bound of BUCKETS; the last place counts what is above all."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[next((place for place, bound in enumerate(BUCKETS) if value <= bound), len(BUCKETS))] += 1
        self.total += value


class Counts:
    """What happened, for metrics. `failures`: refused or allowed requests by Reason."""

    def __init__(self) -> None:
        self.queries = self.shared = self.hits = self.allowed = self.remembered = self.unsaved = 0
        self.own = 0  # judgements by our own PKI, without a query
        self.failures: dict[str, int] = {}
        self.latency = Histogram()  # of queries
        self.age = Histogram()  # of the evidence that let a request pass, since it was asked for

    def failed(self, reason: Reason) -> None:
        """One judgement without a GOOD."""
        self.failures[reason.name] = self.failures.get(reason.name, 0) + 1


class Proof(Record):
    """Why a certificate passes now. `age`: seconds since the evidence was asked for."""

    evidence: Evidence
    asked_at: float  # Unix seconds
    age: float


class _Answer(Record):
    evidence: Evidence
    asked_at: float  # wall clock
    begun: float  # event loop's clock


Ask = Callable[[], Awaitable[Evidence]]  # one query, judged; ends by itself within the timeout; raises Failure


class _Question:
    """One certificate: its query in flight, the last good answer, and a REVOKED that may not be written down yet."""

    def __init__(self) -> None:
        self.newest = 0  # number of the query in flight, or of the last
        self.sent = 0  # number of the last that was sent: one that has not begun yet may still be joined
        self.begun_at = 0.0  # event loop's clock
        self.task: asyncio.Task[_Answer] | None = None
        self.last: _Answer | None = None
        self.revoked: Remembered | None = None

    @property
    def running(self) -> asyncio.Task[_Answer] | None:
        return None if self.task is None or self.task.done() else self.task


class Revocation:
    """Keeps the contract for all certificates. For one event loop."""

    def __init__(self, memory: RevocationMemory, settings: Settings, now: Callable[[], float]) -> None:
        self._memory = memory
        self._settings = settings
        self._now = now
        self._questions: OrderedDict[str, _Question] = OrderedDict()
        self.counts = Counts()

    async def check(self, question: str, ask: Ask, deadline: float, *, reuse: bool = True) -> Proof | None:
        """Return for a certificate that may pass now, with its evidence (None: allowed without any answer).

        `question`: identifies the certificate; `deadline`: of the event loop's clock; `reuse`: whether evidence
        that was asked for earlier will do, as far as the freshness allows. Failure: REVOKED, STATUS_UNKNOWN, OCSP_*.
        """
        state = self._state(question)
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._answer(question, state, ask, reuse=reuse)
        except Failure as failure:
            self._refuse(question, state, failure)
            return None
        except TimeoutError:
            late = Failure(Reason.OCSP_NO_ANSWER, f"no verdict within {self._settings.timeout:g} s")
            self._refuse(question, state, late)
            return None
        remembered = self._recall(question, state)
        if remembered is not None:  # another node learnt it meanwhile
            self._refuse(question, state, Failure(Reason.REVOKED, remembered.detail))
        age = self._age(answer)
        self.counts.age.observe(age)
        return Proof(evidence=answer.evidence, asked_at=answer.asked_at, age=age)

    async def close(self) -> None:
        """End all queries."""
        tasks = [state.task for state in self._questions.values() if state.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _refuse(self, question: str, state: _Question, failure: Failure) -> None:
        """No GOOD: what is remembered comes first, then the failure, then what the operator allows."""
        remembered = self._recall(question, state)
        if remembered is not None and failure.reason is not Reason.REVOKED:
            self.counts.remembered += 1
            why = f"{remembered.detail}; that is remembered, and since then: {failure}"
            failure = Failure(Reason.REVOKED, why)
        self.counts.failed(failure.reason)
        if failure.reason is Reason.OCSP_NO_ANSWER and self._settings.allow_no_answer:
            self.counts.allowed += 1
            return
        raise Failure(failure.reason, failure.detail, failure.evidence)  # many wait for one query: each its own

    # who asks
    async def _answer(self, question: str, state: _Question, ask: Ask, *, reuse: bool) -> _Answer:
        before = state.sent  # what is sent by now was asked before this request arrived
        reuse = reuse and self._settings.freshness is not None
        if reuse and self._recall(question, state) is None and state.last is not None and self._holds(state.last):
            self.counts.hits += 1
            self._refresh(question, state, state.last, ask)
            return state.last
        asked = False
        while True:
            running = state.running
            if running is None:
                running, asked = self._begin(question, state, ask), True
            number = state.newest
            if number <= before and not reuse:
                await asyncio.wait([running])  # too early for us, whatever comes of it
                continue
            if not asked:
                self.counts.shared += 1
            answer = await asyncio.shield(running)
            if number > before or self._holds(answer):
                return answer

    def _begin(self, question: str, state: _Question, ask: Ask) -> asyncio.Task[_Answer]:
        self.counts.queries += 1
        state.newest += 1
        state.begun_at = asyncio.get_running_loop().time()
        state.task = asyncio.create_task(self._query(question, state, ask, state.begun_at))
        state.task.add_done_callback(_look)
        return state.task

    def _refresh(self, question: str, state: _Question, held: _Answer, ask: Ask) -> None:
        fresh = self._settings.freshness or 0.0
        tried = asyncio.get_running_loop().time() - state.begun_at
        if state.running is None and self._age(held) >= fresh / _REFRESH and tried >= fresh / _RETRY:
            self._begin(question, state, ask)

    def _age(self, answer: _Answer) -> float:
        return max(asyncio.get_running_loop().time() - answer.begun, self._now() - answer.asked_at)

    def _holds(self, answer: _Answer) -> bool:
        """Whether an answer asked for before a request arrived will do for it."""
        now, evidence, settings = self._now(), answer.evidence, self._settings
        return (
            self._age(answer) <= (settings.freshness or 0.0)
            and evidence.this_update <= now + settings.skew
            and now - evidence.this_update <= settings.max_age
            and (evidence.next_update is None or now <= evidence.next_update)
        )

    async def _query(self, question: str, state: _Question, ask: Ask, begun: float) -> _Answer:
        state.sent = state.newest
        asked_at = self._now()
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self._settings.timeout + _NET):
                evidence = await ask()
            await self._release(question, state, asked_at, evidence)
        except TimeoutError:
            raise Failure(Reason.OCSP_NO_ANSWER, f"no answer within {self._settings.timeout:g} s") from None
        except Failure as failure:
            if failure.reason is not Reason.OCSP_NO_ANSWER:
                state.last = None
            if failure.reason is Reason.REVOKED and isinstance(failure.evidence, Evidence):
                this_update = failure.evidence.this_update
                revoked = Remembered(asked_at=asked_at, this_update=this_update, detail=failure.detail)
                await self._remember(question, state, revoked)
            raise
        finally:
            self.counts.latency.observe(clock() - begun)
        state.last = _Answer(evidence=evidence, asked_at=asked_at, begun=begun)
        return state.last

    # what is remembered
    def _recall(self, question: str, state: _Question) -> Remembered | None:
        """The REVOKED of the database and that of this process; of two, what is newer in either."""
        written = self._memory.recall(question)
        if written is None or state.revoked is None or written == state.revoked:
            return written or state.revoked
        return _newest(written, state.revoked)

    async def _remember(self, question: str, state: _Question, revoked: Remembered) -> None:
        """Counts here at once, even while the database is slow or away."""
        known = self._recall(question, state)
        if known is not None:
            written = self._memory.recall(question) == known
            if written and revoked.asked_at <= known.asked_at and revoked.this_update <= known.this_update:
                return
            revoked = _newest(revoked, known)
            if 0 < revoked.asked_at - known.asked_at < _WRITE_EVERY:  # covers what is learnt until then: one write
                revoked = msgspec.structs.replace(revoked, asked_at=known.asked_at + _WRITE_EVERY)
        state.revoked = revoked
        try:
            await asyncio.to_thread(self._memory.remember, question, revoked)
        except Failure:
            self.counts.unsaved += 1

    async def _release(self, question: str, state: _Question, asked_at: float, evidence: Evidence) -> None:
        """A GOOD ends a remembered REVOKED only where it is proven to be newer. Failure: REVOKED, CONNECTIVITY."""
        remembered = self._recall(question, state)
        if remembered is None:
            return
        newer = evidence.this_update > remembered.this_update
        live = evidence.this_update == remembered.this_update and evidence.nonce_echoed
        if asked_at <= remembered.asked_at or not (newer or live):
            self.counts.remembered += 1
            raise Failure(Reason.REVOKED, f"{remembered.detail}; the good answer that came now is not newer than that")
        if self._memory.recall(question) is not None:
            await asyncio.to_thread(self._memory.forget, question, remembered)
        if state.revoked is not None and state.revoked.asked_at <= remembered.asked_at:
            state.revoked = None

    def _state(self, question: str) -> _Question:
        state = self._questions.get(question)
        if state is None:
            state = self._questions[question] = _Question()
            if len(self._questions) > MOST_QUESTIONS:
                self._questions.popitem(last=False)
        else:
            self._questions.move_to_end(question)
        return state


def _newest(one: Remembered, other: Remembered) -> Remembered:
    asked_at, this_update = max(one.asked_at, other.asked_at), max(one.this_update, other.this_update)
    return Remembered(asked_at=asked_at, this_update=this_update, detail=one.detail)


def _look(task: asyncio.Task[_Answer]) -> None:
    """A query whose waiters are all gone may fail unseen, but not for a reason that nobody foresaw."""
    if not task.cancelled() and not isinstance(error := task.exception(), Failure | None):
        task.get_loop().call_exception_handler({"message": "an OCSP query failed", "exception": error, "task": task})
