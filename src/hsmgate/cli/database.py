"""The work of `hsmgate db`."""

from hsmgate.adapters.sql import connect, look, sqlite
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
    found = look(source.url, data_dir)
    facts = {
        "database": str(sqlite.file_of(source.url, data_dir)),
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
    """Do it, in one transaction. Failure: as `connect`; CONNECTIVITY while the database is in use."""
    source, data_dir = config.datasource, config.hsmgate.data_dir
    path = sqlite.file_of(source.url, data_dir)
    before = look(source.url, data_dir)
    if before.state == "none" and not path.exists():
        raise Failure(Reason.CONFIG_INVALID, f"there is no database {path}: the first start of the service makes it")
    connect(source.url, source.username, source.password, data_dir, alone=True).close()
    if before.state == "current":
        print(f"{tables.plain(path)}: the tables are this version's already ({before.newest})")
    else:
        print(f"{tables.plain(path)}: {before.found or 'no tables'} -> {before.newest}")
