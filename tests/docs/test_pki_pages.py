"""docs/pki.md and docs/root-key-ceremony.md: what a reader types there works, and says what the page shows.

Each line is a command; those of hsmgate run in this process, since a page has more of them than processes are cheap.
"""

import re
import shlex
from pathlib import Path

import pytest

from support.pages import ROOT, shell
from support.pki_cli import PkiCli

FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(pki: PkiCli, line: str) -> str:
    words = shlex.split(line)
    if words[0] == "export":
        name, _, value = words[1].partition("=")
        pki.setenv(name, value)
        return ""
    if words[0] == "hsmgate":
        done = pki.hsmgate(*words[1:])
        assert done.code == 0, f"{line}: {done.err}"
        return done.out + done.err
    other = shell(line, pki.folder)
    assert other.returncode == 0, f"{line}: {other.stderr}"
    return other.stdout + other.stderr


@pytest.mark.parametrize("page", ["pki.md", "root-key-ceremony.md"])
def test_the_walk(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    pki = PkiCli(tmp_path, monkeypatch)
    monkeypatch.delenv("HSMGATE_PKI")
    said, commands = "", 0
    for language, text in FENCE.findall((ROOT / "docs" / page).read_text()):
        if language == "text":
            for line in text.splitlines():
                assert line in said
            continue
        said = ""
        for line in text.splitlines():
            said += run(pki, line)
            commands += 1
    assert commands > 10
