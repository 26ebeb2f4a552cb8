"""Holds back floods of one kind of log line, and counts what it held back."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

# what any stranger can cause as often as he likes, before anything is known of him
FLOODS = frozenset(
    {
        "connection.refused",
        "connection.broken",
        "handshake.refused",
        "handshake.timeout",
        "request.refused",
        "responder.failed",
        "responder.unanswered",
        "uvicorn.error",
    }
)


@dataclass
class _Second:
    began: float
    passed: int = 0
    suppressed: int = 0


class Throttle:
    """Lets through so many lines a second of each kind; at the end of such a second `report(kind, suppressed)`."""

    def __init__(
        self,
        per_second: int,
        monotonic: Callable[[], float],
        report: Callable[[str, int], None],
        kinds: frozenset[str],
    ) -> None:
        self._per_second, self._monotonic, self._report = per_second, monotonic, report
        self._lock = threading.Lock()
        self._kinds = kinds
        self._seconds: dict[str, _Second] = {}

    def check(self, kind: str) -> None:
        """Return if the line may pass; structlog.DropEvent if not."""
        if kind not in self._kinds:
            return
        with self._lock:
            now = self._monotonic()
            second = self._seconds.setdefault(kind, _Second(now))
            if now - second.began >= 1 and not second.suppressed:
                second.began, second.passed = now, 0
            if second.passed < self._per_second:
                second.passed += 1
                return
            second.suppressed += 1
            if second.suppressed == 1 and not self._end_later(kind, second.began + 1 - now):
                second.suppressed = 0  # uncounted, but the next second begins all the same
        raise structlog.DropEvent

    def _end_later(self, kind: str, seconds: float) -> bool:
        timer = threading.Timer(max(0.0, seconds), self._end, [kind])
        timer.daemon = True  # a last count is not worth a delay of the exit
        try:
            timer.start()
        except RuntimeError:  # no thread to be had
            return False
        return True

    def _end(self, kind: str) -> None:
        with self._lock:
            suppressed = self._seconds.pop(kind).suppressed
        self._report(kind, suppressed)
