"""A database on a server: connections that are lost and made again, and who has it open."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, Select, create_engine, event, select
from sqlalchemy.dialects import sqlite as sqlite_dialect

from hsmgate.adapters.sql.database import UNLOCKED, WRITES, Database, Query
from hsmgate.adapters.sql.failures import failure_of, translated
from hsmgate.adapters.sql.location import Server
from hsmgate.adapters.sql.mariadb import MariaDb
from hsmgate.adapters.sql.postgresql import PostgreSql
from hsmgate.adapters.sql.schema import keystore
from hsmgate.adapters.sql.upgrade import refuse_foreign, tables_of, upgrade
from hsmgate.errors import Failure, Reason

BUSY_SECONDS = 10  # that a writer waits for another, as with SQLite
POOL = 8  # connections that stay open
OVERFLOW = 24


class Product(Protocol):
    """What differs from server to server."""

    name: str

    def url(self, server: Server) -> URL: ...
    def arguments(self, server: Server, busy_seconds: int) -> dict[str, object]: ...
    def set_up(self, raw: Any) -> None: ...  # noqa: ANN401 - here and below: the driver's connection
    def begin(self, connection: Connection) -> None: ...
    def check(self, connection: Connection) -> None: ...
    def version(self, connection: Connection) -> str: ...
    def hold(self, raw: Any, database: str, *, alone: bool) -> bool: ...  # noqa: ANN401
    def upgrade_alone(self, raw: Any, database: str, busy_seconds: int) -> bool: ...  # noqa: ANN401
    def end_upgrade(self, raw: Any, database: str) -> None: ...  # noqa: ANN401
    def is_cut(self, raw: Any) -> bool: ...  # noqa: ANN401


class ServerQuery(Query):
    """Values are given in the order that SQLite has them; some servers want another."""

    def __init__(self, statement: Select[*tuple[Any, ...]], engine: Engine) -> None:
        super().__init__(statement, engine)
        there = statement.compile(dialect=engine.dialect).positiontup or []
        given = statement.compile(dialect=sqlite_dialect.dialect()).positiontup or []
        self._order = None if there == given else [given.index(name) for name in there]

    def ordered(self, values: tuple[object, ...]) -> tuple[object, ...]:
        return values if self._order is None else tuple(values[place] for place in self._order)


class Use:
    """A connection of its own that says, as long as it lasts, that the database is open here.

    Whoever seals all keys anew must be alone. So where the connection was lost, it is seen to before the next write
    that the sealing key is still the one that this process knows.
    """

    def __init__(self, engine: Engine, product: Product, server: Server, *, alone: bool) -> None:
        """Failure: CONNECTIVITY (in use, or not to be reached)."""
        self._engine, self._product, self._server, self._alone = engine, product, server, alone
        self._lock = threading.Lock()
        self._seen: bytes | None = None
        self._raw: Any = None
        self._take()

    def renew(self, connection: Connection) -> None:
        """Before a write: see that it is held, or hold it again. `connection`: the one that is going to write.

        Failure: CONNECTIVITY.
        """
        with self._lock:
            lost = self._raw is None or self._product.is_cut(self._raw)
            if lost:
                self._drop()
                if self._alone:
                    raise Failure(Reason.CONNECTIVITY, "the connection that kept others away was lost: begin again")
                self._take()
            known = self._seen
            if lost or known is None:
                self.know(connection)
            if known is not None and self._seen != known:
                self._seen = known
                self._drop()
                raise Failure(
                    Reason.CONNECTIVITY, "the keys were sealed with another sealing key meanwhile: start again"
                )

    def know(self, connection: Connection) -> None:
        """Remember the sealing key that is in use now."""
        found = connection.execute(select(keystore.c.check_value)).scalar()
        self._seen = None if found is None else bytes(found)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _take(self) -> None:
        proxy = self._engine.raw_connection()
        raw: Any = proxy.driver_connection
        proxy.detach()
        try:
            held = self._product.hold(raw, self._server.database, alone=self._alone)
        except BaseException:
            raw.close()
            raise
        if not held:
            raw.close()
            raise Failure(
                Reason.CONNECTIVITY,
                f"{self._server} is in use, by a service that runs or by another command: stop it first"
                if self._alone
                else f"{self._server} is being changed as a whole by another command, or open too often: wait",
            )
        self._raw = raw

    def _drop(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(Exception):  # it may be gone already
                raw.close()


class ServerDatabase(Database):
    """A lost connection is noticed and another one taken: once at once, and later at each call until there is one."""

    def __init__(self, engine: Engine, product: Product, server: Server, *, alone: bool) -> None:
        """Open it, and bring its tables to this version's. Failure: CONFIG_INVALID, CONNECTIVITY, INTEGRITY."""
        super().__init__(engine)
        self._product, self._server = product, server
        self._errors = _errors(engine)
        with self._told():
            with engine.connect() as connection:
                product.check(connection)
            self._use = Use(engine, product, server, alone=alone)
            self._let_go = self._use.close
            try:
                self._upgrade()
                with engine.connect() as connection:
                    self._use.know(connection)
            except BaseException:
                self.close()
                raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._told(), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITES: True})
            with connection.begin():
                self._use.renew(connection)
                yield connection

    def query(self, statement: Select[*tuple[Any, ...]]) -> ServerQuery:
        return ServerQuery(statement, self.engine)

    def fetch(self, query: Query, *values: object) -> list[tuple[Any, ...]]:
        assert isinstance(query, ServerQuery), "it was prepared by this database"
        given = query.ordered(values)
        kept = bool(self._ready)
        try:
            return self._rows(query, given)
        except self._errors as error:
            failure = failure_of(error)
            if failure.reason is Reason.INVALID_INPUT:
                return []  # what a text cannot hold stands in no row
            if not kept or failure.reason is not Reason.CONNECTIVITY:
                raise failure from None
        self._return_ready()  # one that was kept is lost: so may the others be, and the pool tries those that it gives
        with self._told():
            return self._rows(query, given)

    def _rows(self, query: Query, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        taken = self._take()
        try:
            with closing(taken.cursor()) as cursor:
                cursor.execute(query.sql, values)
                rows = list(cursor.fetchall())
        except BaseException:
            taken.invalidate()
            raise
        self._keep(taken)
        return rows

    def _upgrade(self) -> None:
        with self.engine.connect() as connection:
            if tables_of(connection).state == "current":
                return
            refuse_foreign(connection)
        proxy = self.engine.raw_connection()
        raw, database = proxy.driver_connection, self._server.database
        try:
            if not self._product.upgrade_alone(raw, database, BUSY_SECONDS):
                raise Failure(Reason.CONNECTIVITY, "the database is locked by another process: it changes the tables")
            with self.engine.connect() as plain:
                connection = plain.execution_options(**{WRITES: True, UNLOCKED: True})
                with connection.begin():
                    upgrade(connection)
            self._product.end_upgrade(raw, database)
        except BaseException:
            proxy.invalidate()
            raise
        proxy.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with told(self.engine):
            yield


def engine_of(server: Server) -> tuple[Engine, Product]:
    """Its connections are set up for safety before speed; nothing is opened yet. Failure: CONFIG_INVALID."""
    product: Product = MariaDb() if server.product == "mariadb" else PostgreSql()
    engine = create_engine(
        product.url(server),
        connect_args=product.arguments(server, BUSY_SECONDS),
        paramstyle="format",  # by position, as `fetch` gives them
        hide_parameters=True,
        pool_pre_ping=True,
        pool_reset_on_return=None,  # every transaction is ended by who began it
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=BUSY_SECONDS,
    )
    event.listen(engine, "connect", lambda raw, _record: product.set_up(raw))
    event.listen(engine, "begin", product.begin)
    return engine, product


def open_server(server: Server, *, alone: bool) -> ServerDatabase:
    """Failure: CONFIG_INVALID, CONNECTIVITY, INTEGRITY."""
    engine, product = engine_of(server)
    try:
        with named(server):
            return ServerDatabase(engine, product, server, alone=alone)
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def looking(server: Server) -> Iterator[Connection]:
    """Read only. Failure: CONFIG_INVALID (too old a server), CONNECTIVITY, INTEGRITY."""
    engine, product = engine_of(server)
    try:
        with named(server), told(engine), engine.connect() as connection:
            product.check(connection)
            refuse_foreign(connection)
            yield connection
    finally:
        engine.dispose()


def version_of(server: Server) -> str:
    """Product and version, as in `MariaDB 10.11.6`. Failure: as `looking`."""
    engine, product = engine_of(server)
    try:
        with named(server), told(engine), engine.connect() as connection:
            return product.version(connection)
    finally:
        engine.dispose()


@contextmanager
def named(server: Server) -> Iterator[None]:
    """Say of which server it is that it does not answer, to whoever starts or looks."""
    try:
        yield
    except Failure as failure:
        if failure.reason is not Reason.CONNECTIVITY or str(server) in str(failure):
            raise
        raise Failure(Reason.CONNECTIVITY, f"{server}: {failure}") from None


@contextmanager
def told(engine: Engine) -> Iterator[None]:
    """Let no exception of SQLAlchemy or of the driver out. Failure: CONNECTIVITY, INTEGRITY."""
    try:
        with translated():
            yield
    except _errors(engine) as error:
        raise failure_of(error) from None


def _errors(engine: Engine) -> type[Exception]:
    found: type[Exception] = engine.dialect.loaded_dbapi.Error
    return found
