"""PostgreSQL: how a connection is made and set up, its one lock for writers, who else is there."""

from typing import Any

from sqlalchemy import URL, Connection

from hsmgate.adapters.sql.database import WRITES
from hsmgate.adapters.sql.location import Server, refused
from hsmgate.adapters.sql.mariadb import CONNECT_SECONDS, IDLE_SECONDS, is_readable

_OLDEST = 13
VERSION = "current_setting('server_version_num')"
_SSL_MODES = {"off": "disable", "trust": "require", "verify-ca": "verify-ca", "verify-full": "verify-full"}
# advisory locks have two numbers of 32 bits: what for, and of which schema; each database has its own
_OF_WRITERS, _OF_USERS, _OF_TABLES = 0x68736D31, 0x68736D32, 0x68736D33
_SCHEMA = "hashtext(current_schema())"
_SET_UP = (
    "SET lock_timeout = '{busy_seconds}s'; SET idle_in_transaction_session_timeout = '{idle_seconds}s';"
    " SET standard_conforming_strings = on; SET extra_float_digits = 1; SET bytea_output = hex;"
    # a commit survives a power cut, whatever the server's default
    " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


class PostgreSql:
    """What `ServerDatabase` needs to know of it."""

    name = "PostgreSQL"

    def url(self, server: Server) -> URL:
        return URL.create("postgresql+psycopg", server.username, None, server.host, server.port, server.database)

    def arguments(self, server: Server, busy_seconds: int) -> dict[str, object]:
        """For the driver. Failure: CONFIG_INVALID (the file of authorities)."""
        self._busy_seconds = busy_seconds
        level, authorities = server.protected.level, server.protected.authorities
        if authorities is not None and not authorities.is_file():
            raise refused("the file of authorities cannot be read")
        return {
            "password": server.password,
            "autocommit": True,
            "client_encoding": "utf8",
            "application_name": "hsmgate",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": 20_000,  # ms
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "gssencmode": "disable",
            "sslmode": _SSL_MODES[level],
            # files that libpq would look for in the home are not asked for
            "sslrootcert": str(authorities) if authorities is not None else "/nonexistent",
            "sslcert": "/nonexistent",
            # to a server that nobody has proven, the password itself is not sent
            **({} if level.startswith("verify") else {"require_auth": "!password"}),
            **({"options": f"-c search_path={server.schema}"} if server.schema is not None else {}),
        }

    def set_up(self, raw: Any) -> None:  # noqa: ANN401 - the driver's connection
        """For each new connection."""
        raw.execute(_SET_UP.format(busy_seconds=self._busy_seconds, idle_seconds=IDLE_SECONDS))

    def begin(self, connection: Connection) -> None:
        """A transaction; one that writes holds the one lock from its first statement on, and each statement behind that
        sees what the writer before it has written.
        """
        if connection.get_execution_options().get(WRITES, False):
            connection.exec_driver_sql(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
                f" SELECT pg_advisory_xact_lock({_OF_WRITERS}, {_SCHEMA})"
            )
        else:
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def check(self, connection: Connection) -> None:
        """Failure: CONFIG_INVALID (too old, no UTF-8, no schema)."""
        found, encoding, schema = connection.exec_driver_sql(
            f"SELECT {VERSION}::int / 10000, current_setting('server_encoding'), current_schema()"
        ).one()
        if found < _OLDEST:
            raise refused(f"the server is PostgreSQL {found}: {_OLDEST} or newer is needed")
        if encoding != "UTF8":
            raise refused("the encoding of the database is not UTF8: make one with ENCODING 'UTF8'")
        if schema is None:
            raise refused("the database has no schema to make tables in: name one with currentSchema")

    def version(self, connection: Connection) -> str:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar_one()}"

    def hold(self, raw: Any, _database: str, *, alone: bool) -> bool:  # noqa: ANN401
        """Be one of those who have it open, or the only one. A connection is it until its end."""
        lock = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
        return bool(raw.execute(f"SELECT {lock}({_OF_USERS}, {_SCHEMA})").fetchone()[0])

    def upgrade_alone(self, raw: Any, _database: str, _busy_seconds: int) -> bool:  # noqa: ANN401
        """Wait for one's turn to change the tables."""
        raw.execute(f"SELECT pg_advisory_lock({_OF_TABLES}, {_SCHEMA})")
        return True

    def end_upgrade(self, raw: Any, _database: str) -> None:  # noqa: ANN401
        raw.execute(f"SELECT pg_advisory_unlock({_OF_TABLES}, {_SCHEMA})")

    def is_cut(self, raw: Any) -> bool:  # noqa: ANN401
        """Whether the server has ended this idle connection, as far as this machine knows; asks nobody."""
        return raw.closed or is_readable(raw.fileno())
