"""From the octets of a request to those of the response: live, or out of what was signed and still says the truth."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import Issued
from hsmgate.pki.ocsp_request import Asked, Question, parse
from hsmgate.pki.ocsp_response import REFUSALS
from hsmgate.pki.responder import Policy, Signer, Times, answer, identity, respond, told
from hsmgate.responder.registry import Registry, Served
from hsmgate.usecases.revocation import Histogram

MOST_CACHED = 20_000  # responses, of some 500 octets each with an EC delegate
_LAST_MINUTE = 60.0
_REFUSED = {Reason.OCSP_MALFORMED: "malformedRequest", Reason.NOT_ALLOWED: "unauthorized"}  # others: tryLater


@dataclass(frozen=True)
class Reply:
    """A response. `status` counts it: good | revoked | unknown | several, or the name of a refusal.

    `fresh_until`: as long as it may be used again, None: not at all. Unix seconds.
    """

    body: bytes
    status: str
    signed_at: float = 0.0
    fresh_until: float | None = None

    @property
    def etag(self) -> str:
        """Changes with every octet."""
        return f'"{sha256(self.body).hexdigest()}"'


@dataclass(frozen=True)
class _Signed:
    reply: Reply
    issued: Issued
    times: Times
    signer: Signer
    renew_at: float

    def holds(self, issued: Issued, times: Times, signer: Signer, now: float) -> bool:
        """Whether it is what would be said now, too."""
        same = self.issued == issued and self.signer is signer
        moved = times.next_update is not None and times != self.times  # a new CRL
        return same and not moved and self.reply.signed_at <= now < self.renew_at


class Answers:
    """Blocks on the source and the key; safe for threads. `now`: Unix seconds."""

    def __init__(self, registry: Registry, policy: Policy, now: Callable[[], float], log: Any) -> None:  # noqa: ANN401
        self._registry, self._policy, self._now = registry, policy, now
        self.log = log
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, bytes], _Signed] = OrderedDict()
        self.counts: Counter[str] = Counter()
        self.hits = 0
        self.latency = Histogram()

    def live(self, request: bytes) -> Reply:
        """A response that is signed now."""
        return self._counted(request, reuse=False)

    def kept(self, request: bytes) -> Reply:
        """The same octets as before, as long as they are fresh and the status is still the one that they tell."""
        return self._counted(request, reuse=True)

    def sign_ahead(self, served: Served, question: Question) -> None:
        """Keep an answer that is fresh, before anybody asks. Failure: CONNECTIVITY, or as the signer says."""
        now = self._now()
        self._one(served, question, served.signers.current(), _times(served, now), now)

    def refused(self, name: str) -> Reply:
        """One that nobody signs, counted."""
        self.counts[name] += 1
        return Reply(REFUSALS[name], name)

    def _counted(self, request: bytes, *, reuse: bool) -> Reply:
        try:
            reply = self._reply(request, reuse=reuse)
        except Failure as failure:
            return self._refusal(failure)
        except Exception:
            self.log.exception("responder.failed", exc_info=True)
            return self.refused("internalError")
        self.counts[reply.status] += 1
        return reply

    def _refusal(self, failure: Failure) -> Reply:
        name = _REFUSED.get(failure.reason, "tryLater")
        if name == "tryLater":
            self.log.error("responder.unanswered", reason=failure.reason.name, detail=str(failure))
        return self.refused(name)

    def _reply(self, request: bytes, *, reuse: bool) -> Reply:
        asked = parse(request)
        served = self._served(asked)
        now = self._now()
        signer = served.signers.current()
        times = _times(served, now)
        if reuse and asked.nonce is None and len(asked.questions) == 1:
            reply = self._one(served, asked.questions[0], signer, times, now)
            self.hits += reply.signed_at < now
            return reply
        answers = [
            answer(question, served.statuses.find(question.serial), times, self._policy, now)
            for question in asked.questions
        ]
        status = answers[0].status if len(answers) == 1 else "several"
        return Reply(respond(answers, signer, now, asked.nonce), status, now)

    def _served(self, asked: Asked) -> Served:
        """The one authority that is asked about: one signer speaks for one. Failure: NOT_ALLOWED."""
        wanted = {identity(question) for question in asked.questions}
        found = {id(served): served for name in wanted if (served := self._registry.find(name)) is not None}
        missing = any(self._registry.find(name) is None for name in wanted)
        if missing or len(found) != 1:
            raise Failure(Reason.NOT_ALLOWED, "not, or not only, about one authority of ours")
        return next(iter(found.values()))

    def _one(self, served: Served, question: Question, signer: Signer, times: Times, now: float) -> Reply:
        """Only what was issued is kept, so strangers cannot fill the memory with made-up numbers."""
        issued = told(served.statuses.find(question.serial), self._policy, now)
        key = (served.name, question.raw)
        with self._lock:
            old = self._cache.get(key)
            if old is not None and issued is not None and old.holds(issued, times, signer, now):
                self._cache.move_to_end(key)
                return old.reply
        said = answer(question, issued, times, self._policy, now)
        body = respond([said], signer, now, None)
        if issued is None or said.next_update is None:
            return Reply(body, said.status, now)
        until = min(said.next_update, signer.not_after)
        reply = Reply(body, said.status, now, until)
        renew_at = max(now + (until - now) / 2, until - _LAST_MINUTE)
        with self._lock:
            self._cache[key] = _Signed(reply, issued, times, signer, renew_at)
            self._cache.move_to_end(key)
            while len(self._cache) > MOST_CACHED:
                self._cache.popitem(last=False)
        return reply

    @property
    def cached(self) -> int:
        """Responses that are kept."""
        return len(self._cache)


def _times(served: Served, now: float) -> Times:
    window = served.statuses.window()
    if window is None:
        return Times(this_update=now)
    return Times(this_update=window.this_update, next_update=window.next_update)
