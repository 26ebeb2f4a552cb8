"""Slows the guessing of key passwords: after some wrong ones a peer, and whoever asks for that key, has to wait."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Pace(Record):
    """`free` wrong passwords cost nothing; then the wait doubles from `first` to `most` seconds."""

    free: int
    first: float
    most: float


OF_A_PEER = Pace(free=10, first=1.0, most=60.0)
OF_A_KEY = Pace(free=10, first=1.0, most=10.0)  # short, for its owners wait as well, unless they are known
_FORGOTTEN_AFTER = 3600.0  # seconds
_MOST = 10_000  # peers, keys and pairs remembered; the oldest go first


class Guesses:
    """Counts wrong passwords by peer and by key. Safe for threads. `now` in seconds that only grow.

    A peer that gave a key's right password within the last hour waits for its own wrong ones only: strangers who guess
    must not lock owners out.
    """

    def __init__(self, now: Callable[[], float], of_a_peer: Pace = OF_A_PEER, of_a_key: Pace = OF_A_KEY) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._peers = _Wrong(of_a_peer)
        self._keys = _Wrong(of_a_key)
        self._owners: OrderedDict[tuple[str, str], float] = OrderedDict()

    def check(self, peer: str, labels: Iterable[str]) -> None:
        """Before passwords are tried. Failure: TOO_MANY_GUESSES, whether they are right or wrong."""
        with self._lock:
            now = self._now()
            waits = [self._peers.until(peer, now)]
            waits += [self._keys.until(label, now) for label in labels if not self._owns(peer, label, now)]
            if max(waits) > now:
                raise Failure(Reason.TOO_MANY_GUESSES, f"{max(waits) - now:.0f} s are left")

    def wrong(self, peer: str, labels: Iterable[str]) -> None:
        """One of these passwords was wrong."""
        with self._lock:
            now = self._now()
            self._peers.add(peer, now)
            for label in labels:
                self._keys.add(label, now)

    def right(self, peer: str, labels: Iterable[str]) -> None:
        """All of them were right. What was counted stays: who guesses must not wash it off with a key of its own."""
        with self._lock:
            for label in labels:
                self._owners[peer, label] = self._now()
                self._owners.move_to_end((peer, label))
                if len(self._owners) > _MOST:
                    self._owners.popitem(last=False)

    def _owns(self, peer: str, label: str, now: float) -> bool:
        return now - self._owners.get((peer, label), -_FORGOTTEN_AFTER) < _FORGOTTEN_AFTER


class _Wrong:
    """Wrong passwords by name, and until when each name waits."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the last

    def until(self, name: str, now: float) -> float:
        count, last = self._recent(name, now)
        return last + self._wait(count)

    def add(self, name: str, now: float) -> None:
        count, _ = self._recent(name, now)
        self._counts[name] = (count + 1, now)
        self._counts.move_to_end(name)
        if len(self._counts) > _MOST:
            self._counts.popitem(last=False)

    def _recent(self, name: str, now: float) -> tuple[int, float]:
        count, last = self._counts.get(name, (0, now))
        return (count, last) if now - last < _FORGOTTEN_AFTER else (0, now)

    def _wait(self, count: int) -> float:
        over = count - self._pace.free
        return min(self._pace.most, self._pace.first * 2.0 ** min(over - 1, 30)) if over > 0 else 0.0
