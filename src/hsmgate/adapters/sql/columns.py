"""Columns that hold the same values in every database. Migrations use this: what it says of a released one stays."""

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

_MARIADB = ("mysql", "mariadb")
_ANY = 2**32 - 1  # octets: MariaDB takes its largest type for it, and a small one where no number is said


def name(longest: int) -> TypeEngine[str]:
    """A text of so many characters at most, that may be searched for."""
    return sa.String(longest).with_variant(sa.String(longest, collation="C"), "postgresql")


def words() -> TypeEngine[str]:
    """A text of any length."""
    return sa.Text().with_variant(sa.Text(_ANY), *_MARIADB).with_variant(sa.Text(collation="C"), "postgresql")


def octets(most: int | None = None) -> TypeEngine[bytes]:
    """Octets: so many at most, if a bound is known."""
    return sa.LargeBinary().with_variant(sa.LargeBinary(_ANY), *_MARIADB) if most is None else sa.LargeBinary(most)
