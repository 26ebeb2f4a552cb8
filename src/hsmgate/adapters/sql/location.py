"""What spring.datasource names: a file of SQLite, or a database on a server with the protection of its connection."""

import ipaddress
import re
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hsmgate.adapters.sql import protection, sqlite
from hsmgate.adapters.sql.protection import Protected
from hsmgate.errors import Failure, Reason
from hsmgate.record import Guarded

_URL = re.compile(
    r"(?P<jdbc>jdbc:)?(?P<product>mariadb|mysql|postgres(?:ql)?)(?:\+(?P<driver>[a-z0-9_]+))?:(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_DRIVERS = {"mariadb": "pymysql", "postgresql": "psycopg"}
_PORTS = {"mariadb": 3306, "postgresql": 5432}
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# of character sets, time zones and speed: what they ask for is so here, or makes no difference
_IDLE = frozenset(
    [
        "allowpublickeyretrieval",
        "autoreconnect",
        "cacheprepstmts",
        "characterencoding",
        "charset",
        "prepstmtcachesize",
        "prepstmtcachesqllimit",
        "rewritebatchedstatements",
        "servertimezone",
        "tcpkeepalive",
        "uselegacydatetimecode",
        "useserverprepstmts",
        "useunicode",
        "zerodatetimebehavior",
    ]
)


class Server(Guarded):
    """A database on a server. `schema`: of PostgreSQL, None is the server's own choice."""

    hidden: ClassVar[frozenset[str]] = frozenset({"password"})

    product: Literal["mariadb", "postgresql"]
    host: str
    port: int
    database: str
    username: str | None
    password: str | None
    protected: Protected
    schema: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.product}://{host}:{self.port}/{self.database}"


def locate(url: str | None, username: str | None, password: str | None, folder: Path) -> Path | Server:
    """Where the database is. Failure: CONFIG_INVALID. The URL may hold a password: no message repeats any of it."""
    found = None if url is None else _URL.fullmatch(url)
    if found is None:
        return sqlite.file_of(url, folder)
    product: Literal["mariadb", "postgresql"] = (
        "postgresql" if found["product"].lower().startswith("postgres") else "mariadb"
    )
    if found["driver"] not in {None, _DRIVERS[product]}:
        raise refused(f"the driver is {_DRIVERS[product]}: name that one, or none")
    parts = _split(found["rest"])
    given = _parameters(parts)
    host, port, database = _place(parts, _PORTS[product])
    schema = given.pop("currentschema", None) if product == "postgresql" else None
    if schema is not None and not _SCHEMA.fullmatch(schema):
        raise refused("currentSchema takes one name of letters, digits and underscores")
    server = Server(
        product=product,
        host=host,
        port=port,
        database=database,
        username=_one("user", username, parts.username and unquote(parts.username), given.pop("user", None)),
        password=_one("password", password, parts.password and unquote(parts.password), given.pop("password", None)),
        protected=protection.taken(product, given, is_here=_is_here(host)),
        schema=schema,
    )
    if given:
        raise refused(f"it has a parameter that has no meaning here; there are {protection.names(product)}")
    return server


def _split(rest: str) -> SplitResult:
    if not rest.startswith("//"):
        raise refused("one server is expected, as in //HOST:PORT/DATABASE")
    try:
        return urlsplit(rest)
    except ValueError:
        raise refused("not understood: write HOST:PORT/DATABASE behind //") from None


def _place(parts: SplitResult, port: int) -> tuple[str, int, str]:
    database = unquote(parts.path.removeprefix("/"))
    try:
        host, port = parts.hostname or "", parts.port or port
    except ValueError:
        raise refused("not understood: write HOST:PORT/DATABASE behind //") from None
    if not host or "," in parts.netloc.rpartition("@")[2]:
        raise refused("it takes one host: write HOST:PORT/DATABASE behind //")
    if not database or "/" in database or "\0" in database or parts.fragment:
        raise refused("it names no database: write HOST:PORT/DATABASE behind //")
    return host, port, database


def _parameters(parts: SplitResult) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name.lower() in given:
            raise refused("it has a parameter twice")
        given[name.lower()] = value
    return {name: value for name, value in given.items() if name not in _IDLE}


def _one(name: str, *values: str | None) -> str | None:
    """The one that was given, wherever."""
    given = {value for value in values if value}
    if len(given) > 1:
        raise refused(f"it names another {name} than spring.datasource does beside it: keep one")
    return given.pop() if given else None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refused(why: str) -> Failure:
    """Failure(CONFIG_INVALID) about the URL."""
    return Failure(Reason.CONFIG_INVALID, f"spring.datasource.url: {why}")
