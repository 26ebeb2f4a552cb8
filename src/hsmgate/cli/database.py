"""The work of `hsmgate db`."""

from pathlib import Path

from hsmgate.adapters.sql import connect, locate, look
from hsmgate.cli import tables
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason

_MEANING = {
    "none": "there are none: the first start makes them",
    "older": "of an older version: the next start brings them to this one's",
    "current": "of this version",
    "newer": "of a newer version: this one refuses to start",
}


def status(config: Config, *, as_json: bool) -> None:
    """Print it. Failure: CONFIG_INVALID (a newer version's, too), CONNECTIVITY, INTEGRITY."""
    source, data_dir = config.datasource, config.hsmgate.data_dir
    found = look(source.url, source.username, source.password, data_dir)
    facts = {
        "database": str(locate(source.url, source.username, source.password, data_dir)),
        "tables": found.found or "-",
        "this version's": found.newest,
        "state": found.state,
    }
    if as_json:
        tables.print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name}: {tables.plain(value)}{f' ({_MEANING[value]})' if name == 'state' else ''}")
    if found.state == "newer":
        raise Failure(
            Reason.CONFIG_INVALID,
            "the database was made by a newer version of hsmgate: start that version, or restore an older backup",
        )


def upgrade(config: Config) -> None:
    """Do it, in one transaction where the database can. Failure: as `connect`; CONNECTIVITY while it is in use."""
    source, data_dir = config.datasource, config.hsmgate.data_dir
    place = locate(source.url, source.username, source.password, data_dir)
    before = look(source.url, source.username, source.password, data_dir)
    if isinstance(place, Path) and not place.exists():
        raise Failure(Reason.CONFIG_INVALID, f"there is no database {place}: the first start of the service makes it")
    connect(source.url, source.username, source.password, data_dir, alone=True).close()
    if before.state == "current":
        print(f"{tables.plain(str(place))}: the tables are this version's already ({before.newest})")
    else:
        print(f"{tables.plain(str(place))}: {before.found or 'no tables'} -> {before.newest}")
