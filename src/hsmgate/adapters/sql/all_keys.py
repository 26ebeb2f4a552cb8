"""Every row of keys in one transaction: for looking at all of them, and for sealing all of them anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, select, update

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.keys import KeyRow
from hsmgate.adapters.sql.schema import keystore, stored_key
from hsmgate.errors import Failure, Reason

AT_ONCE = 500  # rows in memory
_COUNT = select(func.count()).select_from(stored_key)
_LATER = select(stored_key).where(stored_key.c.uuid > bindparam("after")).order_by(stored_key.c.uuid)

_NEW_SEAL = update(stored_key).where(stored_key.c.uuid == bindparam("key")).values(sealed=bindparam("new"))


class AllKeys:
    """The rows as they are in one transaction. Every method may fail with CONNECTIVITY or INTEGRITY."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self) -> int:
        """How many there are, of whatever tenant and purpose."""
        return int(self._fetch(_COUNT)[0][0])

    def rows(self) -> Iterator[KeyRow]:
        """All of them, ordered by uuid, with values as the driver gives them; each may be changed meanwhile."""
        after, met = "", 0
        while some := self._fetch(_LATER.limit(literal_column(str(AT_ONCE))).offset(literal_column("0")), after):
            for values in some:
                row = KeyRow._make(values)
                met, after = met + 1, row.uuid
                yield row
        if met != self.count():  # numbers and NULL are no text, and never greater than one
            raise Failure(Reason.INTEGRITY, "the database holds a key whose uuid is no text")

    def put_seals(self, seals: list[tuple[KeyRow, bytes]]) -> None:
        """Give the rows other seals."""
        if seals:
            self._connection.execute(_NEW_SEAL, [{"key": row.uuid, "new": sealed} for row, sealed in seals])

    def put_check(self, check_value: bytes, kdf: str | None) -> None:
        """Say what the sealing key is checked against from now on."""
        self._connection.execute(update(keystore).values(check_value=check_value, kdf=kdf))

    def _fetch(self, statement: Select[Any], *values: object) -> list[Any]:
        sql = str(statement.compile(dialect=self._connection.dialect))
        return list(self._connection.exec_driver_sql(sql, values))


@contextmanager
def all_keys(database: Database) -> Iterator[AllKeys]:
    """Committed to disk when the block ends well, else rolled back. Failure: CONNECTIVITY, INTEGRITY."""
    with database.writing() as connection:
        yield AllKeys(connection)
