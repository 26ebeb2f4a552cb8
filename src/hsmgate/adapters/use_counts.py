"""Counts the uses of keys: in memory first, written together at most once a second."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from hsmgate.domain.key import Key
from hsmgate.errors import Failure

INTERVAL = 1.0  # seconds
PATIENCE = 0.05  # seconds that a reader waits for a write to end


class UseCounts:
    """Advisory: a crash loses the last second. `write` may fail; what it did not write is tried again."""

    def __init__(self, write: Callable[[Mapping[str, int]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._pending: Counter[str] = Counter()
        self._batch: Counter[str] = Counter()  # being written, or written last
        self._turn = 0  # odd while a batch is being written
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
        with self._lock:
            return self._unwritten(uuid)

    def completed(self, read: Callable[[], Key | None]) -> Key | None:
        """The key that `read` finds, its stored count made whole by the uses that were not written when it was read.

        Where they are being written just then it is read again: each use is counted once. Only with a database that
        does not answer within PATIENCE may the last second be counted twice or not at all.
        """
        key, pending, is_sure = self._read(read)
        if not is_sure:
            if self._writing.acquire(timeout=PATIENCE):
                self._writing.release()
            key, pending, _ = self._read(read)
        return key and msgspec.structs.replace(key, use_count=key.use_count + pending)

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

    def _read(self, read: Callable[[], Key | None]) -> tuple[Key | None, int, bool]:
        """What `read` finds, its pending uses, and whether they are surely not in the stored count."""
        turn = self._turn
        key = read()
        if key is None:
            return None, 0, True
        with self._lock:
            is_concerned = self._batch[key.uuid] > 0 or self._turn > turn + 2
            is_sure = not is_concerned or (turn % 2 == 0 and self._turn == turn)
            return key, self._unwritten(key.uuid), is_sure

    def _unwritten(self, uuid: str) -> int:
        return self._pending[uuid] + (self._batch[uuid] if self._turn % 2 else 0)

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
        self._flush()

    def _flush(self) -> None:
        with self._writing:
            with self._lock:
                if not self._pending:
                    return
                batch = self._batch = self._pending
                self._pending = Counter()
                self._turn += 1
            failed = True
            try:
                self._write(batch)
                failed = False
            except Failure:  # the next use starts the clock again
                pass
            finally:
                with self._lock:
                    self._turn += 1
                    if failed:
                        self._pending.update(batch)
