"""MariaDB and PostgreSQL of Debian's packages, on 127.0.0.1, with data of their own, for as long as a test run."""

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pymysql
import trustme

from hsmgate.adapters.sql import Database, connect
from hsmgate.adapters.sql.schema import metadata

PATIENCE = 60.0  # seconds; a bound for a noisy machine, never the expected time
PASSWORD = "gute Nacht, \u00e4%&/x"  # what must be escaped somewhere
PRODUCTS = ("mariadb", "postgresql")
_SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


def _unprivileged(*death: str) -> list[str]:
    """What a command has to begin with to run as nobody, and to die with this process."""
    setpriv = ["setpriv", *death]
    if os.geteuid() == 0:
        found = pwd.getpwnam("nobody")
        setpriv += [f"--reuid={found.pw_uid}", f"--regid={found.pw_gid}", "--clear-groups"]
    return setpriv if len(setpriv) > 1 else []


class DatabaseServer:
    """One server; `folder` is its own, and goes with it."""

    product = ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hsmgate-db-"))
        self.port = free_port()
        self.kept = ""
        self.process: subprocess.Popen[bytes]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", pwd.getpwnam("nobody").pw_gid)

    def make(self) -> None:
        """Make its data."""
        raise NotImplementedError

    def command(self, *more: str) -> list[str]:
        """What runs it."""
        raise NotImplementedError

    def ask(self, *statements: str, database: str | None = None) -> list[Any]:
        """As its administrator."""
        raise NotImplementedError

    def start(self, *more: str) -> Self:
        """Return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_unprivileged("--pdeathsig=KILL"), *self.command(*more)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)},
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("SELECT 1")
            except (pymysql.Error, psycopg.Error, FileNotFoundError):
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)
            else:
                return self

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """What a crash looks like."""
        self.process.kill()
        self.process.wait(PATIENCE)
        (self.folder / "socket").unlink(missing_ok=True)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if self.product == "postgresql" else signal.SIGKILL)
            self.process.wait(PATIENCE)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, query: str = "") -> str:
        return f"jdbc:{self.product}://127.0.0.1:{self.port}/{database}{query}"

    def tls(self, certificate: trustme.LeafCert) -> list[str]:
        """What makes it serve with this certificate."""
        chain, key = self.folder / "tls.pem", self.folder / "tls.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        key.write_bytes(certificate.private_key_pem.bytes())
        key.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(key, "nobody")
        return self.tls_options(chain, key)

    def tls_options(self, chain: Path, key: Path) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the user `hsmgate`."""
        raise NotImplementedError

    def fresh(self) -> str:
        """The name of a new database, which `hsmgate` owns."""
        raise NotImplementedError

    def emptied(self) -> str:
        """The name of a database that has its tables and no rows: the same one each time, which is much faster."""
        if not self.kept:
            self.kept = self.fresh()
            connect(self.url(self.kept), "hsmgate", PASSWORD, self.folder).close()
        self.ask(*(f"DELETE FROM {table}" for table in metadata.tables), database=self.kept)
        return self.kept


