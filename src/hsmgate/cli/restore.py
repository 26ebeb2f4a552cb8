"""`hsmgate restore`: puts back what `hsmgate backup` wrote, where the configuration says; overwrites nothing."""

import os
import stat
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsmgate import __version__
from hsmgate.adapters import private_files, store_files
from hsmgate.adapters.archive import Archive
from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.audit_read import trail_names
from hsmgate.adapters.resealing import check_seals
from hsmgate.adapters.sql import connect, use
from hsmgate.adapters.sql.keys import read_keystore
from hsmgate.adapters.unsealing import fitting
from hsmgate.cli import backup_places as places
from hsmgate.cli import tables
from hsmgate.cli.audit import judge
from hsmgate.cli.progress import Progress
from hsmgate.cli.sealing_secret import sealing_secret
from hsmgate.config import Config, load
from hsmgate.errors import Failure, Reason
from hsmgate.pki.store_limits import FILE_BYTES
from hsmgate.usecases.ports import AuditEvent

CONFIG_FOLDER = "config-files"


def restore(file: Path, config: Config, head: str | None) -> None:
    """Put everything where this configuration has it.

    Failure: INTEGRITY (the backup, a seal or the trail does not hold), CONFIG_INVALID (another sealing key, no place),
    STORE_UNREADABLE (something is there already).
    """
    with _archive(file) as archive:
        _put_back(archive, config, head)


def restore_into(file: Path, folder: Path, profile: str | None, head: str | None) -> None:
    """The same, with the configuration of the backup, below a folder that nothing may lead out of.

    Failure: as `restore`.
    """
    with _archive(file) as archive:
        target = folder.absolute() / CONFIG_FOLDER
        names = [name for name in archive.entries if name.startswith(f"{places.CONFIGURATION}/")]
        if not names:
            raise Failure(
                Reason.CONFIG_INVALID,
                "the backup holds no configuration: write it yourself, and restore with --config instead of a folder",
            )
        private_files.make_folder(target)
        for name in names:
            _put_small(archive, name, places.config_file(name, target))
        config = load(places.config_start(names, target), profile, os.environ, Path.cwd())
        _refuse_outside(archive, config, folder.resolve())
        _put_back(archive, config, head)


@contextmanager
def _archive(path: Path) -> Iterator[Archive]:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Failure(Reason.STORE_UNREADABLE, f"{path}: not a regular file")
            yield Archive(file)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: {error.strerror}") from None


def _put_back(archive: Archive, config: Config, head: str | None) -> None:
    names = [name for name in archive.entries if not name.startswith(f"{places.CONFIGURATION}/")]
    targets = {name: places.place_of(name, config) for name in names}
    database = places.database(config)
    large = {name: path for name, path in targets.items() if name.split("/")[0] in {places.DATABASE, places.AUDIT}}
    _refuse_taken([*large.values(), places.audit(config), *trail_names(places.audit(config)), *_beside(database)])
    for folder in {path.parent for path in targets.values()}:
        private_files.make_folder(folder)
    held = use.hold(database, alone=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".hsmgate-", dir=database.parent) as made:
            staged = _staged(archive, large, Path(made))
            keys = _check_database(staged[places.DATABASE], config)
            _check_audit(archive, [path for name, path in staged.items() if name != places.DATABASE], head)
            for name in names:
                if name not in large:
                    _put_small(archive, name, targets[name])
            for name in sorted(large, key=lambda one: one == places.DATABASE):  # the database last: then all is there
                private_files.move_once(staged[name], large[name])
    finally:
        os.close(held)
    _note(archive, config)
    _say(archive, targets, keys)


def _say(archive: Archive, targets: dict[str, Path], keys: int) -> None:
    for path in targets.values():
        print(f"restored: {tables.plain(path)}")
    print(f"keys: {keys}, each with a seal that holds")
    if archive.manifest.audit_head:
        print(f"audit-head: {archive.manifest.audit_head}")
    print(f"as of: {tables.plain(archive.manifest.created)}")


