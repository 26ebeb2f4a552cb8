"""Translates the database's exceptions: unreachable is CONNECTIVITY, damaged or not ours is INTEGRITY."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from hsmgate.adapters.sql import server_failures
from hsmgate.errors import Failure, Reason

FOREIGN = (exc.DBAPIError, exc.TimeoutError, sqlite3.Error)  # others are bugs of ours and stay visible
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_AWAY = {
    "SQLITE_BUSY": "locked by another process",
    "SQLITE_LOCKED": "locked by another process",
    "SQLITE_FULL": "out of disk space",
    "SQLITE_IOERR": "failing to read or write its disk",
    "SQLITE_CANTOPEN": "impossible to open",
    "SQLITE_READONLY": "read-only",
    "SQLITE_PERM": "not accessible",
    "SQLITE_NOMEM": "out of memory",
}


@contextmanager
def translated() -> Iterator[None]:
    """Let no foreign exception out. Failure: CONNECTIVITY, INTEGRITY."""
    try:
        yield
    except FOREIGN as error:
        raise failure_of(error) from None


def failure_of(error: Exception) -> Failure:
    """The Failure for an exception of SQLAlchemy or of the driver; its text, which may hold values, is not repeated."""
    origin = error.orig if isinstance(error, exc.DBAPIError) else error
    code = str(getattr(origin, "sqlite_errorname", ""))
    if code.startswith(_DAMAGED):
        return Failure(Reason.INTEGRITY, f"the database is damaged ({code}): restore it from a backup")
    for prefix, state in _AWAY.items():
        if code.startswith(prefix):
            return Failure(Reason.CONNECTIVITY, f"the database is {state} ({code})")
    if told := server_failures.told(origin):
        return told
    if isinstance(error, exc.TimeoutError):
        return Failure(Reason.CONNECTIVITY, "all connections to the database are in use")
    if isinstance(origin, sqlite3.Error):
        return Failure(Reason.INTEGRITY, f"the database is not as this version made it ({code or 'not readable'})")
    return Failure(Reason.CONNECTIVITY, "the database does not answer")
