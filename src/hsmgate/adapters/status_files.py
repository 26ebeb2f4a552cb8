"""Statuses from files: an `openssl ca` index, read again when it changes; the last good content stays in force."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hsmgate.adapters.store_files import read_bounded
from hsmgate.errors import Failure, Reason
from hsmgate.pki import openssl_ca
from hsmgate.pki.issued import Issued
from hsmgate.usecases.statuses import Window

MOST_OCTETS = 256 * 1024 * 1024
State = tuple[int, int, int]


class IndexStatuses:
    """The certificates of an index.txt: complete, and as new as the file.

    Where the file is away or broken, what it said last is told for `patience` seconds, and not a second longer.
    """

    complete = True

    def __init__(self, path: Path, patience: float, now: Callable[[], float], log: Any) -> None:  # noqa: ANN401
        """Failure: STORE_UNREADABLE, where it cannot be read at the start."""
        self._path, self._patience, self._now = path, patience, now
        self.log = log
        self._lock = threading.Lock()
        self._state: State | None = None
        self._said = ""
        self._issued: Mapping[int, Issued] = {}
        self._looked_at = 0.0
        self._load(file_state(path))

    def find(self, serial: int) -> Issued | None:
        return self._issued.get(serial)

    def window(self) -> Window | None:
        """Looks at the file. Failure: OCSP_STALE."""
        now = self._now()
        if self._lock.acquire(blocking=False):  # while another thread reads a large file, what it said before is told
            try:
                self._look(now)
            finally:
                self._lock.release()
        looked_at = self._looked_at
        if now - looked_at > self._patience:
            raise Failure(Reason.OCSP_STALE, f"{self._path} could not be read for {now - looked_at:.0f} s")
        return Window(this_update=looked_at, next_update=None)

    def age(self) -> float:
        """Seconds since the file was seen in order."""
        return self._now() - self._looked_at

    def _look(self, now: float) -> None:
        try:
            state = file_state(self._path)
            if state != self._state:
                self._load(state)
            self._looked_at = now
        except Failure as failure:
            if self._said != str(failure):
                self._said = str(failure)
                self.log.error("responder.source-kept", detail=f"{failure}; what it said before stays in force")
            return
        if self._said:
            self._said = ""
            self.log.info("responder.source-taken", detail=f"{self._path} is in order again")

    def _load(self, state: State) -> None:
        """Take the file whole or not at all; what changes while it is read is read again at the next look."""
        try:
            issued = openssl_ca.index(read_bounded(self._path, MOST_OCTETS))
        except Failure as failure:
            raise Failure(Reason.STORE_UNREADABLE, f"{self._path}: {failure.detail}") from None
        if file_state(self._path) != state:
            raise Failure(Reason.STORE_UNREADABLE, f"{self._path}: changes while it is read")
        if gone := len(self._issued.keys() - issued.keys()):
            self.log.warning(
                "responder.source-shrunk", detail=f"{self._path}: {gone} certificates are not listed any more"
            )
        self._issued, self._state, self._looked_at = issued, state, self._now()


def file_state(path: Path) -> State:
    """What changes when a file does. Failure: STORE_UNREADABLE."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: {(error.strerror or 'failed').lower()}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns
