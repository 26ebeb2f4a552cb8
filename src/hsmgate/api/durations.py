"""How long each kind of work takes: what is short runs on the event loop itself, where a hop to a thread costs more."""

import time
from collections.abc import Callable
from typing import TypeVar

SHORT = 0.002  # seconds; a handshake, which runs there too, takes about that
_FADES = 0.98  # what was once long counts as this much shorter with each run since: from 50 ms to SHORT 160 runs
_WAITING = 0.02  # what time that goes by counts against computing: others may have the processor, or a disk is slow

T = TypeVar("T")


class Durations:
    """The longest of the last runs of each kind, in seconds. For one event loop and its threads."""

    def __init__(
        self, cpu: Callable[[], float] = time.thread_time, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._cpu, self._clock = cpu, clock
        self._longest: dict[object, float] = {}

    def are_short(self, kind: object) -> bool:
        """Whether such work may be expected to take less than SHORT; not before some of it was done."""
        return self._longest.get(kind, SHORT) < SHORT

    def timed(self, kind: object, work: Callable[[], T]) -> T:
        """Run it, in whatever thread this is."""
        began, computed = self._clock(), self._cpu()
        try:
            return work()
        finally:
            took = max(self._cpu() - computed, (self._clock() - began) * _WAITING)
            self._longest[kind] = max(took, self._longest.get(kind, 0.0) * _FADES)
