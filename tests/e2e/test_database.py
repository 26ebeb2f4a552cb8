"""`hsmgate db`, and how `check` and `serve` treat tables of other versions."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hsmgate.adapters.sql.upgrade import HEAD
from support.forks import Forks
from support.service import Quick, one_line

OLD = "0001"


def age(quick: Quick) -> Path:
    """Make the database one of the first version."""
    path = quick.config / "../data/hsmgate.db"
    with closing(sqlite3.connect(path)) as database, database:
        later = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in later:
            if name not in {"keystore", "stored_key", "alembic_version"}:
                database.execute(f"DROP TABLE {name}")
        database.execute(f"UPDATE alembic_version SET version_num = '{OLD}'")
    return path


def version(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_an_older_database_is_shown_checked_and_upgraded(quick_used: Quick, commands: Forks) -> None:
    path = age(quick_used)
    before = path.read_bytes()
    config = ("--config", quick_used.config)
    shown = commands.run("db", "status", *config)
    assert (shown.code, shown.err) == (0, "")
    assert f"tables: {OLD}\nthis version's: {HEAD}\nstate: older (" in shown.out
    facts = json.loads(commands.run("db", "status", "--json", *config).out)
    assert facts == {"database": str(path), "tables": OLD, "this version's": HEAD, "state": "older"}
    checked = commands.run("check", *config, SERVER_PORT="0")
    assert checked.code == 0, checked.err
    assert f"older version ({OLD}): serve would bring them to {HEAD}" in checked.err
    assert "keystore: software, 1 keys" in checked.out
    assert path.read_bytes() == before, "a check migrates a copy"
    upgraded = commands.run("db", "upgrade", *config)
    assert (upgraded.code, upgraded.out) == (0, f"{path}: {OLD} -> {HEAD}\n")
    assert version(path) == HEAD
    again = commands.run("db", "upgrade", *config)
    assert (again.code, again.out) == (0, f"{path}: the tables are this version's already ({HEAD})\n")
    assert "state: current (" in commands.run("db", "status", *config).out
    assert commands.serve(quick_used.config).code is None


def test_a_check_of_an_older_database_that_cannot_be_upgraded_refuses(quick_used: Quick, commands: Forks) -> None:
    path = age(quick_used)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE revocation (other TEXT)")  # what the upgrade wants to make
    before = path.read_bytes()
    checked = commands.run("check", "--config", quick_used.config, SERVER_PORT="0")
    assert checked.code == 1
    assert "not as this version made it" in checked.err.splitlines()[-1]
    assert path.read_bytes() == before
    assert commands.serve(quick_used.config).code == 1


def test_a_newer_database_is_refused_by_everything_in_one_line(quick_used: Quick, commands: Forks) -> None:
    path = quick_used.data / "hsmgate.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    for words in (("db", "status"), ("db", "upgrade"), ("check",), ("serve",)):
        done = commands.run(*words, "--config", quick_used.config, SERVER_PORT="0")
        assert done.code == 1, words
        assert "made by a newer version of hsmgate: start that version" in one_line(done.err)
    assert path.read_bytes() == before


def test_no_database_yet(quick: Quick, commands: Forks) -> None:
    shutil.rmtree(quick.data)
    shown = commands.run("db", "status", "--config", quick.config)
    assert (shown.code, "state: none (there are none" in shown.out) == (0, True)
    upgraded = commands.run("db", "upgrade", "--config", quick.config)
    assert upgraded.code == 1
    assert "the first start of the service makes it" in one_line(upgraded.err)
    assert not quick.data.exists()


def test_a_database_is_not_upgraded_below_a_service(quick_used: Quick, commands: Forks) -> None:
    with quick_used.serve() as service:
        done = commands.run("db", "upgrade", "--config", quick_used.config)
        assert done.code == 1
        assert "stop it first" in one_line(done.err)
        assert service.stop() == 0
    assert commands.run("db", "upgrade", "--config", quick_used.config).code == 0
