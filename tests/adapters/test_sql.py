import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from hsmgate.adapters.sql import Database, connect, sqlite
from hsmgate.adapters.sql.keys import KeyRow, KeyRows, KeystoreRow, insert_keystore, read_keystore
from hsmgate.adapters.sql.schema import metadata, stored_key
from hsmgate.adapters.sql.upgrade import HEAD, MIGRATIONS
from hsmgate.errors import Failure, Reason
from support.keystore_contract import raises

ROW = KeyRow("u1", "t", "a", "client", None, "EC", None, None, "{}", None, "generated", 1, b"p", None, b"s", 0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = connect(None, None, None, tmp_path)
    yield opened
    opened.close()


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


# where it lies


@pytest.mark.parametrize(
    ("url", "file"),
    [
        (None, "hsmgate.db"),
        ("sqlite:///keys.db", "keys.db"),
        ("sqlite:///deep/er/keys.db", "deep/er/keys.db"),
        ("sqlite+pysqlite:///keys.db", "keys.db"),
        ("jdbc:sqlite:keys.db", "keys.db"),
        ("jdbc:sqlite:./keys.db", "keys.db"),
        ("sqlite:///with space %41 #.db", "with space %41 #.db"),
    ],
)
def test_a_url_names_a_file_below_the_data_folder(tmp_path: Path, url: str | None, file: str) -> None:
    database = connect(url, "sa", "password", tmp_path / "data")
    database.ping()
    database.close()
    assert execute(tmp_path / "data" / file, "SELECT version_num FROM alembic_version") == [(HEAD,)]


@pytest.mark.parametrize("start", ["sqlite:///", "jdbc:sqlite:"])
def test_a_url_may_name_an_absolute_file(tmp_path: Path, start: str) -> None:
    connect(f"{start}{tmp_path}/a.db", None, None, Path("/nowhere")).close()
    assert (tmp_path / "a.db").is_file()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jdbc:h2:mem:test", "h2 is not in this version"),
        ("jdbc:h2:file:./data/secret", "h2 is not in this version"),
        ("jdbc:oracle:thin:sa/secret@db", "oracle is not in this version"),
        ("sqlite://", "not understood"),
        ("sqlite:///", "not understood"),
        ("sqlite://secret/keys.db", "not understood"),
        ("secret", "not understood"),
        ("", "not understood"),
        ("sqlite:///:memory:", "would be lost"),
        ("jdbc:sqlite::memory:", "would be lost"),
        ("sqlite:///file:secret?mode=memory&uri=true", "would be lost"),
        ("sqlite:///keys.db?mode=ro&key=secret", "no parameters"),
        ("sqlite:///keys\0.db", "no parameters"),
    ],
)
def test_other_urls_are_refused_in_one_line(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        connect(url, "sa", "secret", tmp_path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    for umask in (0o000, 0o777):
        folder = tmp_path / f"{umask:o}" / "data"
        old = os.umask(umask)
        try:
            database = connect(None, None, None, folder)
            with database.writing() as connection:
                connection.execute(stored_key.insert().values(ROW._asdict()))
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()}
            database.close()
        finally:
            os.umask(old)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert modes.pop("hsmgate.db.lock") & 0o077 == 0
        assert modes.pop("hsmgate.db.use") & 0o077 == 0
        assert modes == {"hsmgate.db": 0o600, "hsmgate.db-wal": 0o600, "hsmgate.db-shm": 0o600}


def test_what_is_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "link.db").symlink_to("nowhere")
    (tmp_path / "file").write_text("")
    for url in ("sqlite:///folder.db", "sqlite:///link.db"):
        with raises(Reason.CONFIG_INVALID):
            connect(url, None, None, tmp_path)
    with raises(Reason.STORE_UNREADABLE):
        connect("sqlite:///file/keys.db", None, None, tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    connect(None, None, None, tmp_path).close()
    (tmp_path / "hsmgate.db").chmod(0o666)
    with pytest.raises(Failure, match="chmod o-w") as caught:
        connect(None, None, None, tmp_path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    (tmp_path / "hsmgate.db").chmod(0o660)  # a group may be the service's own
    connect(None, None, None, tmp_path).close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "hsmgate.db").write_bytes(b"these are the accounts of 1987" * 99)
    with raises(Reason.INTEGRITY):
        connect(None, None, None, tmp_path)
    assert (tmp_path / "hsmgate.db").read_bytes().startswith(b"these are")


# how it is set up


def test_connections_are_set_up_for_safety(database: Database) -> None:
    with database.engine.connect() as connection:
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("secure_delete", 1),
            ("trusted_schema", 0),
            ("cache_size", -32768),
            ("busy_timeout", 10_000),
        ):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path, database: Database) -> None:
    """Another process that opens copies of the files, as after a crash, finds the row."""
    assert KeyRows(database, "t").insert(ROW)
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("hsmgate.db", "hsmgate.db-wal"):
        (copies / name).write_bytes((tmp_path / name).read_bytes())
    assert execute(copies / "hsmgate.db", "SELECT label FROM stored_key") == [("a",)]


