"""What is remembered of revocations outlives restarts, failed writes and other nodes."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.revocations import RevocationRows
from hsmgate.adapters.sql.schema import revocation
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.revocation import Remembered
from support.database_servers import DatabasePlace

OLD = Remembered(asked_at=1000.5, this_update=900.25, detail="revoked: keyCompromise")
NEW = Remembered(asked_at=2000.0, this_update=1900.0, detail="revoked again")


@pytest.fixture
def database(place: DatabasePlace) -> Iterator[Database]:
    made = place.connect()
    yield made
    made.close()


def test_it_is_remembered_by_the_next_start_to_the_last_digit(database: Database) -> None:
    rows = RevocationRows(database)
    assert rows.recall("q") is None
    rows.remember("q", OLD)
    assert rows.recall("q") == OLD
    assert RevocationRows(database).recall("q") == OLD
    assert RevocationRows(database).recall("other") is None


def test_a_newer_one_takes_the_place_of_an_older_one(database: Database) -> None:
    rows = RevocationRows(database)
    rows.remember("q", OLD)
    rows.remember("q", NEW)
    assert RevocationRows(database).recall("q") == NEW


def test_an_older_one_does_not_push_out_what_another_node_wrote(database: Database) -> None:
    one, two = RevocationRows(database), RevocationRows(database)
    two.remember("q", NEW)
    one.remember("q", OLD)
    one.refresh()
    assert one.recall("q") == NEW
    assert RevocationRows(database).recall("q") == NEW


def test_what_one_node_learns_the_others_know_after_a_refresh(database: Database) -> None:
    one, two = RevocationRows(database), RevocationRows(database)
    one.remember("q", OLD)
    assert two.recall("q") is None
    two.refresh()
    assert two.recall("q") == OLD
    one.forget("q", OLD)
    two.refresh()
    assert two.recall("q") is None


def test_a_newer_one_of_another_node_wins_after_a_refresh_also_where_it_was_seen_before(database: Database) -> None:
    one, two = RevocationRows(database), RevocationRows(database)
    two.remember("q", NEW)
    one.refresh()
    one.remember("q", OLD)
    one.refresh()
    assert one.recall("q") == NEW


def test_a_look_reads_everything_only_where_something_changed(database: Database) -> None:
    one, two = RevocationRows(database), RevocationRows(database)
    for number in range(3):
        two.remember(f"q{number}", OLD)
    one.refresh()
    known = one._known
    one.refresh()
    assert one._known is known
    two.remember("q1", NEW)
    one.refresh()
    assert (one.recall("q0"), one.recall("q1")) == (OLD, NEW)


def test_forgetting_leaves_a_newer_one_and_others_alone(database: Database) -> None:
    rows = RevocationRows(database)
    rows.remember("q", NEW)
    rows.remember("other", OLD)
    rows.forget("q", OLD)
    assert rows.recall("q") == NEW
    rows.forget("q", NEW)
    assert rows.recall("q") is None
    assert RevocationRows(database).recall("q") is None
    assert RevocationRows(database).recall("other") == OLD


def lock(tmp_path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(tmp_path / "hsmgate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def impatient(database: Database) -> None:
    """Let a lock fail at once instead of after ten seconds."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_what_cannot_be_written_counts_all_the_same_and_is_written_later(database: Database, tmp_path: Path) -> None:
    rows = RevocationRows(database)
    RevocationRows(database).remember("elsewhere", OLD)
    impatient(database)
    other = lock(tmp_path)
    with pytest.raises(Failure) as caught:
        rows.remember("q", NEW)
    assert caught.value.reason is Reason.CONNECTIVITY
    assert rows.recall("q") == NEW
    with pytest.raises(Failure):
        rows.refresh()
    assert rows.recall("q") == NEW
    assert rows.recall("elsewhere") == OLD, "what can be read is taken though nothing can be written"
    other.close()
    rows.refresh()
    assert RevocationRows(database).recall("q") == NEW


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_what_could_not_be_written_is_forgotten_for_good(database: Database, tmp_path: Path) -> None:
    rows = RevocationRows(database)
    impatient(database)
    other = lock(tmp_path)
    with pytest.raises(Failure):
        rows.remember("q", OLD)
    with pytest.raises(Failure):
        rows.forget("q", OLD)
    assert rows.recall("q") == OLD, "still revoked: the database comes first"
    other.close()
    rows.forget("q", OLD)
    rows.refresh()
    assert rows.recall("q") is None


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "values", ["('q', 'x', 1.0, 'd')", "('q', 1.0, x'00', 'd')", "(x'00', 1.0, 1.0, 'd')", "('q', 9e999, 'nan', 'd')"]
)
def test_a_damaged_row_is_not_passed_over(values: str, database: Database, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "hsmgate.db") as other:
        other.execute(f"INSERT INTO revocation VALUES {values}")
    other.close()
    with pytest.raises(Failure) as caught:
        RevocationRows(database)
    assert caught.value.reason is Reason.INTEGRITY


def test_a_lost_table_is_told(database: Database, place: DatabasePlace) -> None:
    rows = RevocationRows(database)
    rows.remember("q", OLD)
    place.execute("ALTER TABLE revocation RENAME TO lost")
    try:
        with pytest.raises(Failure) as caught:
            rows.refresh()
    finally:
        place.execute("ALTER TABLE lost RENAME TO revocation")
    assert caught.value.reason is Reason.INTEGRITY
    assert rows.recall("q") == OLD


def test_details_of_any_length_fit(database: Database) -> None:
    long = Remembered(asked_at=1.0, this_update=1.0, detail="é" * 10_000)
    rows = RevocationRows(database)
    rows.remember("q" * 160, long)
    kept = RevocationRows(database).recall("q" * 160)
    assert kept is not None
    assert kept.detail == "é" * 500


def test_many_threads_lose_nothing(database: Database) -> None:
    rows = RevocationRows(database)

    def work(number: int) -> None:
        for turn in range(10):
            one = Remembered(asked_at=float(turn), this_update=0.0, detail=str(number))
            rows.remember(f"q{number}-{turn}", one)
            rows.refresh()
            if turn % 2:
                rows.forget(f"q{number}-{turn}", one)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = RevocationRows(database)
    for number in range(4):
        for turn in range(10):
            assert (fresh.recall(f"q{number}-{turn}") is None) is bool(turn % 2)
            assert rows.recall(f"q{number}-{turn}") == fresh.recall(f"q{number}-{turn}")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_the_migration_makes_the_table_that_the_code_uses(database: Database) -> None:
    found = inspect(database.engine).get_columns("revocation")
    assert [column["name"] for column in found] == [column.name for column in revocation.columns]
    for made, wanted in zip(found, revocation.columns, strict=True):
        assert str(made["type"]) == wanted.type.compile(database.engine.dialect)
        assert made["nullable"] == wanted.nullable
    assert inspect(database.engine).get_pk_constraint("revocation")["constrained_columns"] == ["question"]
