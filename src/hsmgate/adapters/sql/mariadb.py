"""MariaDB, and MySQL: how a connection is made and set up, its one lock for writers, who else is there."""

import hashlib
import select
import ssl
from typing import Any

from sqlalchemy import URL, Connection

from hsmgate.adapters.sql.database import UNLOCKED, WRITES
from hsmgate.adapters.sql.location import Server, refused
from hsmgate.adapters.sql.protection import Protected

ANSWER_SECONDS = 60  # that a statement may take, longer than it may wait for a lock
CONNECT_SECONDS = 5
IDLE_SECONDS = 60  # that a transaction may do nothing, as that of a machine which is gone
PLACES = 64  # processes that may have the database open
_YEAR = 31_536_000
_MARIADB, _MYSQL = (10, 6), (8, 0, 17)


class MariaDb:
    """What `ServerDatabase` needs to know of it."""

    name = "MariaDB"

    def url(self, server: Server) -> URL:
        return URL.create("mysql+pymysql", server.username, None, server.host, server.port, server.database)

    def arguments(self, server: Server, busy_seconds: int) -> dict[str, object]:
        """For the driver. Failure: CONFIG_INVALID (the file of authorities)."""
        tls = context(server.protected)
        return {
            "password": (server.password or "").encode(),  # as a text the driver would take it for Latin-1
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
            "write_timeout": ANSWER_SECONDS,
            "auth_plugin_map": {} if server.protected.level.startswith("verify") else dict.fromkeys(_BARE, _Refusing),
            # strict: what does not fit is refused, never cut
            "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {busy_seconds},"
            f" lock_wait_timeout = {busy_seconds}, default_storage_engine = InnoDB",
            **({"ssl_disabled": True} if tls is None else {"ssl": tls}),
        }

    def set_up(self, raw: Any) -> None:  # noqa: ANN401 - the driver's connection
        """For each new connection."""
        with raw.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if "mariadb" in raw.get_server_info().lower():
                cursor.execute(f"SET SESSION idle_transaction_timeout = {IDLE_SECONDS}")

    def begin(self, connection: Connection) -> None:
        """A transaction; one that writes holds the one lock from its first statement on. Its first look at the tables
        comes after that, so it sees what the writer before it has written.
        """
        options = connection.get_execution_options()
        if not options.get(WRITES, False):
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
            return
        connection.exec_driver_sql("START TRANSACTION READ WRITE")
        if not options.get(UNLOCKED, False):
            connection.exec_driver_sql("SELECT version_num FROM alembic_version FOR UPDATE").fetchall()

    def check(self, connection: Connection) -> None:
        """Failure: CONFIG_INVALID (too old)."""
        dialect: Any = connection.dialect
        refuse_older(dialect.server_version_info, is_mariadb=dialect.is_mariadb)

    def version(self, connection: Connection) -> str:
        dialect: Any = connection.dialect
        return f"{'MariaDB' if dialect.is_mariadb else 'MySQL'} {_dotted(dialect.server_version_info[:3])}"

    def hold(self, raw: Any, database: str, *, alone: bool) -> bool:  # noqa: ANN401
        """Take a place among those who have it open, or all of them. A connection holds them until its end."""
        with raw.cursor() as cursor:
            cursor.execute(f"SET SESSION wait_timeout = {_YEAR}")
            for number in range(PLACES):
                cursor.execute("SELECT GET_LOCK(%s, 0)", (f"{_lock_name(database)}.{number}",))
                taken = cursor.fetchone()[0] == 1
                if taken is not alone:
                    return not alone
        return alone

    def upgrade_alone(self, raw: Any, database: str, busy_seconds: int) -> bool:  # noqa: ANN401
        """Wait for one's turn to change the tables, until the end of the connection. DDL ends transactions here, so no
        lock of theirs would do.
        """
        with raw.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (f"{_lock_name(database)}.tables", busy_seconds))
            return bool(cursor.fetchone()[0] == 1)

    def end_upgrade(self, raw: Any, database: str) -> None:  # noqa: ANN401
        with raw.cursor() as cursor:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (f"{_lock_name(database)}.tables",))

    def is_cut(self, raw: Any) -> bool:  # noqa: ANN401
        """Whether the server has ended this idle connection, as far as this machine knows; asks nobody."""
        return not bool(raw.open) or is_readable(raw._sock.fileno())  # noqa: SLF001 - it has no other way


def refuse_older(version: tuple[int, ...], *, is_mariadb: bool) -> None:
    """Failure: CONFIG_INVALID."""
    if version < (_MARIADB if is_mariadb else _MYSQL):
        found = f"{'MariaDB' if is_mariadb else 'MySQL'} {_dotted(version[:2])}"
        raise refused(f"the server is {found}: MariaDB 10.6, MySQL 8.0.17 or newer is needed")


def context(protected: Protected) -> ssl.SSLContext | None:
    """Python's rules for a connection with this protection. Failure: CONFIG_INVALID."""
    if protected.level == "off":
        return None
    try:
        made = ssl.create_default_context(cafile=protected.authorities and str(protected.authorities))
    except (OSError, ssl.SSLError):
        raise refused("the file of authorities cannot be read as certificates in PEM") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = protected.level == "verify-full"
    if protected.level == "trust":
        made.verify_mode = ssl.CERT_NONE
    return made


def is_readable(descriptor: int) -> bool:
    """Whether octets, or an end, have come that nobody asked for."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(0))


class _Refusing:
    """Of a server that nobody has proven, a wish to be sent the password itself."""

    def __init__(self, _connection: object) -> None:
        pass

    def authenticate(self, _packet: object) -> None:
        from pymysql.err import OperationalError

        raise OperationalError(1045, "the server asks for the password itself")


_BARE = ("mysql_clear_password", "dialog", "mysql_old_password")


def _lock_name(database: str) -> str:
    return f"hsmgate.{hashlib.sha256(database.encode()).hexdigest()[:16]}"


def _dotted(version: tuple[object, ...]) -> str:
    return ".".join(map(str, version))
