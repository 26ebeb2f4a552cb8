"""The audit file on disk: opened safely, locked, its last line found, an unfinished rest cut off."""

import errno
import fcntl
import hashlib
import os
import re
import stat
import time
from pathlib import Path

from hsmgate.domain import audit
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

LOCK_SECONDS = 10.0
MAX_TORN = 16 * 2**20  # an unfinished rest longer than this is no torn write
NEXT = ".next"  # ends the name of the file that a rotation prepares

_FIRST_WINDOW = 4096
_ARCHIVE = re.compile(r"\.\d{12,}-[0-9a-f]{8}")
START = b'{"seq":'
_PREFIXES = tuple(START[:length] for length in range(len(START) + 1))
_SAFELY = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class Tail(Record):
    """Where the trail in a file ends."""

    seq: int
    hash: str
    end: int  # bytes of whole lines


class Cut(Record):
    """An unfinished rest that was cut off."""

    length: int
    sha256: str


def open_file(path: Path, making: int = 0) -> int:
    """Open the trail for appending. `making`: O_CREAT, with O_EXCL or without; it is made 0600.

    OSError from the system; Failure(INTEGRITY) for a file that others may write, or that is not a plain file.
    """
    try:
        fd = os.open(path, _SAFELY | making, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failure(Reason.INTEGRITY, "the audit file is a symbolic link: name the file itself") from None
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Failure(Reason.INTEGRITY, "the audit file is not a regular file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Failure(Reason.INTEGRITY, "others may write the audit file: chmod go-w it, then verify it")
    except BaseException:
        os.close(fd)
        raise
    return fd


def lock(fd: int) -> None:
    """Take the exclusive lock. Failure(AUDIT_UNAVAILABLE) when another process keeps it too long."""
    pause, deadline = 0.00005, time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                detail = "another process keeps the lock on the audit file"
                raise Failure(Reason.AUDIT_UNAVAILABLE, detail) from None
        else:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, 0.002)


def unlock(fd: int) -> None:
    """Let the lock go."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def is_named(path: Path, fd: int) -> bool:
    """Whether the path still leads to the open file (logrotate may have renamed it)."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)


def open_locked(path: Path) -> int:
    """Open the file that the path names and lock it, even while it is being renamed."""
    while True:
        fd = open_file(path, os.O_CREAT)
        try:
            lock(fd)
            if is_named(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def settle(fd: int) -> tuple[Tail | None, Cut | None]:
    """Find the last whole line and cut off what follows it; to be called under the lock. No tail: no line at all.

    A rest without newline was never answered: the process died while it wrote. So was a line that contains
    NUL bytes: its block never reached the disk. Failure(INTEGRITY): the last line is whole but does not hold.
    """
    size = os.fstat(fd).st_size
    window = _FIRST_WINDOW
    while True:
        start = max(0, size - window)
        data = os.pread(fd, size - start, start)
        begin, end = _last_whole(data)
        if start == 0 or begin > 0:
            break
        if window >= MAX_TORN:
            raise Failure(Reason.INTEGRITY, f"no whole line in the last {window} bytes. {ADVICE}")
        window *= 8
    tail = None
    if not end and data[:7].strip(b"\0") not in _PREFIXES:
        raise Failure(Reason.INTEGRITY, "the audit file holds something else than a trail: name another file")
    if end:
        try:
            line = audit.read(data[begin:end])
        except Failure as failure:
            raise Failure(failure.reason, f"the last line does not hold ({failure.detail}). {ADVICE}") from None
        tail = Tail(seq=line.seq, hash=line.hash, end=start + end)
    if start + end == size:
        return tail, None
    os.ftruncate(fd, start + end)
    return tail, Cut(length=size - start - end, sha256=hashlib.sha256(data[end:]).hexdigest())


def recent(path: Path, most: int) -> bytes:
    """The last whole lines of a file that others may be writing, of at most `most` bytes, newest last.

    Failure(AUDIT_UNAVAILABLE): it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            size = os.fstat(fd).st_size
            start = max(0, size - most - 1)  # one byte more: it tells whether the first line is whole
            data = os.pread(fd, size - start, start)
        finally:
            os.close(fd)
    except OSError as error:
        raise Failure(Reason.AUDIT_UNAVAILABLE, f"the audit trail cannot be read: {error.strerror}") from error
    return data[data.find(b"\n") + 1 if start else 0 : data.rfind(b"\n") + 1]


def trail_id(fd: int) -> str:
    """Return the id of the trail from the file's first line. Failure(INTEGRITY): there is none."""
    first = os.pread(fd, audit.MAX_LINE, 0)
    try:
        return audit.trail_of(audit.read(first[: first.find(b"\n") + 1]))
    except Failure as failure:
        raise Failure(failure.reason, f"the first line does not hold ({failure.detail}). {ADVICE}") from None


def archive_of(path: Path, tail: Tail) -> Path:
    """The name of a full file: sorted as the trail runs, and never used twice."""
    return path.with_name(f"{path.name}.{tail.seq:012d}-{tail.hash[:8]}")


def drop_early_archive(path: Path, fd: int) -> None:
    """Remove the archive name of a file that is still in use: a process died in the middle of a rotation."""
    here = os.fstat(fd)
    if here.st_nlink == 1:
        return
    for other in path.parent.iterdir():
        if other.name.startswith(path.name) and _ARCHIVE.fullmatch(other.name[len(path.name) :]):
            there = other.lstat()
            if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
                other.unlink()


def sync_folder(path: Path) -> None:
    """Make new names in the file's folder survive a loss of power."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _last_whole(data: bytes) -> tuple[int, int]:
    """Begin and end of the last line in `data` that ends with a newline and holds no NUL; (0, 0) if none."""
    end = data.rfind(b"\n") + 1
    while end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        if b"\0" not in data[begin:end]:
            return begin, end
        end = begin
    return 0, 0


ADVICE = "Move the file to another folder, run `hsmgate audit verify` on it, and start again"
