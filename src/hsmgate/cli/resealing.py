"""`hsmgate keystore reseal`: changes the sealing key, of the database in one step, of its files in resumable ones."""

import os
import sys
import time
import uuid
from pathlib import Path

from hsmgate import __version__
from hsmgate.adapters import sealing_rotation
from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.keystores import OWN_KEY
from hsmgate.adapters.resealing import keystore_row
from hsmgate.adapters.resealing import reseal as seal_anew
from hsmgate.adapters.sealing import Seal
from hsmgate.adapters.sealing_key import (
    Passphrase,
    SealingKey,
    make_sealing_key_file,
    read_sealing_key,
    read_sealing_secret,
)
from hsmgate.adapters.sql import Database, connect, look
from hsmgate.adapters.unsealing import fitting
from hsmgate.cli import tables
from hsmgate.cli.progress import Progress
from hsmgate.cli.sealing_secret import sealing_secret
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import AuditEvent


def reseal(config: Config, to: Path | None) -> None:
    """Do it and say what became of the keys.

    Failure: CONFIG_INVALID, CONNECTIVITY (in use), INTEGRITY, STORE_UNREADABLE, AUDIT_UNAVAILABLE.
    """
    source, data_dir = config.datasource, config.hsmgate.data_dir
    if config.hsm.backend != "software":
        raise Failure(Reason.CONFIG_INVALID, f"hsm.backend is {config.hsm.backend}: only software has a sealing key")
    if look(source.url, source.username, source.password, data_dir).state == "none":
        raise Failure(Reason.CONFIG_INVALID, "there are no keys yet: nothing is sealed that could be sealed anew")
    database = connect(source.url, source.username, source.password, data_dir, alone=True)
    try:
        keystore_row(database)
        if to is None:
            _in_place(config, database)
        else:
            _to_file(config, database, to.absolute())
    finally:
        database.close()


def _in_place(config: Config, database: Database) -> None:
    """A new key takes the place of the configured one."""
    software = config.hsm.software
    if software.key is not None:
        raise Failure(
            Reason.CONFIG_INVALID,
            "hsm.software.key is a text, and no file:PATH to be replaced; name the file of the next key with --to",
        )
    path = software.key_file or config.hsmgate.data_dir / OWN_KEY
    old = read_sealing_key(path)
    before = fitting(old, keystore_row(database))
    if before is None and not sealing_rotation.successor(path).exists():
        raise _not_its_key()
    new = read_sealing_key(sealing_rotation.prepared(path))
    count = _change(config, database, None if new == old else before, new)
    kept = sealing_rotation.finish(path)
    _say_count(count)
    print(f"sealing key: {tables.plain(path)}")
    if kept is not None:
        print(f"kept: {tables.plain(kept)} (backups of before need it)")


def _to_file(config: Config, database: Database, to: Path) -> None:
    """Another file, or a passphrase in one: the configuration has to follow."""
    old = sealing_secret(config)
    new = read_sealing_secret(to) if os.path.lexists(to) else None
    if new == old:
        raise Failure(Reason.CONFIG_INVALID, f"{to} holds the present sealing key: name a file that is not there yet")
    before = fitting(old, keystore_row(database))
    if new is None:
        if before is None:
            raise _not_its_key()
        make_sealing_key_file(to)
        new = read_sealing_key(to)
    _say_count(_change(config, database, before, new))
    value = f"file:{to}" if isinstance(new, SealingKey) else f"${{file:{to}}}"
    print(f'set in the configuration: hsm.software.key: "{tables.plain(value)}"')


def _change(config: Config, database: Database, before: Seal | None, new: SealingKey | Passphrase) -> int | None:
    """How many keys were sealed anew; None where an earlier try has done it, as it must have if `before` is None.

    Both ends stand in the audit trail.
    """
    if before is None and fitting(new, keystore_row(database)) is None:
        raise _not_its_key()
    path = config.hsmgate.audit.file or config.hsmgate.data_dir / "audit.log"
    audit = open_audit(
        path, now=time.time, trail=str(uuid.uuid4()), version=__version__, fsync=config.hsmgate.audit.fsync
    )
    try:
        if before is None:
            audit.append(AuditEvent("event", "keystore.resealed", result="ok", detail={"resumed": True}))
            return None
        audit.append(AuditEvent("event", "keystore.reseal", result="ok"))
        with Progress("sealing", sys.stderr, time.monotonic) as progress:
            count = seal_anew(database, before, new, progress.show)
        audit.append(AuditEvent("event", "keystore.resealed", result="ok", detail={"keys": count}))
    finally:
        audit.close()
    return count


def _say_count(count: int | None) -> None:
    print(
        "sealed anew: by an earlier try, which is brought to its end" if count is None else f"sealed anew: {count} keys"
    )


def _not_its_key() -> Failure:
    return Failure(
        Reason.CONFIG_INVALID, "hsm.software.key: this is not the key that the database is sealed with: give that one"
    )