def _run(folder: Path, *command: str, said: str = "") -> None:
    done = subprocess.run(
        [*_unprivileged(), *command],
        cwd=folder,
        env={**os.environ, "PATH": _SBIN, "HOME": str(folder)},
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class MariaDbServer(DatabaseServer):
    product = "mariadb"

    def make(self) -> None:
        """What mariadb-install-db does, which needs a package of clients beside."""
        share = Path("/usr/share/mysql")
        tables = [share / name for name in ("mysql_system_tables.sql", "mysql_system_tables_data.sql")]
        said = "CREATE DATABASE mysql;\nUSE mysql;\nSET @skip_auth_anonymous = 1;\n" + "".join(
            path.read_text() for path in tables
        )
        (self.folder / "data").mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder / "data", "nobody")
        _run(self.folder, *self.command("--bootstrap", "--skip-networking"), said=said)

    def command(self, *more: str) -> list[str]:
        return [
            str(shutil.which("mariadbd", path=_SBIN)),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=8M",
            "--innodb-flush-log-at-trx-commit=2",  # what is committed outlives the process, if not a power cut
            "--skip-innodb-doublewrite",
            # defaults that must not matter
            "--character-set-server=latin1",
            "--collation-server=latin1_swedish_ci",
            "--sql-mode=",
            *more,
        ]

    def ask(self, *statements: str, database: str | None = None) -> list[Any]:
        if not (self.folder / "socket").exists():  # the driver would leave a socket of its own open
            raise FileNotFoundError(self.folder / "socket")
        with (
            closing(pymysql.connect(unix_socket=f"{self.folder}/socket", user="root", database=database)) as raw,
            raw.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            raw.commit()
            return list(cursor.fetchall())

    def tls_options(self, chain: Path, key: Path) -> list[str]:
        return [f"--ssl-cert={chain}", f"--ssl-key={key}"]

    def prepare(self) -> None:
        self.ask(f"CREATE USER hsmgate@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")

    def fresh(self) -> str:
        name = f"d{uuid.uuid4().hex[:12]}"
        self.ask(f"CREATE DATABASE {name}")
        self.ask(f"GRANT ALL ON {name}.* TO hsmgate@'127.0.0.1'")
        return name


class PostgreSqlServer(DatabaseServer):
    product = "postgresql"

    def make(self) -> None:
        _run(
            self.folder,
            *(_postgres("initdb"), "-D", f"{self.folder}/data", "-U", "admin", "--auth-local=trust"),
            *("--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions", "-N"),
        )

    def command(self, *more: str) -> list[str]:
        return [
            *(_postgres("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port), "-h", "127.0.0.1"),
            *("-k", str(self.folder), "-c", "shared_buffers=16MB", "-c", "synchronous_commit=off", *more),
        ]

    def ask(self, *statements: str, database: str | None = None) -> list[Any]:
        with psycopg.connect(
            host=str(self.folder), port=self.port, user="admin", dbname=database or "postgres", autocommit=True
        ) as raw:
            for statement in statements:
                found = raw.execute(statement.encode())
            return [] if found.description is None else list(found.fetchall())

    def tls_options(self, chain: Path, key: Path) -> list[str]:
        return ["-c", "ssl=on", "-c", f"ssl_cert_file={chain}", "-c", f"ssl_key_file={key}"]

    def prepare(self) -> None:
        self.ask(f"CREATE ROLE hsmgate LOGIN PASSWORD '{PASSWORD}'")

    def fresh(self) -> str:
        name = f"d{uuid.uuid4().hex[:12]}"
        self.ask(f"CREATE DATABASE {name} OWNER hsmgate")
        return name


def _postgres(program: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else program


@contextmanager
def running(product: str, certificate: trustme.LeafCert | None = None) -> Iterator[DatabaseServer]:
    """A server of one's own, with TLS if it has a certificate."""
    server = MariaDbServer() if product == "mariadb" else PostgreSqlServer()
    try:
        server.make()
        server.start(*(() if certificate is None else server.tls(certificate)))
        server.prepare()
        yield server
    finally:
        if hasattr(server, "process"):
            server.remove()


class Servers:
    """Database servers, each started when it is first asked for."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._running: dict[str, DatabaseServer] = {}

    def __getitem__(self, product: str) -> DatabaseServer:
        if product not in self._running:
            self._running[product] = self._ends.enter_context(running(product))
        return self._running[product]


class DatabasePlace:
    """A database of any product, as a configuration names it; SQLite's lies in `folder`."""

    def __init__(self, folder: Path, server: DatabaseServer | None, *, fresh: bool = False) -> None:
        self.folder, self.server = folder, server
        self._opened: list[Database] = []
        self.product = "sqlite" if server is None else server.product
        self.url: str | None = None
        self.user: tuple[str | None, str | None] = (None, None)
        if server is not None:
            self.name = server.fresh() if fresh else server.emptied()
            self.url, self.user = server.url(self.name), ("hsmgate", PASSWORD)

    @property
    def environ(self) -> dict[str, str]:
        """For a command that shall use it."""
        names = ("SPRING_DATASOURCE_URL", "SPRING_DATASOURCE_USERNAME", "SPRING_DATASOURCE_PASSWORD")
        return {name: value for name, value in zip(names, (self.url, *self.user), strict=True) if value is not None}

    def connect(self, *, alone: bool = False) -> Database:
        """Open it, as the service does; closed with the place, at the latest."""
        made = connect(self.url, *self.user, self.folder, alone=alone)
        self._opened.append(made)
        return made

    def close(self) -> None:
        for database in self._opened:
            database.close()

    def execute(self, statement: str) -> list[Any]:
        """Behind the back of the service."""
        if self.server is not None:
            return self.server.ask(statement, database=self.name)
        with closing(sqlite3.connect(self.folder / "hsmgate.db", isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()
