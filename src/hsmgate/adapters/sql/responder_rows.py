"""What the responder needs of the database beside single statuses: its delegates' rows, CRLs, serials to sign ahead."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import bindparam, literal_column, select

from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.schema import authority, crl, issued
from hsmgate.errors import Failure, Reason

PAGE = 500


class ResponderRows:
    """Every method may fail with CONNECTIVITY or INTEGRITY; safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = database.query(select(authority.c.name, authority.c.sha256))
        self._crl = database.query(
            select(crl.c.der, crl.c.this_update, crl.c.next_update).where(crl.c.authority == bindparam("authority"))
        )
        self._certificate = database.query(
            select(authority.c.certificate).where(authority.c.name == bindparam("authority"))
        )
        self._serials = database.query(
            select(issued.c.serial)
            .where(
                issued.c.authority == bindparam("authority"),
                issued.c.serial > bindparam("after"),
                issued.c.not_after >= bindparam("now"),
            )
            .order_by(issued.c.serial)
            .limit(literal_column(str(PAGE)))  # no parameters: those go by position
            .offset(literal_column("0"))
        )

    def names(self) -> dict[str, str]:
        """SHA-256 of each authority's certificate, by its name."""
        return dict(self._database.fetch(self._names))

    def crl(self, name: str) -> tuple[bytes, float, float] | None:
        """The newest CRL (DER) with thisUpdate and nextUpdate, None before the first."""
        rows = self._database.fetch(self._crl, name)
        return tuple(rows[0]) if rows else None

    def certificate(self, name: str) -> bytes | None:
        """DER of an authority."""
        rows = self._database.fetch(self._certificate, name)
        return rows[0][0] if rows else None

    def serials(self, name: str, after: str, now: float) -> list[str]:
        """At most PAGE serial numbers that are not expired, in order, beginning behind `after`."""
        return [row[0] for row in self._database.fetch(self._serials, name, after, now)]

    def record(self, name: str, certificate: x509.Certificate, now: float) -> None:
        """A delegate was issued. Failure: INTEGRITY where the authority is gone."""
        with self._database.writing() as connection:
            if connection.execute(select(authority.c.name).where(authority.c.name == name)).first() is None:
                raise Failure(Reason.INTEGRITY, f"the database holds no authority {name}")
            connection.execute(
                issued.insert().values(
                    authority=name,
                    serial=f"{certificate.serial_number:x}",
                    profile="responder",
                    subject=certificate.subject.rfc4514_string(),
                    not_before=certificate.not_valid_before_utc.timestamp(),
                    not_after=certificate.not_valid_after_utc.timestamp(),
                    certificate=certificate.public_bytes(Encoding.DER),
                    created=now,
                )
            )
