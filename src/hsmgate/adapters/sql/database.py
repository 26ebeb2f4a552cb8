"""A database that is open and has its tables: reading, writing, and the short way for single queries."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, Select

from hsmgate.adapters.sql.failures import FOREIGN, failure_of, translated

WRITES = "hsmgate_writes"  # execution option: take the write lock at BEGIN, not at the first write
UNLOCKED = "hsmgate_unlocked"  # execution option: of a server, without the lock that needs the tables to be there

_READY = 8  # connections


class Query:
    """A SELECT compiled once, for `Database.fetch`; its values come as the driver gives them."""

    def __init__(self, statement: Select[*tuple[Any, ...]], engine: Engine) -> None:
        self.sql = str(statement.compile(dialect=engine.dialect))


class Database:
    """Hands out connections from a pool; may be used from any thread. Every method may fail with CONNECTIVITY
    or INTEGRITY.
    """

    def __init__(self, engine: Engine, let_go: Callable[[], None] = lambda: None) -> None:
        """`let_go` is called once, when it is closed."""
        self.engine = engine
        self.is_local = engine.dialect.name == "sqlite"  # reads wait for no other process
        self._let_go: Callable[[], None] | None = let_go
        # for fetch, out of the pool: to take one from there and give it back costs several times a query
        self._ready = deque[PoolProxiedConnection]()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed to disk when the block ends well, else rolled back."""
        with translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITES: True})
            with connection.begin():
                yield connection

    def query(self, statement: Select[*tuple[Any, ...]]) -> Query:
        """Prepare a statement for `fetch`."""
        return Query(statement, self.engine)

    def fetch(self, query: Query, *values: object) -> list[tuple[Any, ...]]:
        """All rows of one query, outside a transaction; a tenth of the cost of the long way."""
        try:
            taken = self._take()
            try:
                cursor = taken.cursor()
                cursor.execute(query.sql, values)
                rows = list(cursor.fetchall())
            except BaseException:
                taken.close()
                raise
        except FOREIGN as error:
            raise failure_of(error) from None
        self._ready.append(taken)
        if len(self._ready) > _READY or self._let_go is None:
            self._return_ready()
        return rows

    def ping(self) -> None:
        """Return when the database answers."""
        with translated(), self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM keystore")

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back. May be called again."""
        let_go, self._let_go = self._let_go, None
        self._return_ready()
        self.engine.dispose()
        if let_go is not None:
            let_go()

    def _keep(self, taken: PoolProxiedConnection) -> None:
        self._ready.append(taken)
        if len(self._ready) > _READY or self._let_go is None:
            self._return_ready()

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._ready.pop()
        except IndexError:
            return self.engine.raw_connection()

    def _return_ready(self) -> None:
        """Give back to the pool what was kept out of it."""
        with suppress(IndexError):
            while True:
                self._ready.pop().close()
