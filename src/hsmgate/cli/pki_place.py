"""Which PKI a `hsmgate pki` command is about: that of a configuration, or a folder of its own."""

import os
import pwd
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hsmgate import __version__
from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.private_files import make_folder
from hsmgate.adapters.sql.connect import connect
from hsmgate.adapters.sql.register import SqlRegister
from hsmgate.cli.pki_passphrases import Passphrases
from hsmgate.config import Config, Datasource, load
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.issuance_chain import checked_name
from hsmgate.usecases.issuance_ports import IssuancePorts
from hsmgate.usecases.ports import Keystore

DATABASE = "pki.db"
KEYS = "keys"  # below the folder of a PKI
SERVICE_KEYS = "pki/keys"  # below data-dir


@dataclass(frozen=True)
class Where:
    """What the command line says of the place, and of passphrases."""

    config: Path | None = None
    profile: str | None = None
    pki: Path | None = None
    passphrases: Passphrases = field(default_factory=Passphrases)


@dataclass(frozen=True)
class Place:
    """A PKI that is open. `folder`: from where its relative files count; `keys`: where new keys of authorities go."""

    ports: IssuancePorts
    register: SqlRegister
    folder: Path
    keys: str = KEYS

    def key_of(self, name: str, label: str | None) -> str:
        """Where an authority's key is: in the keystore under this label, else a file. Failure: INVALID_INPUT."""
        return f"keystore:{label}" if label else f"file:{self.keys}/{checked_name(name)}.key"


@contextmanager
def opened(where: Where, *, make: bool = False) -> Iterator[Place]:
    """Open it; `make`: a folder that is not there is made. Failure: CONFIG_*, CONNECTIVITY, INTEGRITY, ..."""
    if where.config is not None and where.pki is not None:
        raise Failure(Reason.INVALID_INPUT, "--config and --pki exclude each other")
    os.umask(0o077)  # nothing that is made here is anybody else's, unless it says so
    folder = where.pki
    if folder is None and where.config is None and (named := os.environ.get("HSMGATE_PKI")):
        folder = Path(named)
    with ExitStack() as ends:
        if folder is not None:
            yield _folder(folder, where, ends, make=make)
        else:
            yield _configured(load(where.config, where.profile, os.environ, Path.cwd()), where, ends)


def _folder(folder: Path, where: Where, ends: ExitStack, *, make: bool) -> Place:
    if not make and not (folder / DATABASE).is_file():
        raise Failure(Reason.CONFIG_MISSING, f"there is no PKI in {folder}: hsmgate pki init makes one")
    make_folder(folder)
    return _place(folder, Datasource(url=f"sqlite:///{DATABASE}"), folder / "audit.log", where, ends, None)


def _configured(config: Config, where: Where, ends: ExitStack) -> Place:
    house = config.hsmgate
    make_folder(house.data_dir)
    trail = house.audit.file or house.data_dir / "audit.log"
    make_folder(trail.parent)
    keystore = _keystore_of(config, ends)
    place = _place(house.data_dir, config.datasource, trail, where, ends, keystore, fsync=house.audit.fsync)
    return replace(place, keys=SERVICE_KEYS)


def _place(
    folder: Path,
    source: Datasource,
    trail: Path,
    where: Where,
    ends: ExitStack,
    keystore: Callable[[], Keystore] | None,
    *,
    fsync: bool = True,
) -> Place:
    database = connect(source.url, source.username, source.password, folder)
    ends.callback(database.close)
    audit = open_audit(trail, now=time.time, trail=str(uuid.uuid4()), version=__version__, fsync=fsync)
    ends.callback(audit.close)
    register = SqlRegister(database)
    keys = SigningKeyStore(folder, where.passphrases.opening, where.passphrases.protecting, keystore)
    ports = IssuancePorts(register, keys, audit, time.time, os.urandom, _operator())
    return Place(ports, register, folder)


def _keystore_of(config: Config, ends: ExitStack) -> Callable[[], Keystore]:
    """Opens the configured keystore when a key of it is first needed."""
    opened: list[Keystore] = []

    def keystore() -> Keystore:
        if not opened:
            from hsmgate.adapters.log import make_log
            from hsmgate.opening import open_keystore

            log = make_log(sys.stderr, now=time.time, monotonic=time.monotonic)
            source = config.datasource
            database = connect(source.url, source.username, source.password, config.hsmgate.data_dir)
            ends.callback(database.close)
            opened.append(open_keystore(config, database, log, ends))
        return opened[0]

    return keystore


def _operator() -> str:
    """Who acts, as the system knows them; behind sudo, who called it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo: {behind})" if behind else name
