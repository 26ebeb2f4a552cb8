"""Paths in values: `file:` URLs, relative ones, and those of the container that are somewhere else here."""

import os.path
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from hsmgate.record import Record

CONFIG_MOUNT = "/etc/app/config"
OUTPUT_MOUNT = "/etc/app/output"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


class Places(Record):
    """From where paths count."""

    folder: Path
    data_dir: Path


def location(text: str) -> str:
    """A path or `file:` URL as a path. ValueError: another scheme, another host, nothing that names a file."""
    found = _SCHEME.match(text)
    if found is None:
        path = text
    elif found.group(1).lower() == "file":
        path = _of_url(text[5:])
    elif found.group(1).lower() == "classpath":
        raise ValueError("names a classpath: resource, which does not exist here; use a file: URL or a path")
    else:
        raise ValueError("must be a path or a file: URL")
    if not path or "\0" in path:
        raise ValueError("must be a path or a file: URL")
    return path


def _of_url(rest: str) -> str:
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"} or not slash:
            raise ValueError("names a file: URL of another host; write file:/path")
        rest = "/" + path
    return os.fsdecode(unquote_to_bytes(rest))


def locate(path: str, places: Places, written: bool) -> tuple[Path, bool]:
    """Where a path leads, and whether it was a container's path that had to be moved.

    A path that is to be `written` stays where the container's mount is really there.
    """
    absolute = places.folder / path
    plain = os.path.normpath(absolute)
    for mount, instead in ((CONFIG_MOUNT, places.folder), (OUTPUT_MOUNT, places.data_dir)):
        inside = plain == mount or plain.startswith(mount + "/")
        if inside and not _exists(absolute) and not (written and _exists(Path(mount))):
            moved = instead / plain[len(mount) :].lstrip("/")
            return moved, moved != absolute
    return absolute, False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no permission to look, or a name too long: then it is not there for us
        return False
