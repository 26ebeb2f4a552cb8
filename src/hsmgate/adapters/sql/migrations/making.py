"""Makes tables for migrations, again where an earlier try has half done it. What it makes of a released one stays."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from hsmgate.errors import Failure, Reason

_MARIADB = ("mysql", "mariadb")
# told apart is what Python tells apart: capitals, accents, spaces at the end
_BY_OCTETS = {True: "utf8mb4_nopad_bin", False: "utf8mb4_0900_bin"}  # of MariaDB, of MySQL


def make_table(table: str, *columns: sa.schema.SchemaItem) -> None:
    """Make it. Where each statement commits by itself an earlier try may have made it already.

    Failure: INTEGRITY (a table of this name with other columns).
    """
    bind = op.get_bind()
    dialect: Any = bind.dialect
    if dialect.name not in _MARIADB:
        op.create_table(table, *columns)
        return
    if _is_there(bind, table, {column.name for column in columns if isinstance(column, sa.Column)}):
        return
    collation = _BY_OCTETS[bool(dialect.is_mariadb)]
    op.create_table(table, *columns, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate=collation)


def make_index(index: str, table: str, columns: Sequence[str]) -> None:
    """Make it, unless an earlier try has."""
    bind = op.get_bind()
    there = sa.inspect(bind).get_indexes(table) if bind.dialect.name in _MARIADB else []
    if index not in {one["name"] for one in there}:
        op.create_index(index, table, list(columns))


def _is_there(bind: sa.Connection, table: str, columns: set[str]) -> bool:
    look = sa.inspect(bind)
    if not look.has_table(table):
        return False
    if {column["name"] for column in look.get_columns(table)} != columns:
        raise Failure(Reason.INTEGRITY, f"the database is not as this version made it (a table {table} is in the way)")
    return True
