"""Opens the configured database: made at the first start, brought to this version's tables at every one."""

import os
from pathlib import Path

from sqlalchemy import select

from hsmgate.adapters.sql import sqlite, use
from hsmgate.adapters.sql.database import WRITES, Database
from hsmgate.adapters.sql.failures import translated
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
    del username, password  # SQLite has no users; blocks made for other databases give them all the same
    path = sqlite.file_of(url, data_dir)
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


def look(url: str | None, data_dir: Path) -> Tables:
    """Which tables the database has; nothing is made or changed. Failure: CONFIG_INVALID, CONNECTIVITY, INTEGRITY."""
    path = sqlite.file_of(url, data_dir)
    if not path.exists():
        return Tables(state="none")
    engine = sqlite.engine_of(path)
    try:
        with translated(), engine.connect() as connection:
            return tables_of(connection)
    finally:
        engine.dispose()


def was_served(url: str | None, data_dir: Path) -> bool:
    """Whether a keystore was ever opened in this version's database: a PKI alone may be in it. Failure: as `look`."""
    engine = sqlite.engine_of(sqlite.file_of(url, data_dir))
    try:
        with translated(), engine.connect() as connection:
            return connection.execute(select(keystore.c.id)).first() is not None
    finally:
        engine.dispose()


def _prepare(database: Database) -> None:
    with translated(), database.engine.connect() as connection:
        sqlite.use_write_ahead_log(connection)
    with translated(), database.engine.connect() as plain:
        connection = plain.execution_options(**{WRITES: True})
        with connection.begin():
            upgrade(connection)
