"""Who uses a database file: whoever opens it shares a lock beside it, whoever changes it as a whole holds it alone."""

import errno
import fcntl
import os
from pathlib import Path

from hsmgate.adapters.private_files import FILE_MODE
from hsmgate.errors import Failure, Reason

_NO_LOCKS = {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}


def hold(path: Path, *, alone: bool) -> int:
    """A descriptor that holds the lock until it is closed, at the latest by the end of the process.

    Failure: CONFIG_INVALID (the lock cannot be made), CONNECTIVITY (it is held the other way, what to do is said).
    """
    lock = path.with_name(f"{path.name}.use")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        why = (error.strerror or "cannot be created").lower()
        raise Failure(Reason.CONFIG_INVALID, f"spring.datasource.url: {lock}: {why}") from None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:  # on such a file system nobody can be told apart
            return descriptor
        os.close(descriptor)
        if alone:
            raise Failure(
                Reason.CONNECTIVITY, f"{path} is in use, by a service that runs or by another command: stop it first"
            ) from None
        raise Failure(
            Reason.CONNECTIVITY, f"{path} is being changed as a whole, by another command: wait for its end"
        ) from None
    return descriptor
