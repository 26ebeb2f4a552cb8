"""`hsmgate pki` in this process: a command costs milliseconds, not the second of a new process."""

import contextlib
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from hsmgate import cli


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def json(self) -> list[dict[str, object]]:
        return msgspec.json.decode(self.out, type=list[dict[str, object]])


class PkiCli:
    """Commands in one folder, with a PKI in its folder `pki`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HSMGATE_PKI", "pki")
        for name in ("HSMGATE_CONFIG", "SUDO_USER"):
            monkeypatch.delenv(name, raising=False)
        self._monkeypatch = monkeypatch

    def setenv(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(name, value)

    def __call__(self, *words: object, stdin: str = "") -> Done:
        """`hsmgate pki WORDS`, without a terminal."""
        return self.hsmgate("pki", *words, stdin=stdin)

    def hsmgate(self, *words: object, stdin: str = "") -> Done:
        out, err, code = io.StringIO(), io.StringIO(), 0
        umask = os.umask(0o022)
        with (
            mock.patch.object(sys, "argv", ["hsmgate", *map(str, words)]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main()
            except SystemExit as done:
                code = int(done.code or 0)
            finally:
                os.umask(umask)
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *words: object) -> Done:
        done = self(*words)
        assert done.code == 0, done.err
        return done

    def no(self, *words: object) -> str:
        """The one line of a command that is refused."""
        done = self(*words)
        assert done.code == 1, done
        assert done.out == ""
        assert done.err.count("\n") == 1, done.err
        assert "unexpected" not in done.err, done.err
        return done.err.removeprefix("hsmgate: ").strip()
