"""SQLite: where its file lies, and how a connection to it is set up."""

import errno
import fcntl
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event

from hsmgate.adapters.private_files import FILE_MODE, make_folder
from hsmgate.adapters.sql.database import WRITES, Database
from hsmgate.adapters.sql.failures import translated
from hsmgate.errors import Failure, Reason

DEFAULT_NAME = "hsmgate.db"
BUSY_SECONDS = 10
POOL = 16  # connections that stay open, one for each thread at work
OVERFLOW = 48
_URL = re.compile(r"(?:sqlite(?:\+pysqlite)?:///|jdbc:sqlite:)(?P<path>.+)", re.DOTALL)
_OTHER = re.compile(r"(?:jdbc:)?(?P<product>h2|oracle|sqlserver|mssql)\b", re.IGNORECASE)
_ON_CONNECT = (
    "PRAGMA synchronous = FULL",  # a commit survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a deleted key is overwritten
    "PRAGMA trusted_schema = OFF",  # the file may come from elsewhere
    "PRAGMA cache_size = -32768",  # 32 MB a connection: of a million certificates those that are asked for stay at hand
)


def file_of(url: str | None, folder: Path) -> Path:
    """The file that spring.datasource.url names; relative ones, and the default, lie in `folder`.

    Failure: CONFIG_INVALID. The URL may hold a password: no message repeats it.
    """
    if url is None:
        return folder / DEFAULT_NAME
    found = _URL.fullmatch(url)
    other = _OTHER.match(url)
    if found is None and other:
        raise _refused(
            f"{other['product'].lower()} is not in this version: there are sqlite, mariadb, mysql and postgresql"
        )
    if found is None:
        raise _refused(
            "not understood: write sqlite:///FILE, jdbc:mariadb://HOST/DATABASE or jdbc:postgresql://HOST/DATABASE"
        )
    path = found["path"]
    if path.startswith((":", "file:")):
        raise _refused("keys in memory would be lost: write sqlite:///FILE")
    if "?" in path or "\0" in path:
        raise _refused("a SQLite URL takes no parameters here")
    return folder / path


def engine_of(path: Path) -> Engine:
    """An engine whose connections are set up for safety before speed; nothing is opened yet."""
    engine = create_engine(
        URL.create("sqlite", database=str(path.absolute())),
        # the driver's own transactions would leave reads and DDL outside; BEGIN is ours, below
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=BUSY_SECONDS,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def create_file(path: Path) -> None:
    """Make an empty file 0600, its folder 0700, unless they are there. Failure: CONFIG_INVALID, STORE_UNREADABLE."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)  # a umask may have taken bits away
        finally:
            os.close(descriptor)
    except FileExistsError:
        _check_file(path)
        if not os.access(path, os.R_OK | os.W_OK):  # SQLite would open it, and fail at the first write
            raise _refused(f"{path} may not be read and written by this user") from None
    except OSError as error:
        raise _refused(f"{path}: {(error.strerror or 'cannot be created').lower()}") from None


def _check_file(path: Path) -> None:
    """Seals tell a changed key, but not a deleted one, and a REVOKED that is remembered has none."""
    if not path.is_file():
        raise _refused(f"{path} is there and is no file")
    if path.stat().st_mode & stat.S_IWOTH:
        raise _refused(f"{path} can be changed by everybody: chmod o-w it, then see whether something is missing")


@contextmanager
def sole_process(path: Path) -> Iterator[None]:
    """Hold a lock beside the file, so that first starts of several processes come one after the other."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise _refused(f"{lock}: {(error.strerror or 'cannot be created').lower()}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:  # where the file system has no locks, SQLite's own must do
            if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}:
                raise _refused(f"{lock}: cannot be locked") from None
        yield
    finally:
        os.close(descriptor)


def snapshot(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it meanwhile, into a new file 0600.

    Failure: CONFIG_INVALID (a file that cannot be), CONNECTIVITY, INTEGRITY.
    """
    create_file(target)
    uri = f"file:{quote(str(source.absolute()))}?mode=rw"  # ro could not make the files beside one that is closed
    with (
        translated(),
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)  # in one step: in several, every write by others would begin it anew


def use_write_ahead_log(connection: Connection) -> None:
    """Readers and the writer do not wait for each other; stays with the file. Failure: CONFIG_INVALID."""
    raw = connection.connection.driver_connection
    if raw is None or raw.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise _refused("the folder's file system cannot hold a SQLite write-ahead log (a network folder?)")


def empty_log(database: Database) -> None:
    """Bring the write-ahead log into the file and cut it off, with what was overwritten. Failure: CONNECTIVITY.

    A server keeps its logs itself.
    """
    if database.engine.dialect.name != "sqlite":
        return
    with translated(), database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _set_up(raw: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
    with closing(raw.cursor()) as cursor:
        for pragma in _ON_CONNECT:
            cursor.execute(pragma)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _refused(why: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"spring.datasource.url: {why}")
