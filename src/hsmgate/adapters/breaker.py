"""A circuit breaker per responder: transport failures open it, background probes close it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from structlog.typing import FilteringBoundLogger

from hsmgate.errors import Failure, Reason

FAILURES = 3  # in a row
LEAST_INTERVAL = 0.25  # seconds between the beginnings of two probes
MOST_PROBES = 16  # of one responder, waiting for an answer at the same time
IDLE_SECONDS = 60.0  # a responder that nobody has asked for so long is not probed
MOST_RESPONDERS = 1000
_PORTS = {"http": 80, "https": 443}

AskUrl = Callable[[str, bytes, float], Awaitable[bytes]]


class _State:
    def __init__(self) -> None:
        self.failures = 0
        self.probing: asyncio.Task[None] | None = None
        self.wanted = 0.0  # when somebody last asked, by the event loop's clock


def origin(url: str) -> str:
    """Scheme, host and port of a URL: what a breaker is kept for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def _is_transport(failure: Failure) -> bool:
    """Nothing came; an HTTP status (the evidence of a 5xx) is an answer of a responder that lives."""
    return failure.reason is Reason.OCSP_NO_ANSWER and failure.evidence is None


class Breaker:
    """Wraps `ask`. While open, questions fail at once; probes repeat the last question until any answer comes."""

    def __init__(self, ask: AskUrl, timeout: float, log: FilteringBoundLogger) -> None:
        self._ask = ask
        self._timeout = timeout
        self._interval = max(LEAST_INTERVAL, timeout / MOST_PROBES)
        self._log = log
        self._states: OrderedDict[str, _State] = OrderedDict()

    @property
    def open_origins(self) -> list[str]:
        """Responders that are not asked at the moment."""
        return [name for name, state in self._states.items() if state.probing is not None]

    async def ask(self, url: str, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        """As the wrapped `ask`; Failure OCSP_NO_ANSWER at once while the breaker is open."""
        try:
            name = origin(url)
        except ValueError:
            return await self._ask(url, request, timeout)  # which refuses it
        state = self._state(name)
        state.wanted = asyncio.get_running_loop().time()
        if state.probing is not None:
            raise Failure(Reason.OCSP_NO_ANSWER, f"the responder {name} is down, and is probed until it is back")
        try:
            answer = await self._ask(url, request, timeout)
        except Failure as failure:
            if _is_transport(failure):
                self._failed(name, state, url, request, failure)
            elif failure.reason is not Reason.OCSP_ADDRESS:
                state.failures = 0  # it answers, if badly
            raise
        state.failures = 0
        return answer

    def _state(self, name: str) -> _State:
        state = self._states.setdefault(name, _State())
        self._states.move_to_end(name)
        if len(self._states) > MOST_RESPONDERS:
            oldest = next((old for old, other in self._states.items() if other.probing is None), name)
            del self._states[oldest]
        return state

    def _failed(self, name: str, state: _State, url: str, request: bytes, failure: Failure) -> None:
        state.failures += 1
        if state.failures >= FAILURES and state.probing is None:
            self._log.error("ocsp.responder-down", responder=name, detail=str(failure))
            state.probing = asyncio.create_task(self._probe(name, state, url, request))

    async def _probe(self, name: str, state: _State, url: str, request: bytes) -> None:
        """Ask until one answer comes or nobody wants to know; one slow probe does not keep the next from starting."""
        back = asyncio.Event()
        probes: set[asyncio.Task[None]] = set()
        clock = asyncio.get_running_loop().time
        try:
            while not back.is_set() and clock() - state.wanted < IDLE_SECONDS:
                if len(probes) < MOST_PROBES:
                    probe = asyncio.create_task(self._probe_once(url, request, back))
                    probes.add(probe)
                    probe.add_done_callback(probes.discard)
                try:
                    async with asyncio.timeout(self._interval):
                        await back.wait()
                except TimeoutError:
                    continue
        finally:
            for probe in probes:
                probe.cancel()
            state.probing = None
        if back.is_set():
            state.failures = 0
            self._log.info("ocsp.responder-back", responder=name)
        else:
            state.failures = FAILURES - 1  # whoever asks next finds out, and one failure is enough

    async def _probe_once(self, url: str, request: bytes, back: asyncio.Event) -> None:
        try:
            await self._ask(url, request, self._timeout)
        except Failure as failure:
            if _is_transport(failure):
                return
        back.set()

    async def close(self) -> None:
        """End all probes."""
        probes = [state.probing for state in self._states.values() if state.probing is not None]
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
