"""Where REVOKED is remembered: durable in the database, read from memory that is at most a second old."""

import threading
from typing import Any

from sqlalchemy import delete, func, insert, select

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import revocation
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.revocation import Remembered

REFRESH_SECONDS = 0.5  # what one node learns, all know within a second
_LONGEST_DETAIL = 500


class RevocationRows:
    """The memory of the freshness contract. Safe for threads. What is remembered is never lost to a failed write:
    it counts for this node at once, and is written as soon as the database takes it.
    """

    def __init__(self, database: Database) -> None:
        """Read everything once. Failure: CONNECTIVITY, INTEGRITY."""
        self._database = database
        self._all = database.query(
            select(revocation.c.question, revocation.c.asked_at, revocation.c.this_update, revocation.c.detail)
        )
        # tells whether anything changed: most looks find that nothing did, and need not read it all
        self._mark = database.query(
            select(func.count(), func.max(revocation.c.asked_at), func.sum(revocation.c.asked_at))
        )
        self._seen: object = None
        self._writing = threading.Lock()
        self._known: dict[str, Remembered] = {}
        self._unsaved: dict[str, Remembered] = {}
        self.refresh()

    def recall(self, question: str) -> Remembered | None:
        """What is remembered, from memory."""
        return self._known.get(question)

    def refresh(self) -> None:
        """Take what other nodes have written, then write what is still owed. Failure: CONNECTIVITY, INTEGRITY."""
        with self._writing:
            mark = self._database.fetch(self._mark)
            if mark != self._seen:
                self._known = dict(map(_remembered, self._database.fetch(self._all)))
                self._seen = mark
            for question, revoked in self._unsaved.items():
                self._known[question] = max(revoked, self._known.get(question, revoked), key=_age)
            for question, revoked in list(self._unsaved.items()):
                self._save(question, revoked)

    def remember(self, question: str, revoked: Remembered) -> None:
        """Keep it, durably. Failure: CONNECTIVITY, INTEGRITY; it counts all the same."""
        with self._writing:
            self._seen = None
            self._known = {**self._known, question: revoked}
            self._unsaved[question] = revoked
            self._save(question, revoked)

    def forget(self, question: str, revoked: Remembered) -> None:
        """Drop this one and older ones, in the database first; a newer one stays. Failure: CONNECTIVITY, INTEGRITY."""
        with self._writing:
            self._seen = None
            with self._database.writing() as connection:
                connection.execute(_up_to(question, revoked))
            if self._unsaved.get(question) == revoked:
                del self._unsaved[question]
            if self._known.get(question) == revoked:
                self._known = {name: kept for name, kept in self._known.items() if name != question}

    def _save(self, question: str, revoked: Remembered) -> None:
        """Into the database, unless another node has written a newer one."""
        with self._database.writing() as connection:
            connection.execute(_up_to(question, revoked))
            found = connection.execute(select(revocation.c.question).where(revocation.c.question == question)).first()
            if found is None:
                row = {
                    "question": question,
                    "asked_at": revoked.asked_at,
                    "this_update": revoked.this_update,
                    "detail": revoked.detail[:_LONGEST_DETAIL],
                }
                connection.execute(insert(revocation).values(row))
        self._unsaved.pop(question, None)


def _up_to(question: str, revoked: Remembered) -> Any:  # noqa: ANN401 - SQLAlchemy's generic
    return delete(revocation).where(revocation.c.question == question, revocation.c.asked_at <= revoked.asked_at)


def _remembered(row: tuple[Any, ...]) -> tuple[str, Remembered]:
    """SQLite columns may hold any type: what is not ours is not believed, and nothing is passed over."""
    question, asked_at, this_update, detail = row
    if not (isinstance(question, str) and isinstance(asked_at, float) and isinstance(this_update, float)):
        raise Failure(Reason.INTEGRITY, "the table of remembered revocations is damaged: restore it from a backup")
    return question, Remembered(asked_at=asked_at, this_update=this_update, detail=str(detail))


def _age(revoked: Remembered) -> float:
    return revoked.asked_at