def _beside(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm", "-journal")]


def _refuse_taken(paths: list[Path]) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise Failure(
                Reason.STORE_UNREADABLE,
                f"{path} is there already: a restore overwrites nothing; move it away, or restore elsewhere",
            )


def _refuse_outside(archive: Archive, config: Config, folder: Path) -> None:
    """The configuration came with the backup: it must not say where else on this machine to write."""
    paths = [places.place_of(name, config) for name in archive.entries if not name.startswith(places.CONFIGURATION)]
    for path in (*paths, places.audit(config), config.hsmgate.data_dir):
        if not path.resolve().is_relative_to(folder):
            raise Failure(
                Reason.CONFIG_INVALID,
                f"the configuration of the backup leads to {path}, outside {folder}: look at the files in"
                f" {CONFIG_FOLDER}, change them or put them where they belong, and restore with --config",
            )


def _put_small(archive: Archive, name: str, path: Path) -> None:
    """A store or a file of the configuration; one that is there already must be the same."""
    content = archive.content(name, FILE_BYTES)
    if os.path.lexists(path):
        if store_files.read_file(path) != content:
            raise Failure(Reason.STORE_UNREADABLE, f"{path} is there already and differs from the backup: move it away")
        return
    private_files.write_once(path, content)


def _staged(archive: Archive, large: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The large members, written and synced, each as it is in the manifest."""
    whole, done = sum(archive.entries[name].size for name in large), 0
    staged = {}
    with Progress("restoring", sys.stderr, time.monotonic) as progress:
        for number, name in enumerate(large):
            staged[name] = folder / f"{number:04}"
            with private_files.whole_file(staged[name]) as file:
                for chunk in archive.chunks(name):
                    file.write(chunk)
                    done += len(chunk)
                    progress.show(done, whole)
    if places.DATABASE not in staged:
        raise Failure(Reason.INTEGRITY, "the backup cannot be used: it holds no database")
    return staged


def _check_database(path: Path, config: Config) -> int:
    """How many keys there are, after an upgrade to this version's tables; each must open with the sealing key."""
    database = connect(f"sqlite:///{path}", None, None, path.parent)
    try:
        row = read_keystore(database)
        if row is None or config.hsm.backend != "software":
            return 0
        seal = fitting(sealing_secret(config), row)
        if seal is None:
            raise Failure(
                Reason.CONFIG_INVALID,
                "hsm.software.key: this is not the key that the backup is sealed with: give that one",
            )
        with Progress("checking seals", sys.stderr, time.monotonic) as progress:
            return check_seals(database, seal, progress.show)
    finally:
        database.close()
        for beside in ("lock", "use"):
            path.with_name(f"{path.name}.{beside}").unlink(missing_ok=True)


def _check_audit(archive: Archive, files: list[Path], head: str | None) -> None:
    """The trail holds, up to the head that the manifest names, and has the line whose head was kept elsewhere."""
    if not files:
        if head:
            raise Failure(Reason.INTEGRITY, "the backup holds no audit trail, so none with that head")
        return
    report = judge(files, head or "", Progress("verifying the audit trail", sys.stderr, time.monotonic))
    if report.head != archive.manifest.audit_head:
        raise Failure(Reason.INTEGRITY, "the audit trail of the backup does not end where its manifest says")


def _note(archive: Archive, config: Config) -> None:
    audit = open_audit(
        places.audit(config),
        now=time.time,
        trail=str(uuid.uuid4()),
        version=__version__,
        fsync=config.hsmgate.audit.fsync,
    )
    try:
        detail: dict[str, str | int | bool | None] = {
            "of": archive.manifest.created,
            "head": archive.manifest.audit_head,
        }
        audit.append(AuditEvent("event", "restore", result="ok", detail=detail))
    finally:
        audit.close()
