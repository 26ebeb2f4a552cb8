"""Which files make up the configuration, and reading a file without being held up or flooded by it."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from hsmgate.config.entries import shown
from hsmgate.config.paths import CONFIG_MOUNT
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

FILE_BYTES = 1024 * 1024
_PROFILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class Found(Record):
    """The files of a configuration, the stronger ones last."""

    folder: Path
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def find(path: Path | None, profile: str | None, environ: Mapping[str, str], cwd: Path) -> Found:
    """The files to read. Failure: CONFIG_MISSING, CONFIG_INVALID (a bad profile name, .yml beside .yaml)."""
    try:
        return _find(_start(path, environ, cwd), profile, environ)
    except OSError as error:  # such as a folder that we may not enter
        raise Failure(Reason.CONFIG_MISSING, f"no configuration: {error.filename}: {error.strerror}") from None


def _find(start: Path, profile: str | None, environ: Mapping[str, str]) -> Found:
    if start.is_file():
        ignored = f"profile {shown(profile or '')} is not used: {start} was named as a file and is read alone"
        return Found(start.parent, (start,), (ignored,) if profile else ())
    if not start.is_dir():
        raise Failure(Reason.CONFIG_MISSING, f"no configuration: {start} is neither a file nor a folder")
    named = profile or environ.get("spring.profiles.active") or environ.get("SPRING_PROFILES_ACTIVE")
    return _in_folder(start, _profiles(named or "local"), explicit=bool(named))


def _start(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    if path is None and environ.get("HSMGATE_CONFIG"):
        path = Path(environ["HSMGATE_CONFIG"])
    if path is not None:
        return cwd / path
    usual = (cwd / "config-files", Path(CONFIG_MOUNT))
    for folder in usual:
        if folder.is_dir():
            return folder
    raise Failure(
        Reason.CONFIG_MISSING,
        f"no configuration: neither {usual[0]} nor {usual[1]} exists; name a file or folder with --config",
    )


def _profiles(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not _PROFILE.fullmatch(name):
            raise Failure(Reason.CONFIG_INVALID, f"{shown(name)} is not a profile name: letters, digits, - _ . only")
    return list(dict.fromkeys(names)) or ["local"]


def _in_folder(folder: Path, profiles: list[str], explicit: bool) -> Found:
    bases = ["application", *(f"application-{name}" for name in profiles)]
    by_base = {base: _either(folder, base) for base in bases}
    files = tuple(file for file in by_base.values() if file is not None)
    if not files:
        looked = " or ".join(f"{base}.yml" for base in bases)
        raise Failure(Reason.CONFIG_MISSING, f"no configuration: {folder} holds no {looked} (or .yaml)")
    absent = [base for base in bases[1:] if by_base[base] is None]
    warnings = tuple(f"{folder} holds no {base}.yml for a profile that was asked for" for base in absent)
    return Found(folder, files, warnings if explicit else ())


def _either(folder: Path, base: str) -> Path | None:
    found = [file for file in (folder / f"{base}.yml", folder / f"{base}.yaml") if _is_there(file)]
    if len(found) > 1:
        raise Failure(Reason.CONFIG_INVALID, f"{folder} holds both {base}.yml and {base}.yaml; keep one")
    return found[0] if found else None


def _is_there(file: Path) -> bool:
    """A dangling link counts as there: to pass over it could leave a protection out."""
    return file.is_symlink() or file.exists()


def read_config(file: Path) -> bytes:
    """One configuration file. Failure: CONFIG_INVALID."""
    try:
        return read_bounded(file, FILE_BYTES)
    except OSError as error:
        raise Failure(Reason.CONFIG_INVALID, f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Failure(Reason.CONFIG_INVALID, f"{file} {error}") from None


def read_bounded(path: Path, limit: int) -> bytes:
    """A regular file's content. OSError as from open; ValueError, which continues a sentence: too large, no file."""
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer would block
