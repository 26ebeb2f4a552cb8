"""What the adapters rely on, over SQLite, MariaDB and PostgreSQL."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from hsmgate.adapters.resealing import keystore_row
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.all_keys import all_keys
from hsmgate.adapters.sql.keys import Held, KeyRow, KeyRows, KeystoreRow, insert_keystore, read_keystore
from hsmgate.adapters.sql.schema import metadata, stored_key
from hsmgate.errors import Failure, Reason
from support.database_servers import DatabasePlace
from support.keystore_contract import raises

ROW = KeyRow("u1", "t", "a", "client", None, "EC", None, None, "{}", None, "generated", 1, b"p", None, b"s", 0)
# told apart by Python, and taken for one by many a collation
ALIKE = ["a", "A", "\u00e4", "a\u0308", "a ", "a  ", " a", "\u1d43", "\uff41", "\U0001d41a", "ss", "\u00df", "a\u200b"]


@pytest.fixture
def database(place: DatabasePlace) -> Database:
    return place.connect()


def test_each_thread_has_its_own_connection(database: Database) -> None:
    used, start = set[int](), threading.Barrier(8)

    def work() -> None:
        with database.engine.connect() as connection:
            start.wait()
            used.add(id(connection.connection.driver_connection))
            start.wait()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(used) == 8


def test_writers_wait_for_each_other(database: Database) -> None:
    def work(number: int) -> None:
        with database.writing() as connection:
            count = connection.exec_driver_sql("SELECT count(*) FROM stored_key").scalar()
            row = ROW._replace(uuid=f"u{number}", label=f"{count}")
            connection.execute(stored_key.insert().values(row._asdict()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = database.fetch(database.query(stored_key.select().with_only_columns(stored_key.c.label)))
    assert sorted(int(label) for (label,) in labels) == list(range(20))  # each saw all before it


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def insert_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(stored_key.insert().values(ROW._asdict()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    assert KeyRows(database, "t").by_label("a") is None


def test_the_migrations_make_the_tables_of_the_schema(place: DatabasePlace, database: Database) -> None:
    types = place.product != "mariadb"  # it calls them otherwise; what they hold is tried below
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": types})
        assert compare_metadata(context, metadata) == []


def test_every_text_of_every_table_is_told_apart_by_its_octets(place: DatabasePlace, database: Database) -> None:
    database.ping()
    texts = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE table_schema = "
        + ("'public'" if place.product == "postgresql" else "DATABASE()")
        + " AND data_type LIKE '%char%' OR data_type LIKE '%text' ORDER BY 1"
    )
    if place.product == "sqlite":
        found = place.execute("SELECT sql FROM sqlite_master WHERE upper(sql) LIKE '%COLLATE%'")
        assert found == []
        return
    names = {"postgresql": "C", "mariadb": "utf8mb4_nopad_bin"}
    found = [tuple(row) for row in place.execute(texts) if row[0] in metadata.tables]
    assert len(found) > 30
    assert [row for row in found if row[2] != names[place.product]] == []


def test_a_label_is_free_for_another_tenant_only(database: Database) -> None:
    mine, theirs = KeyRows(database, "t"), KeyRows(database, "s")
    assert mine.insert(ROW)
    assert not mine.insert(ROW._replace(uuid="u2"))
    assert not mine.insert(ROW._replace(label="b"))  # the uuid is taken
    assert theirs.insert(ROW._replace(uuid="u3", tenant="s"))
    assert theirs.labels("client") == ["a"]
    assert theirs.by_uuid("u1") is None
    assert not theirs.delete("u1")
    assert mine.delete("u1")
    assert not mine.delete("u1")


def test_uses_add_up(database: Database) -> None:
    rows = KeyRows(database, "t")
    assert rows.insert(ROW)
    assert rows.insert(ROW._replace(uuid="u2", label="b"))
    rows.add_uses({"u1": 2, "u2": 5, "gone": 1})
    rows.add_uses({"u1": 1})
    counts = [row.use_count for row in map(rows.by_uuid, ("u1", "u2")) if row]
    assert counts == [3, 5]


def test_rows_come_back_as_they_were(database: Database) -> None:
    rows = KeyRows(database, "t")
    full = ROW._replace(key_id="é", curve_oid="1.2", key_size=3, policy="{}", password_kdf="{}", use_count=4)
    assert rows.insert(full)
    assert rows.by_label("a") == rows.by_uuid("u1") == full
    assert rows.labels("client") == ["a"]
    assert rows.labels("attestation") == []


def test_labels_that_look_alike_are_different(database: Database) -> None:
    rows = KeyRows(database, "t")
    for number, label in enumerate(ALIKE):
        assert rows.insert(ROW._replace(uuid=f"u{number}", label=label)), repr(label)
    for number, label in enumerate(ALIKE):
        found = rows.by_label(label)
        assert found is not None
        assert (found.uuid, found.label) == (f"u{number}", label)
    assert rows.labels("client") == sorted(ALIKE)
    assert rows.by_label("a" + " " * 3) is None


def test_the_longest_text_and_the_largest_key_fit(database: Database) -> None:
    rows = KeyRows(database, "\U0001d41a" * 64)
    large = ROW._replace(
        tenant="\U0001d41a" * 64,
        label="\U0001d41a" * 255,
        key_id="\U0001d41a" * 255,
        policy="\U0001d41a" * 100_000,
        attributes="x" * 500_000,
        sealed=bytes(range(256)) * 4000,
        public_key=b"\0\x1a%\\'\"" * 20_000,
        created=2**62,
        use_count=2**62,
    )
    assert rows.insert(large)
    assert rows.by_label(large.label) == large
    assert rows.held("client") == [Held(asymmetric=True, keys=1, octets=1_024_000)]


@pytest.mark.parametrize(
    "text", ["%s %(a)s %", "?", ":a", "\\", "\\'", "'; DROP TABLE stored_key; --", '"', "\x1a\x7f"]
)
def test_text_is_never_a_part_of_a_statement(database: Database, text: str) -> None:
    rows = KeyRows(database, "t")
    assert rows.insert(ROW._replace(label=text, attributes=text, sealed=text.encode()))
    assert rows.by_label(text) == ROW._replace(label=text, attributes=text, sealed=text.encode())


def test_a_text_with_a_zero_is_kept_or_refused(place: DatabasePlace, database: Database) -> None:
    rows = KeyRows(database, "t")
    row = ROW._replace(key_id="a\0b")
    if place.product == "postgresql":
        with raises(Reason.INVALID_INPUT):
            rows.insert(row)
        assert rows.by_label("a\0") is None
    else:
        assert rows.insert(row)
        assert rows.by_label("a") == row


def test_a_text_that_has_no_room_is_refused_and_never_cut(place: DatabasePlace, database: Database) -> None:
    rows = KeyRows(database, "t")
    row = ROW._replace(label="a" * 256)
    if place.product == "sqlite":
        assert rows.insert(row)
        assert rows.by_label("a" * 256) == row
    else:
        with raises(Reason.INVALID_INPUT):
            rows.insert(row)
        assert rows.labels("client") == []


def test_all_keys_in_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsmgate.adapters.sql.all_keys.AT_ONCE", 2)
    rows = KeyRows(database, "t")
    uuids = ["A", "a", "b", "_", "-", "0", "\u00e9"]
    for uuid in uuids:
        assert rows.insert(ROW._replace(uuid=uuid, label=uuid))
    with all_keys(database) as keys:
        assert keys.count() == 7
        found = list(keys.rows())
        assert [row.uuid for row in found] == sorted(uuids)
        keys.put_seals([(row, row.uuid.encode()) for row in found])
    assert [rows.by_uuid(uuid).sealed for uuid in uuids] == [uuid.encode() for uuid in uuids]  # type: ignore[union-attr]


def test_the_row_of_the_keystore_is_one(database: Database) -> None:
    assert read_keystore(database) is None
    row = KeystoreRow(1, bytes(range(16)), None, bytes(range(32)), 5)
    assert insert_keystore(database, row)
    assert not insert_keystore(database, row)
    assert read_keystore(database) == row == keystore_row(database)


def test_a_reader_sees_one_moment_and_waits_for_nobody(database: Database) -> None:
    count = stored_key.select().with_only_columns(stored_key.c.uuid)
    with database.engine.connect() as reading:
        assert list(reading.execute(count)) == []
        assert KeyRows(database, "t").insert(ROW)
        assert list(reading.execute(count)) == []
    with database.engine.connect() as reading:
        assert list(reading.execute(count)) == [("u1",)]


def test_one_is_alone_or_many_share(place: DatabasePlace) -> None:
    shared = [place.connect(), place.connect()]
    with pytest.raises(Failure, match="stop it first"):
        place.connect(alone=True)
    for database in shared:
        database.close()
    alone = place.connect(alone=True)
    for again in (False, True):
        with pytest.raises(Failure, match="in use" if again else "being changed as a whole"):
            place.connect(alone=again)
    assert KeyRows(alone, "t").insert(ROW)
    alone.close()
    place.connect().ping()
