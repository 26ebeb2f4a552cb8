"""Brings the tables to this version's shape, once, inside the caller's transaction; or says which shape they have."""

from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

HEAD = "0005"  # the newest migration
MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = "alembic_version"


class Tables(Record):
    """Which migration was the last one of a database. `none`: it has no tables of ours."""

    state: Literal["none", "older", "current", "newer"]
    found: str | None = None
    newest: str = HEAD


def tables_of(connection: Connection) -> Tables:
    """What is there; nothing is changed."""
    found = _revision(connection)
    if found is None:
        return Tables(state="none")
    if found == HEAD:
        return Tables(state="current", found=found)
    return Tables(state="older" if found in _known() else "newer", found=found)


def refuse_foreign(connection: Connection) -> None:
    """Failure: CONFIG_INVALID (tables of another program, as of the service that hsmgate takes the place of)."""
    look = inspect(connection)
    if not look.has_table(_VERSIONS) and look.get_table_names():
        raise Failure(
            Reason.CONFIG_INVALID,
            "spring.datasource.url: the database holds tables of something else: give hsmgate an empty one of its own",
        )


def upgrade(connection: Connection) -> None:
    """Make the tables, or migrate those of an older version. Failure: CONFIG_INVALID (a newer version's)."""
    there = tables_of(connection)
    if there.state == "current":
        return
    if there.state == "newer":
        raise Failure(
            Reason.CONFIG_INVALID,
            "the database was made by a newer version of hsmgate: start that version, or restore an older backup",
        )
    # imported when needed: it costs a tenth of a second, and most starts find nothing to do
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _known() -> set[str]:
    """The migrations that this version has, by the names of their files: 0001_keys.py."""
    return {file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py")}


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSIONS):
        return None
    found = connection.exec_driver_sql(f"SELECT max(version_num) FROM {_VERSIONS}").scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)
