"""MariaDB and PostgreSQL of Debian's packages, on 127.0.0.1, with data of their own, for as long as a test run."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pymysql

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
        self.process: subprocess.Popen[bytes]
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", pwd.getpwnam("nobody").pw_gid)

    def make(self) -> None:
        """Make its data."""
        raise NotImplementedError

    def command(self, *more: str) -> list[str]:
        """What runs it."""
        raise NotImplementedError

    def ask(self, statement: str, database: str | None = None) -> list[Any]:
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
            except (pymysql.Error, psycopg.Error):
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

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if self.product == "postgresql" else signal.SIGKILL)
            self.process.wait(PATIENCE)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, query: str = "") -> str:
        return f"jdbc:{self.product}://127.0.0.1:{self.port}/{database}{query}"

    def fresh(self) -> str:
        """The name of a new database, which `hsmgate` owns."""
        raise NotImplementedError


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
            # defaults that must not matter
            "--character-set-server=latin1",
            "--collation-server=latin1_swedish_ci",
            "--sql-mode=",
            *more,
        ]

    def ask(self, statement: str, database: str | None = None) -> list[Any]:
        with (
            closing(pymysql.connect(unix_socket=f"{self.folder}/socket", user="root", database=database)) as raw,
            raw.cursor() as cursor,
        ):
            cursor.execute(statement)
            raw.commit()
            return list(cursor.fetchall())

    def prepare(self) -> None:
        self.ask(f"CREATE USER hsmgate@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'".replace("%", "%"))

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

    def ask(self, statement: str, database: str | None = None) -> list[Any]:
        with psycopg.connect(
            host=str(self.folder), port=self.port, user="admin", dbname=database or "postgres", autocommit=True
        ) as raw:
            found = raw.execute(statement)  # type: ignore[call-overload] - a text that is made here
            return [] if found.description is None else list(found.fetchall())

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
def running(product: str, *more: str) -> Iterator[DatabaseServer]:
    """A server of one's own."""
    server = MariaDbServer() if product == "mariadb" else PostgreSqlServer()
    try:
        server.make()
        server.start(*more)
        server.prepare()
        yield server
    finally:
        if hasattr(server, "process"):
            server.remove()


class DatabasePlace:
    """A database of one's own, of any product, as a configuration names it."""

    def __init__(self, product: str, folder: Path, server: DatabaseServer | None) -> None:
        self.product, self.folder, self.server = product, folder, server
        self.name = "" if server is None else server.fresh()
        self.url = None if server is None else server.url(self.name)
        self.user = None if server is None else ("hsmgate", PASSWORD)

    @property
    def environ(self) -> Mapping[str, str]:
        """For a command that shall use it."""
        if self.url is None:
            return {}
        return {
            "SPRING_DATASOURCE_URL": self.url,
            "SPRING_DATASOURCE_USERNAME": "hsmgate",
            "SPRING_DATASOURCE_PASSWORD": PASSWORD,
        }

    def connect(self, *, alone: bool = False) -> Any:
        """Open it, as the service does."""
        from hsmgate.adapters.sql import connect

        user = self.user or (None, None)
        return connect(self.url, *user, self.folder, alone=alone)

    def execute(self, statement: str) -> list[Any]:
        """Behind the back of the service."""
        if self.server is not None:
            return self.server.ask(statement, self.name)
        import sqlite3

        with closing(sqlite3.connect(self.folder / "hsmgate.db", isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()
