"""What is different on a server: connections that are lost, locks, TLS, first starts of several machines."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from sqlalchemy import Engine, event
from sqlalchemy.dialects.mysql.base import MySQLDialect

from hsmgate.adapters.sql import Database, connect, look, server_database
from hsmgate.adapters.sql.keys import KeyRow, KeyRows, KeystoreRow, insert_keystore
from hsmgate.adapters.sql.mariadb import PLACES, refuse_older
from hsmgate.adapters.sql.schema import keystore, stored_key
from hsmgate.adapters.sql.upgrade import HEAD
from hsmgate.errors import Failure, Reason
from support.database_servers import PASSWORD, PRODUCTS, DatabasePlace, DatabaseServer, running
from support.keystore_contract import raises

ROW = KeyRow("u1", "t", "a", "client", None, "EC", None, None, "{}", None, "generated", 1, b"p", None, b"s", 0)
on_servers = pytest.mark.parametrize("place", PRODUCTS, indirect=True)


def cut(place: DatabasePlace) -> None:
    """End all connections of the service, as a restart of the server or a firewall does."""
    assert place.server is not None
    if place.product == "postgresql":
        place.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hsmgate'")
    else:
        place.execute("KILL USER hsmgate")


# connections


@on_servers
def test_lost_connections_are_not_noticed_by_those_who_read_and_write(place: DatabasePlace) -> None:
    database = place.connect()
    rows = KeyRows(database, "t")
    assert rows.insert(ROW)
    for number in range(3):
        assert rows.by_label("a") is not None
        cut(place)
        assert rows.by_label("a") is not None
        cut(place)
        assert rows.insert(ROW._replace(uuid=f"later{number}", label=f"later{number}"))
        cut(place)
        database.ping()


@on_servers
def test_a_transaction_whose_connection_is_lost_leaves_nothing(place: DatabasePlace) -> None:
    database = place.connect()

    def insert_and_lose() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM stored_key")
            cut(place)
            connection.exec_driver_sql("DELETE FROM stored_key")

    assert KeyRows(database, "t").insert(ROW)
    with raises(Reason.CONNECTIVITY):
        insert_and_lose()
    assert KeyRows(database, "t").by_label("a") == ROW
    assert KeyRows(database, "t").delete("u1")


@on_servers
def test_of_a_server_that_is_gone_it_says_so(place: DatabasePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    database = place.connect()
    rows = KeyRows(database, "t")
    assert rows.insert(ROW)
    password = place.user[1]
    assert password is not None
    monkeypatch.setattr(server_database, "BUSY_SECONDS", 1)
    for url, user, said in (
        (str(place.url).replace(f":{place.server.port}/", ":1/"), "hsmgate", "not answer"),  # type: ignore[union-attr]
        (str(place.url), "somebody", "refusing the user or the password"),
        (str(place.url) + "x", "hsmgate", "not there|refusing this user"),
    ):
        with pytest.raises(Failure, match=said) as caught:
            connect(url, user, password, place.folder)
        assert caught.value.reason is Reason.CONNECTIVITY
        assert password not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fresh_place", ["postgresql"], indirect=True)
def test_tables_may_have_a_schema_of_their_own(fresh_place: DatabasePlace) -> None:
    url = f"{fresh_place.url}?currentSchema=gate"
    with pytest.raises(Failure, match="has no schema to make tables in"):
        connect(url, *fresh_place.user, fresh_place.folder)
    fresh_place.execute("CREATE SCHEMA gate AUTHORIZATION hsmgate")
    fresh_place.execute("CREATE TABLE something_else (a INTEGER)")
    database = connect(url, *fresh_place.user, fresh_place.folder)
    assert KeyRows(database, "t").insert(ROW)
    database.close()
    assert fresh_place.execute("SELECT label FROM gate.stored_key") == [("a",)]


# one lock for writers


@on_servers
def test_who_waits_too_long_for_the_lock_is_told(place: DatabasePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_database, "BUSY_SECONDS", 1)
    one, two = place.connect(), place.connect()
    with one.writing() as connection:
        with pytest.raises(Failure, match="locked by another process") as caught:
            KeyRows(two, "t").insert(ROW)
        assert caught.value.reason is Reason.CONNECTIVITY
        assert KeyRows(two, "t").by_label("a") is None, "who reads does not wait"
        connection.exec_driver_sql("DELETE FROM stored_key")
    assert KeyRows(two, "t").insert(ROW)


@on_servers
def test_the_lock_is_one_for_all_processes(place: DatabasePlace) -> None:
    databases = [place.connect() for _ in range(4)]
    begun = threading.Barrier(4)

    def work(database: Database) -> None:
        begun.wait()
        for _ in range(5):
            with database.writing() as connection:
                count = connection.exec_driver_sql("SELECT count(*) FROM stored_key").scalar_one()
                connection.exec_driver_sql("UPDATE keystore SET created = created")
                time.sleep(0.005)
                row = ROW._replace(uuid=f"u{count}", label=f"{count:03}")
                connection.execute(stored_key.insert().values(row._asdict()))

    threads = [threading.Thread(target=work, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert KeyRows(databases[0], "t").labels("client") == [f"{number:03}" for number in range(20)]


# who has it open


@on_servers
def test_a_lost_place_is_taken_again_before_the_next_write(place: DatabasePlace) -> None:
    database = place.connect()
    cut(place)
    assert KeyRows(database, "t").insert(ROW)
    with pytest.raises(Failure, match="stop it first"):
        place.connect(alone=True)


@on_servers
def test_who_lost_its_place_does_not_write_while_another_is_alone(place: DatabasePlace) -> None:
    database = place.connect()
    cut(place)
    alone = place.connect(alone=True)
    with pytest.raises(Failure, match="being changed as a whole") as caught:
        KeyRows(database, "t").insert(ROW)
    assert caught.value.reason is Reason.CONNECTIVITY
    alone.close()
    assert KeyRows(database, "t").insert(ROW)


@on_servers
def test_who_lost_its_place_does_not_seal_with_a_key_of_before(place: DatabasePlace) -> None:
    insert_keystore(place.connect(), KeystoreRow(1, bytes(16), None, bytes(32), 5))
    database = place.connect()
    cut(place)
    with place.connect(alone=True).writing() as connection:
        connection.execute(keystore.update().values(check_value=bytes(range(32))))
    cut(place)
    for _ in range(2):
        with pytest.raises(Failure, match="another sealing key meanwhile"):
            KeyRows(database, "t").insert(ROW)
    assert KeyRows(place.connect(), "t").insert(ROW)


@on_servers
def test_who_is_alone_does_not_go_on_when_it_is_not_sure_any_more(place: DatabasePlace) -> None:
    alone = place.connect(alone=True)
    cut(place)
    with pytest.raises(Failure, match="begin again"):
        KeyRows(alone, "t").insert(ROW)


@pytest.mark.parametrize("place", ["mariadb"], indirect=True)
def test_there_are_places_for_so_many(place: DatabasePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsmgate.adapters.sql.mariadb.PLACES", 3)
    opened = [place.connect() for _ in range(3)]
    with pytest.raises(Failure, match="open too often"):
        place.connect()
    opened[1].close()
    place.connect()
    assert PLACES > 3


# the tables


def test_first_starts_at_once_make_the_tables_once(fresh_place: DatabasePlace) -> None:
    program = (
        "import sys; from pathlib import Path; from hsmgate.adapters.sql import connect;"
        "connect(sys.argv[1], 'hsmgate', sys.argv[2], Path('/nowhere')).close()"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(fresh_place.url), PASSWORD]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * 3
    assert [tuple(row) for row in fresh_place.execute("SELECT version_num FROM alembic_version")] == [(HEAD,)]


@pytest.mark.parametrize(
    ("fresh_place", "step"),
    [*(("mariadb", step) for step in range(1, 12)), *(("postgresql", step) for step in (1, 4, 9))],
    indirect=["fresh_place"],
)
def test_an_upgrade_that_is_cut_off_is_taken_up_again(fresh_place: DatabasePlace, step: int) -> None:
    """Wherever it is cut off: MariaDB keeps what was made until then, PostgreSQL nothing."""
    made = 0

    def cut_off(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal made
        if statement.lstrip().startswith(("CREATE", "INSERT INTO alembic", "UPDATE alembic")):
            made += 1
            if made > step:
                raise ZeroDivisionError

    event.listen(Engine, "before_cursor_execute", cut_off)
    try:
        with pytest.raises(ZeroDivisionError):
            fresh_place.connect()
    finally:
        event.remove(Engine, "before_cursor_execute", cut_off)
    database = fresh_place.connect()
    assert KeyRows(database, "t").insert(ROW)
    assert [tuple(row) for row in fresh_place.execute("SELECT version_num FROM alembic_version")] == [(HEAD,)]


def test_a_table_that_is_in_the_way_is_told(fresh_place: DatabasePlace) -> None:
    fresh_place.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    fresh_place.execute("CREATE TABLE stored_key (other INTEGER)")
    if fresh_place.product == "postgresql":
        fresh_place.execute("GRANT ALL ON alembic_version, stored_key TO hsmgate")
    with raises(Reason.INTEGRITY):
        fresh_place.connect()


def test_a_database_of_something_else_is_left_alone(fresh_place: DatabasePlace) -> None:
    fresh_place.execute("CREATE TABLE flyway_schema_history (version INTEGER)")
    for use in (fresh_place.connect, lambda: look(fresh_place.url, *fresh_place.user, fresh_place.folder)):
        with pytest.raises(Failure, match="tables of something else") as caught:
            use()
        assert caught.value.reason is Reason.CONFIG_INVALID


@on_servers
def test_tables_of_a_newer_version_are_refused(place: DatabasePlace) -> None:
    place.execute("UPDATE alembic_version SET version_num = '9999'")
    try:
        with pytest.raises(Failure, match="newer version of hsmgate"):
            place.connect()
    finally:
        place.execute(f"UPDATE alembic_version SET version_num = '{HEAD}'")


@pytest.mark.parametrize(
    ("place", "version", "said"),
    [
        ("mariadb", "5.5.5-10.5.23-MariaDB", "MariaDB 10.5: MariaDB 10.6, MySQL 8.0.17 or newer is needed"),
        ("mariadb", "10.4.34-MariaDB-log", "MariaDB 10.4: "),
        ("postgresql", "120022", "PostgreSQL 12: 13 or newer is needed"),
    ],
    indirect=["place"],
)
def test_older_servers_are_refused_in_one_line(
    place: DatabasePlace, version: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.product == "mariadb":
        monkeypatch.setattr(
            MySQLDialect,
            "_get_server_version_info",
            lambda self, _connection: self._parse_server_version(version),
        )
    else:
        monkeypatch.setattr("hsmgate.adapters.sql.postgresql.VERSION", f"'{version}'")
    with pytest.raises(Failure, match=said) as caught:
        place.connect()
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)


def test_older_servers_of_mysql_are_refused() -> None:
    for old in ((5, 7, 44), (8, 0, 16)):
        with pytest.raises(Failure, match=r"MySQL 8\.0\.17 or newer is needed"):
            refuse_older(old, is_mariadb=False)
    refuse_older((8, 0, 17), is_mariadb=False)


# TLS


@contextmanager
def with_tls(product: str, folder: Path, host: str) -> Iterator[tuple[DatabaseServer, Path]]:
    """A server with a certificate for `host`, and the file of its authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert(host)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with running(product, certificate=leaf) as server:
        yield server, folder / "ca.pem"


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_connection_is_as_safe_as_asked_or_there_is_none(product: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    mode, ca = ("sslMode", "serverSslCert") if product == "mariadb" else ("sslmode", "sslrootcert")
    trust = "trust" if product == "mariadb" else "require"
    with with_tls(product, tmp_path, "127.0.0.1") as (server, authority):
        name = server.fresh()

        def safe(query: str, host: str = "127.0.0.1") -> str:
            url = server.url(name, f"?{query}").replace("127.0.0.1", host)
            database = connect(url, "hsmgate", PASSWORD, tmp_path)
            with database.engine.connect() as connection:
                found = connection.exec_driver_sql(
                    "SHOW STATUS LIKE 'Ssl_version'"
                    if product == "mariadb"
                    else "SELECT 1, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                ).one()[1]
            database.close()
            return str(found or "")

        assert safe(f"{mode}=disable") == ""
        assert safe(f"{mode}={trust}").startswith("TLSv1.")
        assert safe(f"{mode}=verify-ca&{ca}={authority}").startswith("TLSv1.")
        assert safe(f"{mode}=verify-full&{ca}={authority}").startswith("TLSv1.")
        assert safe(f"{mode}=verify-ca&{ca}={authority}", "localhost").startswith("TLSv1.")
        for query, host in (
            (f"{mode}=verify-full&{ca}={authority}", "localhost"),
            (f"{mode}=verify-full&{ca}={tmp_path}/other.pem", "127.0.0.1"),
            (f"{mode}=verify-ca&{ca}={tmp_path}/other.pem", "127.0.0.1"),
        ):
            with raises(Reason.CONNECTIVITY):
                safe(query, host)
        with raises(Reason.CONFIG_INVALID):
            safe(f"{mode}=verify-full&{ca}={tmp_path}/absent.pem")


@on_servers
def test_a_server_without_tls_is_not_spoken_to_in_the_clear_where_tls_is_asked_for(place: DatabasePlace) -> None:
    query = "?sslMode=trust" if place.product == "mariadb" else "?sslmode=require"
    with raises(Reason.CONNECTIVITY):
        connect(f"{place.url}{query}", *place.user, place.folder)