# the tables


def test_the_newest_migration_is_the_head_that_starts_look_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == HEAD
    assert len(script.get_heads()) == 1


def test_a_second_start_changes_nothing(tmp_path: Path, database: Database) -> None:
    assert KeyRows(database, "t").insert(ROW)
    before = execute(tmp_path / "hsmgate.db", "SELECT sql FROM sqlite_master")
    again = connect(None, None, None, tmp_path)
    assert KeyRows(again, "t").by_label("a") == ROW
    again.close()
    assert execute(tmp_path / "hsmgate.db", "SELECT sql FROM sqlite_master") == before


@pytest.mark.parametrize("version", ["0999", "9999", "abc", "-1"])
def test_tables_of_a_newer_version_are_refused(tmp_path: Path, database: Database, version: str) -> None:
    execute(tmp_path / "hsmgate.db", f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(Failure, match="newer version of hsmgate") as caught:
        connect(None, None, None, tmp_path)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)


def test_tables_of_an_older_version_are_migrated_and_keep_their_rows(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/hsmgate.db")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(stored_key.insert().values(ROW._asdict()))
    engine.dispose()
    database = connect(None, None, None, tmp_path)
    assert KeyRows(database, "t").by_label("a") == ROW
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_an_upgrade_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    execute(tmp_path / "hsmgate.db", "CREATE TABLE stored_key (other TEXT)")
    with raises(Reason.INTEGRITY):
        connect(None, None, None, tmp_path)
    tables = execute(tmp_path / "hsmgate.db", "SELECT name FROM sqlite_master")
    assert tables == [("stored_key",)]


def test_first_starts_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hsmgate.adapters.sql import connect;"
        "connect(None, None, None, Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "data")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * 4
    assert execute(tmp_path / "data" / "hsmgate.db", "SELECT version_num FROM alembic_version") == [(HEAD,)]


def test_upgrading_says_nothing_and_sets_up_no_logging(tmp_path: Path) -> None:
    program = (
        "import logging, sys; from pathlib import Path; from hsmgate.adapters.sql import connect;"
        "before = (logging.root.level, list(logging.root.handlers));"
        "connect(None, None, None, Path(sys.argv[1])).close();"
        "assert before == (logging.root.level, list(logging.root.handlers))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# the rows


def test_the_row_of_the_keystore_is_one(tmp_path: Path, database: Database) -> None:
    assert read_keystore(database) is None
    row = KeystoreRow(1, bytes(16), None, bytes(32), 5)
    assert insert_keystore(database, row)
    assert not insert_keystore(database, row)
    assert read_keystore(database) == row
    execute(tmp_path / "hsmgate.db", "UPDATE keystore SET database_id = 'text'")
    with raises(Reason.INTEGRITY):
        read_keystore(database)


def test_text_that_is_no_utf_8_is_told(tmp_path: Path, database: Database) -> None:
    rows = KeyRows(database, "t")
    assert rows.insert(ROW)
    execute(tmp_path / "hsmgate.db", "UPDATE stored_key SET attributes = CAST(x'ff' AS TEXT)")
    with raises(Reason.INTEGRITY):
        rows.by_label("a")


def test_a_missing_table_is_told(tmp_path: Path, database: Database) -> None:
    for table in ("keystore", "stored_key"):
        execute(tmp_path / "hsmgate.db", f"DROP TABLE {table}")
    with raises(Reason.INTEGRITY):
        database.ping()
    with raises(Reason.INTEGRITY):
        KeyRows(database, "t").insert(ROW)


def test_when_all_connections_are_in_use_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("POOL", 1), ("OVERFLOW", 0), ("BUSY_SECONDS", 0.05)):
        monkeypatch.setattr(sqlite, name, value)
    database = connect(None, None, None, tmp_path)
    with database.engine.connect():
        for use in (database.ping, lambda: KeyRows(database, "t").labels("client")):
            with raises(Reason.CONNECTIVITY):
                use()
    database.ping()
    database.close()
