"""Counts the uses of keys: in memory first, written together at most once a second."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from hsmgate.errors import Failure

INTERVAL = 1.0  # seconds


class UseCounts:
    """Advisory: a crash loses the last second. `write` may fail; what it did not write is tried again."""

    def __init__(self, write: Callable[[Mapping[str, int]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._pending: Counter[str] = Counter()
        self._timer: threading.Timer | None = None
        self._closed = False

    def add(self, uuid: str) -> None:
        """Count one use."""
        with self._lock:
            self._pending[uuid] += 1
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(INTERVAL, self._on_time)
                self._timer.daemon = True
                self._timer.start()

    def pending(self, uuid: str) -> int:
        """Uses that are not written yet."""
        return self._pending[uuid]

    def forget(self, uuid: str) -> None:
        """The key is gone."""
        with self._lock:
            self._pending.pop(uuid, None)

    def close(self) -> None:
        """Write what is left."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._flush()

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
        self._flush()

    def _flush(self) -> None:
        with self._writing:
            with self._lock:
                batch, self._pending = self._pending, Counter()
            if not batch:
                return
            try:
                self._write(batch)
            except Failure:  # the next use starts the clock again
                with self._lock:
                    self._pending.update(batch)
