"""Writes authorities and what they issued; reads it back as records. The short reads are in authorities.py."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from hsmgate.adapters.sql import listing
from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.failures import translated
from hsmgate.adapters.sql.schema import authority, crl, issued
from hsmgate.errors import Failure, Reason
from hsmgate.pki.crl import Entry
from hsmgate.pki.issued import REASONS, Revoked
from hsmgate.usecases.issuance_ports import AuthorityEntry, Certified, StoredCrl, Wanted


class SqlRegister:
    """The Register port; safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def writing(self) -> Iterator["SqlBook"]:
        with self._database.writing() as connection:
            yield SqlBook(connection)

    @contextmanager
    def _reading(self) -> Iterator["SqlBook"]:
        with translated(), self._database.engine.connect() as connection:
            yield SqlBook(connection)

    def authority(self, name: str) -> AuthorityEntry | None:
        with self._reading() as book:
            return book.authority(name)

    def authorities(self) -> list[AuthorityEntry]:
        with self._reading() as book:
            return book.authorities()

    def of_serial(self, serial: int) -> list[Certified]:
        with self._reading() as book:
            found = (book.find(entry.name, serial) for entry in book.authorities())
            return [certified for certified in found if certified is not None]

    def listed(self, wanted: Wanted, now: float) -> Iterator[Certified]:
        """A page at a time, each in a transaction of its own: nobody waits for whoever reads this."""
        with self._reading() as book:
            names = [entry.name for entry in book.authorities()]
        left = wanted.limit
        for name in listing.names_of(wanted, names):
            for page in self._pages(name, wanted, now, left):
                yield from page
                left = None if left is None else left - len(page)
            if left == 0:
                return

    def _pages(self, name: str, wanted: Wanted, now: float, limit: int | None) -> Iterator[list[Certified]]:
        position = self._position(name, wanted)
        while limit is None or limit > 0:
            size = listing.PAGE if limit is None else min(limit, listing.PAGE)
            with self._reading() as book:
                page = book.page(name, wanted, now, position, size)
            if page:
                yield page
            if len(page) < size:
                return
            position = (page[-1].not_after, page[-1].serial)
            limit = None if limit is None else limit - len(page)

    def _position(self, name: str, wanted: Wanted) -> tuple[float, int] | None:
        if wanted.after is None or wanted.after[0] != name:
            return None
        with self._reading() as book:
            last = book.find(*wanted.after)
        if last is None:
            raise Failure(Reason.INVALID_INPUT, "the certificate after which the list shall go on is not known")
        return last.not_after, last.serial

    def crl(self, name: str) -> StoredCrl | None:
        with self._reading() as book:
            return book.crl(name)


