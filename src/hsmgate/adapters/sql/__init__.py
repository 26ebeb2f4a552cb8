"""The database: the only place that speaks SQL."""

from hsmgate.adapters.sql.connect import connect, look, was_served
from hsmgate.adapters.sql.database import Database

__all__ = ["Database", "connect", "look", "was_served"]
