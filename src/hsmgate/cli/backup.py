"""`hsmgate backup`: one file with database, trust, server certificate, audit trail and configuration of one moment."""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from hsmgate import __version__
from hsmgate.adapters import store_files
from hsmgate.adapters.archive import FORMAT, Manifest, Writer
from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.audit_read import trail_files
from hsmgate.adapters.keystores import OWN_KEY
from hsmgate.adapters.private_files import whole_file
from hsmgate.adapters.sql import look, sqlite
from hsmgate.cli import backup_places as places
from hsmgate.cli import tables
from hsmgate.cli.audit import Report, judge_sources
from hsmgate.cli.progress import Progress
from hsmgate.config import Config
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import AuditEvent

_CHUNK = 1024 * 1024


def backup(config: Config, file: Path) -> None:
    """Write it, and say what it is worth. Failure: where something cannot be read, or `file` cannot be made."""
    path = places.database(config)
    source = config.datasource
    found = look(source.url, source.username, source.password, config.hsmgate.data_dir)
    if found.found is None:
        raise Failure(Reason.CONFIG_INVALID, f"there is nothing to back up: {path} has no tables of hsmgate")
    if os.path.lexists(file):  # found out now and not at the end
        raise Failure(Reason.STORE_UNREADABLE, f"{file} is there already: it is never overwritten")
    with whole_file(file) as archive, tempfile.TemporaryDirectory(prefix=".hsmgate-", dir=file.parent) as made:
        writer = Writer(archive, time.time())
        _add_database(writer, path, Path(made) / "snapshot.db")  # first: each key in it then has its line in the trail
        for name, store in places.stores(config).items():
            _add_store(writer, name, store)
        _add_configuration(writer, config)
        report = _add_audit(writer, places.audit(config))
        manifest = Manifest(
            format=FORMAT,
            version=__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tables=found.found,
            sealing_key=_sealing_key(config),
            audit_trail=report.trail if report else "",
            audit_head=report.head if report else "",
            audit_seq=report.last_seq if report else 0,
            files=writer.entries,
        )
        digest = writer.finish(manifest)
        if report:
            _note(config, AuditEvent("event", "backup", result="ok", detail={"sha256": digest, "head": report.head}))
    _say(file, digest, manifest)


def _say(file: Path, digest: str, manifest: Manifest) -> None:
    print(f"backup: {tables.plain(file)}")
    print(f"sha256: {digest}")
    if manifest.audit_head:
        print(f"audit-head: {manifest.audit_head}")
    print(f"sealing key: {tables.plain(manifest.sealing_key)} (not in the backup: keep a copy of it, elsewhere)")


def _add_database(writer: Writer, path: Path, snapshot: Path) -> None:
    sqlite.snapshot(path, snapshot)
    with snapshot.open("rb") as file:
        writer.add(places.DATABASE, str(path), os.fstat(file.fileno()).st_size, _chunks(file))


def _add_store(writer: Writer, name: str, path: Path) -> None:
    """A file, or the files of a folder. What the service makes itself may not be there yet."""
    if name == "own-certificate" and not path.exists():
        return
    store = store_files.read_files(path)
    for shown, content in store.files:
        member = places.below(name, Path(shown).name) if store.folder else name
        writer.add(member, shown, len(content), [content])


def _add_configuration(writer: Writer, config: Config) -> None:
    """The files of the configuration, unless the sealing key may stand in them."""
    software = config.hsm.software
    if software.key is not None and software.key_file is None:
        tables.warn(["hsm.software.key is a text: the files of the configuration, which may hold it, are left out"])
        return
    for file in config.files:
        content = store_files.read_file(file)
        writer.add(places.below(places.CONFIGURATION, file.name), str(file), len(content), [content])


def _add_audit(writer: Writer, path: Path) -> Report | None:
    """The files of the trail, as far as they are written now; what holds of them. Failure: INTEGRITY."""
    with trail_files(path) as found:
        for source in found:
            source.file.seek(0)
            writer.add(
                places.audit_name(path, source.path), str(source.path), source.size, _chunks(source.file, source.size)
            )
        if not found:
            return None
        with Progress("verifying the audit trail", sys.stderr, time.monotonic) as progress:
            return judge_sources(found, "", progress)


def _chunks(file: IO[bytes], size: int | None = None) -> Iterator[bytes]:
    left = size if size is not None else os.fstat(file.fileno()).st_size
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _sealing_key(config: Config) -> str:
    """Where the sealing key is: a reference, never the key."""
    software = config.hsm.software
    if config.hsm.backend != "software":
        return f"hsm.backend: {config.hsm.backend}"
    if software.key_file is not None:
        return str(software.key_file)
    return "hsm.software.key" if software.key is not None else str(config.hsmgate.data_dir / OWN_KEY)


def _note(config: Config, event: AuditEvent) -> None:
    fsync = config.hsmgate.audit.fsync
    audit = open_audit(places.audit(config), now=time.time, trail=str(uuid.uuid4()), version=__version__, fsync=fsync)
    try:
        audit.append(event)
    finally:
        audit.close()
