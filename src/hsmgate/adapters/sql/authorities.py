"""The rows of authorities and of what they issued, as responder and gate read them."""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import authority, issued
from hsmgate.errors import Failure, Reason
from hsmgate.pki.issued import Issued, Revoked
from hsmgate.usecases.statuses import Window


class AuthorityRow(NamedTuple):
    """One authority as it is stored, in the order of the columns."""

    name: str
    certificate: bytes
    sha256: str
    parent: str | None
    signing_key: str
    settings: str
    crl_number: int
    created: float


class AuthorityRows:
    """Reads. Every method may fail with CONNECTIVITY or INTEGRITY; safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._all = database.query(select(authority).order_by(authority.c.name))
        self._one = database.query(
            select(issued.c.not_after, issued.c.revoked_at, issued.c.reason).where(
                issued.c.authority == bindparam("authority"), issued.c.serial == bindparam("serial")
            )
        )

    def all(self) -> list[AuthorityRow]:
        """Every authority, by name."""
        return [AuthorityRow._make(row) for row in self._database.fetch(self._all)]

    def certificates(self) -> list[tuple[str, bytes]]:
        """Name and certificate of every authority."""
        return [(row.name, row.certificate) for row in self.all()]

    def find(self, name: str, serial: int) -> Issued | None:
        """What became of a certificate; None: this authority never issued it."""
        rows = self._database.fetch(self._one, name, f"{serial:x}")
        return _issued(rows[0]) if rows else None

    def statuses(self, name: str) -> "OwnStatuses":
        """The certificates of one authority as a port."""
        return OwnStatuses(self, name)


class OwnStatuses:
    """`Statuses` over the database: complete and live."""

    complete = True

    def __init__(self, rows: AuthorityRows, name: str) -> None:
        self._rows, self._name = rows, name

    def find(self, serial: int) -> Issued | None:
        return self._rows.find(self._name, serial)

    def window(self) -> Window | None:
        return None


def _issued(row: tuple[Any, ...]) -> Issued:
    """SQLite columns may hold any type: what is not ours is not believed."""
    not_after, revoked_at, reason = row
    if not isinstance(not_after, float) or not isinstance(revoked_at, float | None):
        raise Failure(Reason.INTEGRITY, "the database holds an issued certificate with times that are none")
    revoked = None if revoked_at is None else Revoked(at=revoked_at, reason=str(reason or "unspecified"))
    return Issued(not_after=not_after, revoked=revoked)
