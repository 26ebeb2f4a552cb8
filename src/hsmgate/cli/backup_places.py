"""What a backup holds, under which name, and where that lies by a configuration."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from hsmgate.adapters.sql import Server, locate
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason
from hsmgate.opening import OWN_CERTIFICATE

DATABASE = "hsmgate.db"
AUDIT = "audit"
CONFIGURATION = "configuration"
_SUFFIX = re.compile(r"([.-][A-Za-z0-9._-]{1,80})?")


def stores(config: Config) -> dict[str, Path]:
    """The files and folders of trust and of the server, by their names in a backup, whether they exist or not."""
    ssl, ocsp = config.server.ssl, config.hsmgate.ocsp
    named = {
        "trust-store": ssl.trust_store,
        "key-store": ssl.key_store,
        "certificate": ssl.certificate,
        "certificate-private-key": ssl.certificate_private_key,
        "own-certificate": config.hsmgate.data_dir / OWN_CERTIFICATE,
    }
    numbered = {
        **{f"ocsp-issuers/{number}": path for number, path in enumerate(ocsp.issuers)},
        **{f"ocsp-responders/{number}": path for number, path in enumerate(ocsp.trusted_responders)},
    }
    return {name: path for name, path in named.items() if path is not None} | numbered


def database(config: Config) -> Path:
    """The file of the database. Failure: CONFIG_INVALID (it is on a server)."""
    source = config.datasource
    place = locate(source.url, source.username, source.password, config.hsmgate.data_dir)
    if isinstance(place, Server):
        dump = "mariadb-dump --single-transaction" if place.product == "mariadb" else "pg_dump"
        raise Failure(
            Reason.CONFIG_INVALID,
            f"the database is on a server, and a backup holds files only: {dump}, and see docs/operations.md",
        )
    return place


def audit(config: Config) -> Path:
    """The file that the audit trail is appended to."""
    return config.hsmgate.audit.file or config.hsmgate.data_dir / "audit.log"


def audit_name(path: Path, file: Path) -> str:
    """The name in a backup of one file of the trail at `path`."""
    return f"{AUDIT}/audit.log{file.name.removeprefix(path.name)}"


def below(name: str, file: str) -> str:
    """The name in a backup of a file in a folder."""
    return f"{name}/{quote(file, safe='')}"


def config_file(name: str, folder: Path) -> Path:
    """Where a file of the configuration goes. Failure: INTEGRITY."""
    return folder / _file_name(name, name.partition("/")[2])


def config_start(names: list[str], folder: Path) -> Path:
    """What `--config` has to name: the folder, or the file where it is one that was named itself."""
    files = [config_file(name, folder) for name in names]
    return folder if any(file.name.startswith("application") for file in files) else files[0]


def place_of(name: str, config: Config) -> Path:
    """Where a member of a backup belongs. Failure: INTEGRITY (a name of no member), CONFIG_INVALID (no place)."""
    head, _, tail = name.partition("/")
    there = stores(config)
    if name == DATABASE:
        return database(config)
    if head == AUDIT:
        return _audit_file(tail, audit(config))
    if name in there:
        return there[name]
    if head in there and tail:
        return there[head] / _file_name(name, tail)
    raise Failure(
        Reason.CONFIG_INVALID,
        f"the backup holds {name}, and the configuration has no place for it: restore with the configuration of then",
    )


def _audit_file(tail: str, path: Path) -> Path:
    suffix = tail.removeprefix("audit.log")
    if not tail.startswith("audit.log") or not _SUFFIX.fullmatch(suffix):
        raise _no_member(f"{AUDIT}/{tail}")
    return path.with_name(path.name + suffix)


def _file_name(name: str, tail: str) -> str:
    """The name of a file in a folder that is a store: one name, no way out of the folder."""
    file = unquote(tail, errors="strict")
    if file.startswith(".") or "/" in file or "\0" in file:
        raise _no_member(name)
    return file


def _no_member(name: str) -> Failure:
    return Failure(Reason.INTEGRITY, f"the backup cannot be used: {name} is no name of a member")
