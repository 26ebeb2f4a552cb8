"""Truststores on disk: bounded reading of a file or folder, a content digest for the watcher, atomic replacing."""

import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from hsmgate.errors import Failure, Reason
from hsmgate.pki import truststore
from hsmgate.pki.store_entries import Found, named, once
from hsmgate.pki.store_limits import FILE_BYTES, FOLDER_BYTES, FOLDER_FILES
from hsmgate.record import Record

_SUFFIXES = {".pem", ".crt", ".cer", ".der"}
_CHUNK = 256 * 1024
_LOCK_WAIT = 10.0  # seconds that an editor waits for another one
_LOCK_STEP = 0.05


class StoreFiles(Record):
    """What a path holds. `files`: (path as shown, content), sorted by name; one for a file."""

    files: tuple[tuple[str, bytes], ...]
    folder: bool
    warnings: tuple[str, ...] = ()


def read_files(path: Path) -> StoreFiles:
    """The content of a file, or of the PEM and DER files of a folder. Failure: STORE_UNREADABLE naming the file."""
    if not path.is_dir():
        return StoreFiles(files=((str(path), read_file(path)),), folder=False)
    members, ignored = _members(path)
    files, total = [], 0
    for member in members:
        content = read_file(member)
        total += len(content)
        if total > FOLDER_BYTES:
            raise Failure(Reason.STORE_UNREADABLE, f"{path}: its files are larger than {FOLDER_BYTES} bytes in all")
        files.append((str(member), content))
    if not files:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: the folder holds no {', '.join(sorted(_SUFFIXES))} file")
    warnings = []
    if ignored:
        names = ", ".join(ascii(name)[1:-1] for name in ignored[:5])
        warnings.append(f"{path}: {len(ignored)} other entries of the folder are ignored ({names})")
    return StoreFiles(files=tuple(files), folder=True, warnings=tuple(warnings))


def read_store(path: Path, password: str | None, hint: str | None = None) -> truststore.Truststore:
    """Read a truststore file, or merge a folder of PEM and DER files (its format is "PEM").

    Failure: STORE_UNREADABLE, STORE_UNSUPPORTED; one broken file of a folder refuses the folder.
    """
    store = read_files(path)
    if not store.folder:
        return truststore.read(store.files[0][1], password, str(path), hint)
    found, warnings, keys = [], list(store.warnings), []
    for name, content in store.files:
        part = truststore.read(content, None, name)
        if part.format not in ("PEM", "DER"):
            raise Failure(Reason.STORE_UNSUPPORTED, f"{name}: a folder holds PEM and DER files, this is {part.format}")
        found += [Found(alias=entry.alias, der=entry.der) for entry in part.entries]
        warnings += part.warnings
        keys += [f"{name} {key}" for key in part.skipped_keys]
    try:
        entries, renamed = named(found)
    except Failure as failure:
        raise Failure(failure.reason, f"{path}: {failure.detail}") from None
    kept, doubles = once(entries)
    warnings += [f"{path}: {text}" for text in (*renamed, *doubles)]
    return truststore.Truststore(format="PEM", entries=kept, warnings=tuple(warnings), skipped_keys=tuple(keys))


def read_file(path: Path) -> bytes:
    """A regular file of at most FILE_BYTES. Never waits for a FIFO or device. Failure: STORE_UNREADABLE."""
    return read_bounded(path, FILE_BYTES)


def read_bounded(path: Path, most: int) -> bytes:
    """A regular file of at most `most` octets. Failure: STORE_UNREADABLE."""
    try:
        return _read(path, most)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: {error.strerror or 'cannot be read'}") from None


def _read(path: Path, most: int = FILE_BYTES) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        parts, size = [], 0
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
            size += len(part)
            if size > most:
                raise OSError(errno.EFBIG, f"is larger than {most} bytes")
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _members(folder: Path) -> tuple[list[Path], list[str]]:
    """The files to read, sorted, and the names that are ignored; dotfiles (Kubernetes' ..data) are no part of it."""
    members: list[Path] = []
    ignored: list[Path] = []
    try:
        with os.scandir(folder) as found:
            for count, entry in enumerate(found, 1):
                if count > FOLDER_FILES:
                    raise Failure(Reason.STORE_UNREADABLE, f"{folder}: holds more than {FOLDER_FILES} files")
                if entry.name.startswith("."):
                    continue
                path = folder / entry.name
                fits = path.suffix.lower() in _SUFFIXES and not entry.is_dir()
                (members if fits else ignored).append(path)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{folder}: {error.strerror or 'cannot be read'}") from None
    return sorted(members), sorted(path.name for path in ignored)


def fingerprint(path: Path) -> bytes:
    """A SHA-256 over names and contents; never raises: what cannot be read counts as a marker of its own."""
    digest = sha256()
    try:
        members = _members(path)[0] if path.is_dir() else [path]
    except (Failure, OSError) as failure:
        return sha256(f"unreadable: {failure}".encode("utf-8", "surrogateescape")).digest()
    budget = FOLDER_BYTES
    for member in members:
        try:
            mark, content = b"file", _read(member) if budget > 0 else b""
        except OSError as error:
            mark, content = b"error", str(error.errno).encode()
        budget -= len(content)
        for part in (mark, os.fsencode(member.name), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Read, change and replace a file while no other editor does. Failure: of reading, of `change`, of writing."""
    if path.is_dir():
        raise Failure(
            Reason.STORE_UNSUPPORTED, f"{path}: is a folder; put certificate files into it or take them out of it"
        )
    with locked(path):
        replace(path, change(read_file(path)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the folder that the file (a link's target) lies in. Failure: STORE_UNREADABLE, it stays held."""
    folder = _target(path).parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{folder}: {error.strerror}") from None
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # releases the lock


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Failure(
                    Reason.STORE_UNREADABLE, f"{folder}: another editor holds its lock; try again later"
                ) from None
            time.sleep(_LOCK_STEP)
        except OSError as error:
            raise Failure(Reason.STORE_UNREADABLE, f"{folder}: cannot be locked: {error.strerror}") from None
        else:
            return


def _target(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        text = error.strerror if isinstance(error, OSError) else "its links run in a circle"
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: {text}") from None


def replace(path: Path, content: bytes) -> None:
    """Put new content into place of an existing file, whole or not at all; owner and mode stay, a link stays a link.

    Failure: STORE_UNREADABLE; the old file is then as it was.
    """
    target = _target(path)
    temporary = ""
    try:
        old = target.stat()
        if not stat.S_ISREG(old.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".new", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            _take_after(old, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)  # noqa: PTH105 - names, not paths, on both sides
        temporary = ""
        _sync(target.parent)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"{path}: cannot be replaced: {error.strerror}") from None
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108


def _take_after(old: os.stat_result, descriptor: int) -> None:
    """Owner before mode: changing the owner may clear bits of the mode."""
    mine = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
