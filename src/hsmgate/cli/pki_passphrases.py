"""Passphrases of keys and passwords of bundles: from files, variables, or a terminal; never from the command line."""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hsmgate.adapters.pki_keys import KEY_PASSPHRASE
from hsmgate.errors import Failure, Reason

PROTECTING, BUNDLE = "HSMGATE_NEW_KEY_PASSPHRASE", "HSMGATE_BUNDLE_PASSWORD"
_MOST = 1024  # characters


@dataclass(frozen=True)
class Passphrases:
    """`opening` is asked for what opens a key, `protecting` for what a new key is protected with."""

    opening_file: Path | None = None
    protecting_file: Path | None = None
    ask: bool = False  # for the one of a new key
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _asked: dict[str, str] = field(default_factory=dict)

    def opening(self, reference: str) -> str | None:
        """From the file, the variable, or the terminal if there is one; None: there is none."""
        if self.opening_file is not None:
            return from_file(self.opening_file)
        if given := self.environ.get(KEY_PASSPHRASE):
            return given
        if not terminal():
            return None
        return self._prompted(reference, f"Passphrase of {reference}: ")

    def protecting(self, reference: str) -> str | None:
        """From the file, the variable, or, where that is asked for, the terminal; None: there is none."""
        if self.protecting_file is not None:
            return from_file(self.protecting_file)
        if given := self.environ.get(PROTECTING):
            return given
        if not self.ask:
            return None
        if not terminal():
            raise Failure(Reason.INVALID_INPUT, f"there is no terminal to ask: give a file, or set {PROTECTING}")
        if reference not in self._asked:
            first = self._prompted(reference, f"New passphrase of {reference}: ")
            if not first or getpass.getpass("The same again: ") != first:
                del self._asked[reference]
                raise Failure(Reason.INVALID_INPUT, "the two passphrases are not the same, or empty")
        return self._asked[reference]

    def _prompted(self, reference: str, text: str) -> str:
        if reference not in self._asked:
            self._asked[reference] = getpass.getpass(text)
        return self._asked[reference]


def from_file(path: Path) -> str:
    """The first line. Failure: STORE_UNREADABLE, INVALID_INPUT (it is empty)."""
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline(_MOST + 1).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise Failure(Reason.STORE_UNREADABLE, f"cannot read {path}: {(why or 'failed').lower()}") from None
    if not 1 <= len(line) <= _MOST:
        raise Failure(Reason.INVALID_INPUT, f"the first line of {path} is no passphrase")
    return line


def terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
