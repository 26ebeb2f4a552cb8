"""The database: the only place that speaks SQL."""

from hsmgate.adapters.sql.connect import connect, kind_of, look, was_served
from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.location import Server, locate

__all__ = ["Database", "Server", "connect", "kind_of", "locate", "look", "was_served"]
