"""The rows of requests that are answered later. A row is claimed by the process that inserted it, and by no other."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import request
from hsmgate.domain.request import CANCELLED, FAILED, PENDING, STATUSES

_AT_ONCE = 500  # rows that one transaction changes


class RequestRow(NamedTuple):
    """One request as it is stored, in the order of the columns. Read rows may hold any type."""

    id: str
    tenant: str
    kind: str
    label: str
    status: str
    created: float
    execution_time: float
    node: str | None
    claimed_until: float
    details: bytes
    result: bytes | None


class RequestRows:
    """Reads and writes the rows of a tenant; `node` names this process. Every method may fail with CONNECTIVITY or
    INTEGRITY; what it wrote survives a crash.
    """

    def __init__(self, database: Database, tenant: str, node: str) -> None:
        self._database, self._tenant, self._node = database, tenant, node
        mine = request.c.tenant == bindparam("tenant")
        wanted: list[Any] = [bindparam(f"status{number}") for number in range(len(STATUSES))]
        page = select(request).where(mine, request.c.status.in_(wanted))
        newest, oldest = (request.c.created.desc(), request.c.id.desc()), (request.c.created, request.c.id)
        self._one = database.query(select(request).where(request.c.id == bindparam("id"), mine))
        dead = request.c.claimed_until < bindparam("now")
        dead_rows = select(func.count()).where(mine, request.c.status == bindparam("open"), dead)
        self._dead = database.query(dead_rows)
        self._pages = {
            newest_first: database.query(page.order_by(*order).limit(bindparam("most")).offset(bindparam("offset")))
            for newest_first, order in ((True, newest), (False, oldest))
        }

    def insert(self, row: RequestRow) -> None:
        """Store a request that this process has claimed."""
        with self._database.writing() as connection:
            connection.execute(insert(request).values(row._replace(tenant=self._tenant, node=self._node)._asdict()))

    def settle(self, request_id: str, status: str, result: bytes | None) -> bool:
        """Say what came of it; False where it is not open any more, or not this process's."""
        return self._change_open(request_id, status, result, request.c.node == self._node)

    def cancel(self, request_id: str) -> bool:
        """False where it is not open."""
        return self._change_open(request_id, CANCELLED, None)

    def cancel_of(self, label: str) -> None:
        """Cancel the open requests of a key."""
        with self._database.writing() as connection:
            mine = (request.c.tenant == self._tenant, request.c.label == label, request.c.status == PENDING)
            connection.execute(update(request).where(*mine).values(status=CANCELLED))

    def delete(self, request_id: str) -> bool:
        """Remove the row; False when it is not there."""
        with self._database.writing() as connection:
            found = connection.execute(delete(request).where(request.c.id == request_id, self._mine()))
        return found.rowcount == 1

    def by_id(self, request_id: str) -> RequestRow | None:
        rows = self._database.fetch(self._one, request_id, self._tenant)
        return RequestRow._make(rows[0]) if rows else None

    def page(self, statuses: tuple[str, ...], *, newest_first: bool, offset: int, most: int) -> list[RequestRow]:
        """Rows in one of these states, by their time."""
        wanted = (statuses + statuses[:1] * len(STATUSES))[: len(STATUSES)]
        rows = self._database.fetch(self._pages[newest_first], self._tenant, *wanted, most, offset)
        return [RequestRow._make(row) for row in rows]

    def give_up(self, now: float, note: Callable[[str, str], None]) -> int:
        """Open requests whose claim has run out are FAILED from now on. `note` gets id and label of each before that is
        committed, and where it fails nothing is: so there is a note of every one, perhaps twice after a crash.
        """
        if not self._database.fetch(self._dead, self._tenant, PENDING, now)[0][0]:
            return 0  # the usual case takes no write lock
        dead = (self._mine(), request.c.status == PENDING, request.c.claimed_until < now)
        some = select(request.c.id, request.c.label).where(*dead).limit(_AT_ONCE)
        with self._database.writing() as connection:
            found = list(connection.execute(some))
            for row in found:
                connection.execute(update(request).where(request.c.id == row.id, *dead).values(status=FAILED))
                note(str(row.id), str(row.label))
        return len(found)

    def delete_older(self, before: float) -> int:
        """Remove settled rows that were made before this time, so many at once that nobody has to wait for long."""
        old = select(request.c.id).where(self._mine(), request.c.status != PENDING, request.c.created < before)
        with self._database.writing() as connection:
            found = list(connection.execute(old.limit(_AT_ONCE)).scalars())
            if found:
                connection.execute(delete(request).where(request.c.id.in_(found)))
        return len(found)

    def _change_open(self, request_id: str, status: str, result: bytes | None, *more: Any) -> bool:  # noqa: ANN401
        mine = (request.c.id == request_id, self._mine(), request.c.status == PENDING, *more)
        with self._database.writing() as connection:
            changed = connection.execute(update(request).where(*mine).values(status=status, result=result))
        return changed.rowcount == 1

    def _mine(self) -> Any:  # noqa: ANN401 - a column expression
        return request.c.tenant == self._tenant
