"""What a first start would make, made elsewhere: `hsmgate check` shows whether it can be made, and makes nothing.

What is there is opened as it is. What is not there leads into a folder that is gone afterwards, once it is seen that
the real place could be written.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hsmgate.adapters.keystores import OWN_KEY
from hsmgate.adapters.sql import look, sqlite, was_served
from hsmgate.cli import tables
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason
from hsmgate.opening import OWN_CERTIFICATE

_set = msgspec.structs.replace


@contextmanager
def rehearsed(config: Config) -> Iterator[Config]:
    """The configuration with other places for what is missing. Failure: STORE_UNREADABLE, CONFIG_INVALID."""
    with tempfile.TemporaryDirectory(prefix="hsmgate-check-") as made:
        yield _redirected(config, Path(made))


def _redirected(config: Config, elsewhere: Path) -> Config:
    house, software, ssl = config.hsmgate, config.hsm.software, config.server.ssl
    real = house.data_dir
    database = sqlite.file_of(config.datasource.url, real)
    audit = house.audit.file or real / "audit.log"
    own_key = config.hsm.backend == "software" and software.key is None and software.key_file is None
    own_certificate = not (ssl.key_store or ssl.certificate)
    if own_key and os.path.lexists(real / OWN_KEY):
        software = _set(software, key_file=real / OWN_KEY)
    if own_certificate and (real / OWN_CERTIFICATE).exists():
        ssl = _set(ssl, certificate=real / OWN_CERTIFICATE)
    for folder in {database.parent, audit.parent} | ({real} if own_key or own_certificate else set()):
        _check_writable(folder)
    kept_database = _database(database, config, elsewhere / "check.db")
    kept_audit = audit if os.path.lexists(audit) else elsewhere / "audit.log"
    return _set(
        config,
        server=_set(config.server, ssl=ssl),
        hsm=_set(config.hsm, software=software),
        datasource=_set(config.datasource, url=f"sqlite:///{kept_database.absolute()}"),
        hsmgate=_set(house, data_dir=elsewhere, audit=_set(house.audit, file=kept_audit)),
    )


def _database(real: Path, config: Config, instead: Path) -> Path:
    """The database itself if opening it changes nothing, else a copy of it; one that is not there is made there."""
    if not os.path.lexists(real):
        return instead
    if not real.is_file():
        return real  # whatever is wrong with it, opening it says so
    try:
        found = look(config.datasource.url, config.hsmgate.data_dir)
        first = found.state == "current" and not was_served(config.datasource.url, config.hsmgate.data_dir)
    except Failure:
        return real
    if found.state in {"current", "newer"} and not first:
        return real
    sqlite.snapshot(real, instead)
    if found.state == "older":
        older = f"{real} has the tables of an older version ({found.found})"
        tables.warn([f"{older}: serve would bring them to {found.newest}, and there is no way back without a backup"])
    return instead


def _check_writable(folder: Path) -> None:
    """A folder that is there, or could be made."""
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise Failure(Reason.STORE_UNREADABLE, f"cannot write {folder}: {there} is no folder that this user may write")
