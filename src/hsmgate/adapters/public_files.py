"""Writes files that everybody may read, such as certificates and CRLs: replaced whole, in one step."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hsmgate.errors import Failure, Reason

PUBLIC_MODE = 0o644


def replace(path: Path, content: bytes, mode: int = PUBLIC_MODE) -> None:
    """Put `content` in place of what is there; readers see the old file or the new one. Failure: STORE_UNREADABLE."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Let several processes that write the file go one after the other; the lock is on its folder, and leaves nothing.

    Failure: STORE_UNREADABLE.
    """
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with suppress(OSError):  # a file system without locks: the last one wins
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> Failure:
    return Failure(Reason.STORE_UNREADABLE, f"cannot write {path}: {(error.strerror or 'failed').lower()}")
