"""The rows of keys, and the one row that tells which sealing key they are sealed with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Delete, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import key_certificate, keystore, stored_key
from hsmgate.errors import Failure, Reason


class KeystoreRow(NamedTuple):
    """What the sealing key is checked against."""

    id: int
    database_id: bytes
    kdf: str | None
    check_value: bytes
    created: int


class KeyRow(NamedTuple):
    """One key as it is stored, in the order of the columns. Read rows may hold any type: judge the seal first."""

    uuid: str
    tenant: str
    label: str
    purpose: str
    key_id: str | None
    algorithm: str
    curve_oid: str | None
    key_size: int | None
    attributes: str
    policy: str | None
    origin: str
    created: int
    public_key: bytes | None
    password_kdf: str | None
    sealed: bytes
    use_count: int = 0


class Held(NamedTuple):
    """How many keys there are with a public half, or without, and how long their sealed secrets are together."""

    asymmetric: bool
    keys: int
    octets: int


class KeyRows:
    """Reads and writes the rows. Every method may fail with CONNECTIVITY or INTEGRITY."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        mine = stored_key.c.tenant == bindparam("tenant")
        self._by_label = database.query(select(stored_key).where(stored_key.c.label == bindparam("label"), mine))
        self._by_uuid = database.query(select(stored_key).where(stored_key.c.uuid == bindparam("uuid"), mine))
        self._uuids = database.query(select(stored_key.c.uuid).where(mine))
        self._labels = database.query(
            select(stored_key.c.label).where(stored_key.c.purpose == bindparam("purpose"), mine)
        )

        half = stored_key.c.public_key.is_not(None)
        self._held = database.query(
            select(half, func.count(), func.sum(func.length(stored_key.c.sealed)))
            .where(stored_key.c.purpose == bindparam("purpose"), mine)
            .group_by(half)
        )

    def by_label(self, label: str) -> KeyRow | None:
        return self._one(self._database.fetch(self._by_label, label, self._tenant))

    def by_uuid(self, uuid: str) -> KeyRow | None:
        return self._one(self._database.fetch(self._by_uuid, uuid, self._tenant))

    def labels(self, purpose: str) -> list[str]:
        """Labels of all keys of this purpose, sorted."""
        labels = [label for (label,) in self._database.fetch(self._labels, purpose, self._tenant)]
        if not all(isinstance(label, str) for label in labels):
            raise Failure(Reason.INTEGRITY, "the database holds a label that is no text")
        return sorted(labels)

    def held(self, purpose: str) -> list[Held]:
        """Counts of all keys of this purpose."""
        rows = self._database.fetch(self._held, purpose, self._tenant)
        return [Held(bool(half), int(count), int(octets)) for half, count, octets in rows]

    def uuids(self) -> list[str]:
        """Of all keys of any purpose."""
        return [str(found) for (found,) in self._database.fetch(self._uuids, self._tenant)]

    def insert(self, row: KeyRow) -> bool:
        """Store the row; False when the label is taken. When it returns the row survives a crash."""
        with self._database.writing() as connection:
            try:
                connection.execute(insert(stored_key).values(row._asdict()))
            except IntegrityError:
                return False
        return True

    def replace(self, old: KeyRow, new: KeyRow) -> bool:
        """Put a row in the place of another that is still as it was read; False when it is not. The label must be
        the same. Uses are added up where it is the same key; the certificate of another goes with it.
        """
        values = new._asdict()
        if new.uuid == old.uuid:
            del values["use_count"]
        with self._database.writing() as connection:
            found = connection.execute(
                update(stored_key)
                .where(
                    stored_key.c.uuid == old.uuid,
                    stored_key.c.tenant == self._tenant,
                    stored_key.c.label == new.label,
                    stored_key.c.sealed == old.sealed,
                )
                .values(values)
            )
            if found.rowcount == 1 and new.uuid != old.uuid:
                connection.execute(_certificate_of(old.uuid))
        return found.rowcount == 1

    def delete(self, uuid: str) -> bool:
        """Remove the row, and the certificate of the key; False when it is not there."""
        with self._database.writing() as connection:
            found = connection.execute(
                delete(stored_key).where(stored_key.c.uuid == uuid, stored_key.c.tenant == self._tenant)
            )
            if found.rowcount == 1:
                connection.execute(_certificate_of(uuid))
        return found.rowcount == 1

    def add_uses(self, uses: Mapping[str, int]) -> None:
        """Add to the use counts, by uuid; keys that are gone meanwhile are passed over."""
        statement = (
            update(stored_key)
            .where(stored_key.c.uuid == bindparam("key"), stored_key.c.tenant == self._tenant)
            .values(use_count=stored_key.c.use_count + bindparam("uses"))
        )
        with self._database.writing() as connection:
            connection.execute(statement, [{"key": uuid, "uses": count} for uuid, count in uses.items()])

    @staticmethod
    def _one(rows: list[tuple[Any, ...]]) -> KeyRow | None:
        return KeyRow._make(rows[0]) if rows else None


def _certificate_of(uuid: str) -> Delete:
    return delete(key_certificate).where(key_certificate.c.key_uuid == uuid)


def read_keystore(database: Database) -> KeystoreRow | None:
    """The one row, or None in a new database. Failure: INTEGRITY (keys without it, types not ours)."""
    rows = database.fetch(database.query(select(keystore)))
    if not rows and database.fetch(database.query(select(func.count()).select_from(stored_key)))[0][0]:
        raise Failure(Reason.INTEGRITY, "the database holds keys but not what their sealing key is checked against")
    row = KeystoreRow._make(rows[0]) if rows else None
    if row and not (isinstance(row.database_id, bytes) and isinstance(row.check_value, bytes)):
        raise Failure(Reason.INTEGRITY, "the check value of the sealing key is damaged")
    return row


def insert_keystore(database: Database, row: KeystoreRow) -> bool:
    """Store the one row; False when another process was faster."""
    with database.writing() as connection:
        try:
            connection.execute(insert(keystore).values(row._asdict()))
        except IntegrityError:
            return False
    return True
