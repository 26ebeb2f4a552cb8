"""Reads the files of a trail for verification: whatever their order and however long, line by line."""

import fcntl
import gzip
import os
import stat
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hsmgate.adapters.audit_tail import NEXT, START
from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason

_GZIP = b"\x1f\x8b"
_LOCK_TRIES, _LOCK_PAUSE = 200, 0.01  # writers hold the lock for microseconds


@dataclass(frozen=True)
class Source:
    """One opened file of the trail. What is appended to it from now on is not looked at."""

    path: Path
    file: IO[bytes]
    size: int
    packed: bool  # gzip, as logrotate makes it

    def position(self) -> int:
        """How many bytes of the file have been taken from the disk."""
        return self.file.tell()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines with their newlines, each cut at audit.MAX_LINE + 1 bytes. Failure(INTEGRITY): bad gzip."""
        self.file.seek(0)
        if not self.packed:
            left = self.size
            while left > 0 and (line := self.file.readline(min(left, audit.MAX_LINE + 1))):
                left -= len(line)
                yield line
            return
        with gzip.GzipFile(fileobj=self.file) as unpacked:
            while line := self._unpack(unpacked):
                yield line

    def _unpack(self, unpacked: gzip.GzipFile) -> bytes:
        try:
            return unpacked.readline(audit.MAX_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Failure(Reason.INTEGRITY, f"the compressed file is damaged: {error}") from None


@contextmanager
def sources(paths: Sequence[Path]) -> Iterator[list[Source]]:
    """Open the files and put them in the order of their first lines; empty ones, and one given twice, drop out.

    Failure: INTEGRITY (the first line does not hold), STORE_UNREADABLE.
    """
    with ExitStack() as stack:
        found: list[tuple[int, Source]] = []
        met: set[tuple[int, int]] = set()
        for path in paths:
            try:
                source, identity = _open(path, stack)
            except OSError as error:
                raise Failure(Reason.STORE_UNREADABLE, f"{path}: {error.strerror}") from None
            if identity not in met and (seq := _first_seq(source)):
                met.add(identity)
                found.append((seq, source))
        found.sort(key=lambda one: one[0])
        yield [source for _, source in found]


@contextmanager
def trail_files(path: Path) -> Iterator[list[Source]]:
    """All files of the trail at `path`, rotated and compressed ones too, as `sources` opens them.

    Failure: as `sources`.
    """
    while True:
        names = trail_names(path)
        with sources(names) as found:
            if trail_names(path) == names:  # else it was rotated meanwhile, and one may be missing
                yield found
                return


def trail_names(path: Path) -> list[Path]:
    """The file and what lies beside it under its name, if it begins as a trail does. Failure: STORE_UNREADABLE."""
    if not path.parent.exists():
        return []
    try:
        beside = sorted(
            each for each in path.parent.iterdir() if each.name.startswith((f"{path.name}.", f"{path.name}-"))
        )
        return [each for each in (path, *beside) if each.name != path.name + NEXT and _is_trail(each)]
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path.parent}: {error.strerror}") from None


def _is_trail(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(START)).startswith((START, _GZIP))


def _open(path: Path, stack: ExitStack) -> tuple[Source, tuple[int, int]]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)  # a FIFO must not hold us up
    file = stack.enter_context(os.fdopen(fd, "rb", buffering=2**18))
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: not a regular file")
    status = _between_lines(fd)
    packed = file.read(len(_GZIP)) == _GZIP
    return Source(path, file, status.st_size, packed), (status.st_dev, status.st_ino)


def _between_lines(fd: int) -> os.stat_result:
    """Look at the file while no writer is in the middle of a line; if one stays there too long, all the same."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOCK_PAUSE)
        else:
            break
    status = os.fstat(fd)
    fcntl.flock(fd, fcntl.LOCK_UN)
    return status


def _first_seq(source: Source) -> int:
    """The seq of the first line; 0 if there is none."""
    try:
        first = next(source.lines(), b"")
        return audit.read(first).seq if first else 0
    except Failure as failure:
        raise Failure(failure.reason, f"{source.path}:1: {failure.detail}") from None
