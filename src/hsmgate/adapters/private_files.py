"""Writes files and folders that only their owner may read: each appears whole, once, and is never overwritten."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hsmgate.errors import Failure, Reason

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_CHUNK = 1024 * 1024
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def make_folder(folder: Path) -> None:
    """Create a folder 0700, and those above it; one that exists is left as it is. Failure: STORE_UNREADABLE."""
    try:
        for parent in reversed((folder, *folder.parents)):
            if not parent.is_dir():
                parent.mkdir(FOLDER_MODE, exist_ok=True)
                parent.chmod(FOLDER_MODE)  # a umask may have taken bits away
                _sync(parent.parent)
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_once(path: Path, content: bytes) -> None:
    """Create a file 0600 that holds `content` or does not exist, whatever happens in between.

    Failure: STORE_UNREADABLE when it exists (also as a dangling link) or cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file 0600 to fill; when the block ends well it becomes `path`, in one step. Failure: as write_once."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with _new_file(temporary) as file:
            yield file
        try:
            os.link(temporary, path, follow_symlinks=False)  # unlike rename, refuses to replace
        finally:
            temporary.unlink()
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


def move_once(source: Path, path: Path) -> None:
    """Move a file that is synced to a name that must be free, on another file system too. Failure: as write_once."""
    try:
        os.link(source, path, follow_symlinks=False)
        _sync(path.parent)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise _unwritable(path, error) from None
        with source.open("rb") as original, whole_file(path) as copy:
            shutil.copyfileobj(original, copy, _CHUNK)
    source.unlink()


def link_once(path: Path, name: Path) -> None:
    """Give a file a second name, which must be free. Failure: STORE_UNREADABLE."""
    try:
        os.link(path, name, follow_symlinks=False)
        _sync(name.parent)
    except OSError as error:
        raise _unwritable(name, error) from None


def remove(path: Path) -> None:
    """Remove a file for good. Failure: STORE_UNREADABLE."""
    try:
        path.unlink()
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


def put(path: Path, content: bytes) -> None:
    """Create or replace a file 0600; at any moment it holds the old content or the new one, whole.

    Failure: STORE_UNREADABLE; the old content is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        try:
            with _new_file(temporary) as file:
                file.write(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path | None]:
    """Yield an empty folder 0700 to fill; when the block ends well it becomes `folder`, in one step.

    Yields None when `folder` is there already, or another process made it meanwhile. What a crash left behind is
    cleared by the next call. Failure: STORE_UNREADABLE.
    """
    make_folder(folder.parent)
    building = folder.with_name(f".{folder.name}.new")
    try:
        lock = _lock_building(folder, building)
    except OSError as error:
        raise _unwritable(folder, error) from None
    if lock is None:
        yield None
        return
    try:
        yield building
        _sync(building)
        building.rename(folder)
        _sync(folder.parent)
    except BaseException as error:
        if _is_same(lock, building):  # after the renaming the name may belong to another process
            shutil.rmtree(building, ignore_errors=True)
        if isinstance(error, OSError):
            raise _unwritable(folder, error) from None
        raise
    finally:
        os.close(lock)


def _lock_building(folder: Path, building: Path) -> int | None:
    """Create and lock the folder that is being filled, emptied; None when `folder` has come into being."""
    while not _is_filled(folder):
        with suppress(FileExistsError):
            building.mkdir(FOLDER_MODE)
        lock = os.open(building, _FOLDER_FLAGS)
        try:
            _wait_for_lock(lock)
            if _is_same(lock, building):
                _check_owner(lock)
                if not _is_filled(folder):
                    os.fchmod(lock, FOLDER_MODE)
                    _clear(building)
                    return lock
                shutil.rmtree(building)  # made a moment after the other process was done
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # the other process finished and renamed or removed it: look again
    return None


def _wait_for_lock(lock: int) -> None:
    """Wait while another process fills the folder; where the file system has no locks, renaming alone decides."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}:
            raise


def _is_filled(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False


def _is_same(lock: int, building: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), building.lstat())
    except FileNotFoundError:
        return False


def _check_owner(lock: int) -> None:
    """In a shared folder somebody else may have made it first, to read along."""
    if os.fstat(lock).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "a folder of another user is in the way")


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if stat.S_ISDIR(entry.lstat().st_mode):
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file 0600, on the disk when the block ends well, gone when it does not."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            yield file
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> Failure:
    return Failure(Reason.STORE_UNREADABLE, f"cannot write {path}: {(error.strerror or 'failed').lower()}")
