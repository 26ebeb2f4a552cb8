"""A database that is in use is not changed as a whole; tables are looked at without changing them; snapshots hold."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hsmgate.adapters.sql import connect, look
from hsmgate.adapters.sql.keys import KeyRow, KeyRows
from hsmgate.adapters.sql.sqlite import snapshot
from hsmgate.adapters.sql.upgrade import HEAD, Tables
from hsmgate.errors import Failure, Reason

ROW = KeyRow("u1", "t", "a", "client", None, "EC", None, None, "{}", None, "GENERATED", 1, b"p", None, b"s")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    connect(None, None, None, tmp_path).close()
    return tmp_path / "hsmgate.db"


def test_many_may_use_it_and_one_alone(path: Path) -> None:
    first, second = connect(None, None, None, path.parent), connect(None, None, None, path.parent)
    first.close()
    first.close()  # may be repeated, and lets nobody else's lock go
    with pytest.raises(Failure, match="in use, by a service that runs") as caught:
        connect(None, None, None, path.parent, alone=True)
    assert caught.value.reason is Reason.CONNECTIVITY
    second.close()
    alone = connect(None, None, None, path.parent, alone=True)
    for again in (True, False):
        with pytest.raises(Failure, match=r"hsmgate\.db is (in use|being changed)"):
            connect(None, None, None, path.parent, alone=again)
    alone.close()
    connect(None, None, None, path.parent).close()


def test_a_process_that_was_killed_uses_it_no_more(path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from hsmgate.adapters.sql import connect;"
        "kept = connect(None, None, None, Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(path.parent)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(Failure, match="stop it first"):
            connect(None, None, None, path.parent, alone=True)
    finally:
        other.kill()
        other.communicate()
    connect(None, None, None, path.parent, alone=True).close()


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hsmgate.db.use").symlink_to("elsewhere")
    with pytest.raises(Failure, match=r"hsmgate\.db\.use: too many levels") as caught:
        connect(None, None, None, tmp_path)
    assert caught.value.reason is Reason.CONFIG_INVALID


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", Tables(state="current", found=HEAD)),
        ("UPDATE alembic_version SET version_num = '0001'", Tables(state="older", found="0001")),
        ("UPDATE alembic_version SET version_num = '9999'", Tables(state="newer", found="9999")),
        ("UPDATE alembic_version SET version_num = ''", Tables(state="newer", found="")),
        ("UPDATE alembic_version SET version_num = 'keys.py'", Tables(state="newer", found="keys.py")),
        ("DELETE FROM alembic_version", Tables(state="none")),
        ("DROP TABLE alembic_version", Tables(state="none")),
    ],
)
def test_looking_says_which_tables_there_are(path: Path, statement: str, expected: Tables) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)
    before = path.read_bytes()
    assert look(None, None, None, path.parent) == expected
    assert path.read_bytes() == before


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert look(None, None, None, tmp_path / "no") == Tables(state="none")
    assert not list(tmp_path.iterdir())


def test_a_snapshot_is_one_moment_of_a_database_that_is_written_to(path: Path, tmp_path: Path) -> None:
    database = connect(None, None, None, path.parent)
    rows, done = KeyRows(database, "t"), threading.Event()
    written = 0

    def writes() -> Iterator[int]:
        number = 0
        while not done.is_set():
            number += 1
            assert rows.insert(ROW._replace(uuid=f"u{number:06}", label=f"k{number:06}"))
            yield number

    def write() -> None:
        nonlocal written
        for written in writes():  # noqa: B007
            pass

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(10):
            before, copy = written, tmp_path / f"copy-{number}" / "hsmgate.db"
            snapshot(path, copy)
            assert copy.stat().st_mode & 0o777 == 0o600
            assert [file.name for file in copy.parent.iterdir()] == ["hsmgate.db"]
            with closing(sqlite3.connect(copy)) as kept:
                assert kept.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                labels = [label for (label,) in kept.execute("SELECT label FROM stored_key ORDER BY label")]
            assert labels == [f"k{one:06}" for one in range(1, len(labels) + 1)], "none is missing in between"
            assert len(labels) >= before
    finally:
        done.set()
        writer.join()
        database.close()
    assert written


def test_a_snapshot_of_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"x" * 8192)
    with pytest.raises(Failure, match="damaged"):
        snapshot(tmp_path / "x.db", tmp_path / "copy.db")
    with pytest.raises(Failure, match="impossible to open"):
        snapshot(tmp_path / "absent.db", tmp_path / "copy-2.db")