class SqlBook:
    """The Book port over one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def authority(self, name: str) -> AuthorityEntry | None:
        row = self._connection.execute(select(authority).where(authority.c.name == name)).one_or_none()
        return None if row is None else _entry(row)

    def authorities(self) -> list[AuthorityEntry]:
        return [_entry(row) for row in self._connection.execute(select(authority).order_by(authority.c.name))]

    def add_authority(self, entry: AuthorityEntry) -> None:
        try:
            self._connection.execute(insert(authority).values(_values(entry)))
        except IntegrityError:
            raise Failure(
                Reason.INVALID_INPUT, f"there is an authority {entry.name}, or one with this certificate, already"
            ) from None

    def change_authority(self, entry: AuthorityEntry) -> None:
        self._connection.execute(update(authority).where(authority.c.name == entry.name).values(_values(entry)))

    def take_crl_number(self, name: str) -> int:
        mine = authority.c.name == name
        self._connection.execute(update(authority).where(mine).values(crl_number=authority.c.crl_number + 1))
        return int(self._connection.execute(select(authority.c.crl_number).where(mine)).scalar_one())

    def find(self, name: str, serial: int) -> Certified | None:
        row = self._connection.execute(select(issued).where(*_is(name, serial))).one_or_none()
        return None if row is None else certified_of(row)

    def add(self, certified: Certified) -> None:
        try:
            self._connection.execute(insert(issued).values(row_of(certified)))
        except IntegrityError:
            raise Failure(
                Reason.INVALID_INPUT, f"{certified.authority} has issued serial number {certified.serial:x} already"
            ) from None

    def find_all(self, name: str, serials: Sequence[int]) -> dict[int, Certified]:
        among = issued.c.serial.in_([f"{serial:x}" for serial in serials])
        rows = self._connection.execute(select(issued).where(issued.c.authority == name, among))
        return {one.serial: one for one in map(certified_of, rows)}

    def add_all(self, certified: Sequence[Certified]) -> None:
        if certified:
            self._connection.execute(insert(issued), [row_of(one) for one in certified])

    def mark(self, name: str, serial: int, revoked: Revoked | None) -> None:
        self._connection.execute(update(issued).where(*_is(name, serial)).values(_revocation(revoked)))

    def revoked(self, name: str, since: float) -> list[Entry]:
        rows = self._connection.execute(
            select(issued.c.serial, issued.c.revoked_at, issued.c.reason)
            .where(issued.c.authority == name, issued.c.revoked_at.is_not(None))
            .where((issued.c.not_after >= since) | (issued.c.revoked_at >= since))
            .order_by(issued.c.serial)
        )
        return [_listed(*row) for row in rows]

    def page(
        self, name: str, wanted: Wanted, now: float, position: tuple[float, int] | None, size: int
    ) -> list[Certified]:
        """The next certificates of one authority behind (notAfter, serial)."""
        rows = self._connection.execute(listing.page(name, wanted, now, position, size))
        return [certified_of(row) for row in rows]

    def crl(self, name: str) -> StoredCrl | None:
        columns = (crl.c.number, crl.c.this_update, crl.c.next_update, crl.c.der)
        row = self._connection.execute(select(*columns).where(crl.c.authority == name)).one_or_none()
        if row is None:
            return None
        return StoredCrl(number=row.number, this_update=row.this_update, next_update=row.next_update, der=row.der)

    def put_crl(self, name: str, made: StoredCrl) -> bool:
        there = self.crl(name)
        values = msgspec.structs.asdict(made)
        if there is None:
            self._connection.execute(insert(crl).values(authority=name, **values))
        elif there.number < made.number:
            self._connection.execute(update(crl).where(crl.c.authority == name).values(values))
        return there is None or there.number < made.number


def _listed(serial: str, at: float, reason: str | None) -> Entry:
    if reason is not None and reason not in REASONS:
        raise Failure(Reason.INTEGRITY, "the database holds a reason of revocation that is none")
    return Entry(serial=int(serial, 16), at=at, reason=reason or "unspecified")


def row_of(certified: Certified) -> dict[str, object]:
    """The columns of `issued`."""
    return {
        "authority": certified.authority,
        "serial": f"{certified.serial:x}",
        "profile": certified.profile,
        "subject": certified.subject,
        "not_before": certified.not_before,
        "not_after": certified.not_after,
        "certificate": certified.certificate,
        "created": certified.created,
        **_revocation(certified.revoked),
    }


def certified_of(row: Row[tuple[object, ...]]) -> Certified:
    """SQLite columns may hold any type: what is not ours is not believed. Failure: INTEGRITY."""
    found = _plain(row)
    at, reason = found.pop("revoked_at"), found.pop("reason")
    try:
        return msgspec.convert(
            {
                **found,
                "serial": int(found["serial"], 16),
                "revoked": None if at is None else {"at": at, "reason": reason or "unspecified"},
            },
            Certified,
            builtin_types=(bytes,),
        )
    except (msgspec.ValidationError, ValueError, TypeError):
        raise Failure(
            Reason.INTEGRITY, "the database holds an issued certificate that this version did not write"
        ) from None


def _is(name: str, serial: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return issued.c.authority == name, issued.c.serial == f"{serial:x}"


def _revocation(revoked: Revoked | None) -> dict[str, object]:
    return {"revoked_at": revoked and revoked.at, "reason": revoked and revoked.reason}


def _values(entry: AuthorityEntry) -> dict[str, object]:
    return {**msgspec.structs.asdict(entry), "settings": msgspec.json.encode(entry.settings).decode()}


def _entry(row: Row[tuple[object, ...]]) -> AuthorityEntry:
    found = _plain(row)
    try:
        settings = msgspec.json.decode(found["settings"])
        return msgspec.convert({**found, "settings": settings}, AuthorityEntry, builtin_types=(bytes,))
    except (msgspec.MsgspecError, TypeError):
        raise Failure(Reason.INTEGRITY, "the database holds an authority that this version did not write") from None


def _plain(row: Row[tuple[object, ...]]) -> dict[str, Any]:
    """The columns by name; SQLAlchemy's own kind of str is none that msgspec takes."""
    return {str.__str__(name): value for name, value in row._asdict().items()}
