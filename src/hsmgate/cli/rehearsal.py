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
from hsmgate.adapters.sql import Server, locate, look, sqlite, was_served
from hsmgate.adapters.sql.upgrade import Tables
from hsmgate.cli import tables
from hsmgate.config import Config, Datasource
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
    source = config.datasource
    database = locate(source.url, source.username, source.password, real)
    audit = house.audit.file or real / "audit.log"
    own_key = config.hsm.backend == "software" and software.key is None and software.key_file is None
    own_certificate = not (ssl.key_store or ssl.certificate)
    if own_key and os.path.lexists(real / OWN_KEY):
        software = _set(software, key_file=real / OWN_KEY)
    if own_certificate and (real / OWN_CERTIFICATE).exists():
        ssl = _set(ssl, certificate=real / OWN_CERTIFICATE)
    beside = {database.parent} if isinstance(database, Path) else set()
    for folder in {*beside, audit.parent} | ({real} if own_key or own_certificate else set()):
        _check_writable(folder)
    instead = elsewhere / "check.db"
    kept = _file(database, source, real, instead) if isinstance(database, Path) else _on_server(database, source, real)
    if kept is None:
        kept = instead
    kept_audit = audit if os.path.lexists(audit) else elsewhere / "audit.log"
    return _set(
        config,
        server=_set(config.server, ssl=ssl),
        hsm=_set(config.hsm, software=software),
        datasource=source if isinstance(kept, Server) else Datasource(url=f"sqlite:///{kept.absolute()}"),
        hsmgate=_set(house, data_dir=elsewhere, audit=_set(house.audit, file=kept_audit)),
    )


def _file(real: Path, source: Datasource, data_dir: Path, instead: Path) -> Path:
    """The database itself if opening it changes nothing, else a copy of it; one that is not there is made there."""
    if not os.path.lexists(real):
        return instead
    if not real.is_file():
        return real  # whatever is wrong with it, opening it says so
    try:
        found, first = _looked_at(source, data_dir)
    except Failure:
        return real
    if found.state in {"current", "newer"} and not first:
        return real
    sqlite.snapshot(real, instead)
    if found.state == "older":
        _warn_of_older(real, found)
    return instead


def _on_server(real: Server, source: Datasource, data_dir: Path) -> Server | None:
    """The database itself if opening it changes nothing; None: what a first start would make in it is not looked at.

    Failure: as `look`.
    """
    found, first = _looked_at(source, data_dir)
    if found.state in {"current", "newer"} and not first:
        return real
    if found.state == "older":
        _warn_of_older(real, found)
        tables.warn([f"{real} is not copied to try it: the keys in it, and whether they open, are not looked at"])
    return None


def _looked_at(source: Datasource, data_dir: Path) -> tuple[Tables, bool]:
    """Its tables, and whether no keystore was ever opened in those of this version."""
    given = (source.url, source.username, source.password, data_dir)
    found = look(*given)
    return found, found.state == "current" and not was_served(*given)


def _warn_of_older(real: Path | Server, found: Tables) -> None:
    older = f"{real} has the tables of an older version ({found.found})"
    tables.warn([f"{older}: serve would bring them to {found.newest}, and there is no way back without a backup"])


def _check_writable(folder: Path) -> None:
    """A folder that is there, or could be made."""
    there = folder
    while not os.path.lexists(there):
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise Failure(Reason.STORE_UNREADABLE, f"cannot write {folder}: {there} is no folder that this user may write")
