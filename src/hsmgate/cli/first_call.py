"""The first three commands, printed when a quickstart begins to serve: a call, a revocation, the same call."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from hsmgate.cli import quickstart
from hsmgate.config import Config
from hsmgate.errors import Failure


def show(config: Config, port: int, *, absolute: bool) -> None:
    """Print them, a line each; nothing for other configurations. That nobody can read them is no reason not to serve.

    After the second one the third is refused, on an open connection too.
    """
    folder = quickstart.beside(config.files[0])
    if folder is None:
        return
    try:
        shown = folder if absolute else _as_seen(folder)
        call = quickstart.curl_line(shown, port)
    except Failure:  # the client's bundle was taken to where it is used
        return
    with suppress(OSError):
        print(call, quickstart.revoke_line(shown, _program(absolute=absolute)), call, sep="\n")
        sys.stdout.flush()


def _as_seen(folder: Path) -> Path:
    """Relative to the current folder where it lies below it: short, and right when pasted here."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _program(*, absolute: bool) -> str:
    """How hsmgate is called from here: by its name alone where that is found."""
    installed = Path(sys.executable).with_name("hsmgate")
    found = shutil.which("hsmgate")
    if found is not None and Path(found).resolve() == installed.resolve():
        return "hsmgate"
    return str(installed if absolute else _as_seen(installed))
