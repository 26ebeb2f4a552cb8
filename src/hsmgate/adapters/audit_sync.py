"""One group commit: the lines that share an fdatasync, and how it ended for all of them."""

import os
from contextlib import suppress

from hsmgate.errors import Failure, Reason


class Batch:
    """Lines written since the last sync began. Files are synced oldest first."""

    def __init__(self) -> None:
        self.done = False
        self._failure = ""
        self._files: list[int] = []

    @property
    def files(self) -> int:
        return len(self._files)

    def keep(self, fd: int) -> None:
        """Take over an open file in which some of the lines stand."""
        self._files.append(fd)

    def sync(self) -> None:
        """Make the lines survive the loss of power; OSError when the disk does not take them."""
        for fd in self._files:
            os.fdatasync(fd)
        self.done = True
        self.close()

    def fail(self, detail: str) -> None:
        """Let every line of the batch fail."""
        self.done, self._failure = True, detail
        self.close()

    def check(self) -> None:
        """Return if the lines are safe. Failure(AUDIT_UNAVAILABLE)."""
        if self._failure:
            raise Failure(Reason.AUDIT_UNAVAILABLE, self._failure)

    def close(self) -> None:
        """Let the files go."""
        while self._files:
            with suppress(OSError):
                os.close(self._files.pop())
