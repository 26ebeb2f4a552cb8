"""Signs answers to GETs before anybody asks, and again before they are stale."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from hsmgate.adapters.sql.responder_rows import PAGE, ResponderRows
from hsmgate.errors import Failure
from hsmgate.pki import der_write as write
from hsmgate.pki.ocsp_request import Question
from hsmgate.pki.responder import identities
from hsmgate.responder.answers import MOST_CACHED, Answers
from hsmgate.responder.registry import Registry, Served

ROUNDS = 4  # in one validity: an answer is renewed when half of its time is over
_PAUSE = 0.02  # seconds between pages, in which others are answered
_SHA1 = write.sequence(write.oid("1.3.14.3.2.26"), write.NULL)  # RFC 5019 2.1.1: what clients of kept answers ask with


def question_of(served: Served, serial: int) -> Question:
    """What a client asks that follows RFC 5019."""
    digest, name_hash, key_hash = next(one for one in identities(served.issuer) if one[0] == "sha1")
    raw = write.sequence(_SHA1, write.octets(name_hash), write.octets(key_hash), write.integer(serial))
    return Question(digest=digest, name_hash=name_hash, key_hash=key_hash, serial=serial, raw=raw)


class Ahead:
    """Goes through all certificates of the database that are not expired, again and again."""

    def __init__(
        self,
        answers: Answers,
        registry: Registry,
        rows: ResponderRows,
        executor: Executor,
        validity: float,
        now: Callable[[], float],
        log: Any,  # noqa: ANN401 - structlog's
    ) -> None:
        self._answers, self._registry, self._rows = answers, registry, rows
        self._executor, self._validity, self._now = executor, validity, now
        self.log = log
        self._said = ""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._validity / ROUNDS)

    async def once(self) -> None:
        """One round; what does not fit is signed when it is asked for."""
        loop = asyncio.get_running_loop()
        room, why = MOST_CACHED // 2, ""
        for served in self._registry.moving():
            after: str | None = ""
            while after is not None and not why:
                try:
                    after = await loop.run_in_executor(self._executor, self._page, served, after)
                except Failure as failure:
                    why = f"{served.name}: {failure}"
                room -= PAGE
                if room < 0:
                    why = f"there are more than {MOST_CACHED // 2} certificates; others are signed when asked for"
                await asyncio.sleep(_PAUSE)
        if why and why != self._said:
            self.log.warning("responder.pre-sign", detail=why)
        self._said = why

    def _page(self, served: Served, after: str) -> str | None:
        """Sign some; the last serial number, None after the last page."""
        serials = self._rows.serials(served.name, after, self._now())
        for serial in serials:
            self._answers.sign_ahead(served, question_of(served, int(serial, 16)))
        return serials[-1] if len(serials) == PAGE else None
