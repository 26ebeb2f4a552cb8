"""Opens the configured database: made at the first start, brought to this version's tables at every one."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select

from hsmgate.adapters.sql import sqlite, use
from hsmgate.adapters.sql.database import WRITES, Database
from hsmgate.adapters.sql.failures import translated
from hsmgate.adapters.sql.location import Server, locate
from hsmgate.adapters.sql.schema import keystore
from hsmgate.adapters.sql.upgrade import Tables, tables_of, upgrade


def connect(
    url: str | None, username: str | None, password: str | None, data_dir: Path, *, alone: bool = False
) -> Database:
    """Open spring.datasource; None is SQLite below `data_dir`, from which relative files count too.

    `alone`: refused while anybody else has it open, and nobody else can open it meanwhile.
    Failure: CONFIG_INVALID (a URL that is not for this version, a file that cannot be, a newer version's tables),
    STORE_UNREADABLE (its folder cannot be made), CONNECTIVITY, INTEGRITY.
    """
    place = locate(url, username, password, data_dir)
    if isinstance(place, Path):
        return _open_file(place, alone=alone)
    # imported when a server is named: most do without, and start sooner
    from hsmgate.adapters.sql.server_database import open_server

    return open_server(place, alone=alone)


def look(url: str | None, username: str | None, password: str | None, data_dir: Path) -> Tables:
    """Which tables the database has; nothing is made or changed. Failure: CONFIG_INVALID, CONNECTIVITY, INTEGRITY."""
    place = locate(url, username, password, data_dir)
    if isinstance(place, Path) and not place.exists():
        return Tables(state="none")
    with _looking(place) as connection:
        return tables_of(connection)


def was_served(url: str | None, username: str | None, password: str | None, data_dir: Path) -> bool:
    """Whether a keystore was ever opened in this version's database: a PKI alone may be in it. Failure: as `look`."""
    place = locate(url, username, password, data_dir)
    with _looking(place) as connection:
        return connection.execute(select(keystore.c.id)).first() is not None


def kind_of(url: str | None, username: str | None, password: str | None, data_dir: Path) -> str:
    """Product and version, and where it is, in words. Failure: as `look`."""
    place = locate(url, username, password, data_dir)
    if isinstance(place, Path):
        return f"SQLite {sqlite3.sqlite_version}, {place}"
    from hsmgate.adapters.sql.server_database import version_of

    return f"{version_of(place)}, {place}"


def _open_file(path: Path, *, alone: bool) -> Database:
    sqlite.create_file(path)
    held = use.hold(path, alone=alone)
    database = Database(sqlite.engine_of(path), let_go=lambda: os.close(held))
    try:
        with sqlite.sole_process(path):
            _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def _looking(place: Path | Server) -> Iterator[Connection]:
    if not isinstance(place, Path):
        from hsmgate.adapters.sql.server_database import looking

        with looking(place) as connection:
            yield connection
        return
    engine = sqlite.engine_of(place)
    try:
        with translated(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare(database: Database) -> None:
    with translated(), database.engine.connect() as connection:
        sqlite.use_write_ahead_log(connection)
    with translated(), database.engine.connect() as plain:
        connection = plain.execution_options(**{WRITES: True})
        with connection.begin():
            upgrade(connection)
