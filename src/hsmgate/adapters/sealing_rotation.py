"""The files of a sealing key that is being changed: KEY.new until it counts, KEY.old-1, KEY.old-2 ... for backups.

KEY exists at every moment, and KEY.new until nothing is left to do: whoever is killed is continued by the next try.
"""

import itertools
import os
from pathlib import Path

from hsmgate.adapters.private_files import link_once, put, remove
from hsmgate.adapters.sealing_key import make_sealing_key_file, read_sealing_key


def prepared(path: Path) -> Path:
    """The file with the next key: made now, or by a try that did not come to its end. Failure: STORE_UNREADABLE."""
    new = successor(path)
    make_sealing_key_file(new)
    return new


def successor(path: Path) -> Path:
    """Where the next key lies while the change goes on."""
    real = path.resolve()
    return real.with_name(f"{real.name}.new")


def finish(path: Path) -> Path | None:
    """Make the next key the key, and keep the one of before; its file, or None where an earlier try has done it.

    Failure: STORE_UNREADABLE, CONFIG_INVALID.
    """
    real, new = path.resolve(), successor(path)
    before, after = read_sealing_key(real), read_sealing_key(new)
    kept = None
    if before != after:
        kept = _keep(real)
        put(real, f"{after.octets.hex()}\n".encode())
    remove(new)
    return kept


def _keep(real: Path) -> Path:
    """A second name for the file of the old key, unless it has one; what has a name already is left alone."""
    names = (real.with_name(f"{real.name}.old-{number}") for number in itertools.count(1))
    old = next(name for name in names if not os.path.lexists(name) or _is_same(name, real))
    if not old.exists():
        link_once(real, old)
    return old


def _is_same(name: Path, real: Path) -> bool:
    return os.path.samestat(name.lstat(), real.lstat())
