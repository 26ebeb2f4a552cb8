"""docs/operations.md: what it says of backup, restore and the sealing key is what happens."""

import json
import re
import secrets
import shlex
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, blocks, shell
from support.served import Served, refused

PAGE = ROOT / "docs/operations.md"
CONFIG = "quickstart/config-files"


def call(served: Served, *words: str) -> str:
    done = shell(f"{served.call} -sS --fail-with-body {shlex.join(words)}", served.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def create(served: Served, label: str) -> None:
    key = {"label": label, "algorithm": "ED", "attributes": {"sign": True}}
    call(served, "-H", "Content-Type: application/json", "--data", json.dumps(key))


def test_the_ways_of_the_page_keep_the_keys(tmp_path: Path) -> None:
    """Back up while it serves, restore elsewhere, change the sealing key: the commands are those of the page."""
    shown = "\n".join(blocks(PAGE, "sh"))
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    with Served(tmp_path, "--config", CONFIG) as served:
        create(served, "before")
        backup = "hsmgate backup /backup/hsmgate-2026-01-02.tar --config FOLDER"
        assert backup in shown
        said = run(tmp_path, backup.replace("/backup/", "./").replace("FOLDER", CONFIG))
        head = re.search("^audit-head: (.*)$", said, re.MULTILINE)
        assert head
        create(served, "after")
        assert json.loads(call(served)) == ["after", "before"]
    (tmp_path / "new").mkdir()
    shutil.copy(tmp_path / "quickstart/sealing.key", tmp_path / "new")
    restore = "hsmgate restore hsmgate-2026-01-02.tar FOLDER --head HEX"
    assert restore in shown
    run(tmp_path, restore.replace("FOLDER", "new").replace("HEX", head[1]))
    reseal = "hsmgate keystore reseal --config FOLDER"
    assert reseal in shown
    assert "kept: " in run(tmp_path, reseal.replace("FOLDER", "new/config-files"))
    assert "keystore: software, 1 keys" in run(tmp_path, "hsmgate check --config new/config-files")
    with Served(tmp_path, "--config", "new/config-files"):
        pass
    (tmp_path / "new/sealing.key").write_text(f"{secrets.token_hex(32)}\n")
    assert "this is not the key that the database was made with" in refused(tmp_path, "--config", "new/config-files")


def run(folder: Path, command: str) -> str:
    done = shell(command, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("setting", ["hsmgate.data-dir", "hsmgate.trust.reload", "hsm.software.key"])
def test_the_page_speaks_of_settings_that_exist(setting: str) -> None:
    assert setting in PAGE.read_text()
    assert f"| `{setting}` |" in (ROOT / "docs/reference/settings.md").read_text()
