"""README.md: its commands run, and what it says of the version is so."""

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from hsmgate.cli.quickstart import quickstart
from support.pages import ROOT, blocks, shell
from support.served import Served, environment, refused

README = ROOT / "README.md"


def test_the_make_targets_exist() -> None:
    (two, *_) = blocks(README, "sh")
    commands = [line.partition("#")[0].split() for line in two.splitlines()]
    assert commands == [["make", "run"], ["make", "test"]]
    named = set(re.findall(r"`[^`]*\bmake ([a-z-]+)`", README.read_text()))
    for target in named | {"run", "test"}:
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_commands_without_make_run_and_the_printed_line_gets_the_keys(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(README, "sh") if "hsmgate serve" in block]
    (issue,) = [block for block in blocks(README, "sh") if "pki issue" in block]
    *before, serve = block.splitlines()
    done = shell("\n".join(before), tmp_path)
    assert done.returncode == 0, done.stderr
    assert serve.startswith("hsmgate serve ")
    with Served(tmp_path, *serve.split()[2:]) as served:
        answer = shell(served.call, tmp_path)
        made = shell(issue.replace(".venv/bin/hsmgate", "hsmgate"), tmp_path)
    assert (answer.returncode, json.loads(answer.stdout)) == (0, []), answer.stderr
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "me.p12").is_file()


def test_what_is_not_in_this_version_is_refused_at_the_start(tmp_path: Path) -> None:
    quickstart(tmp_path / "quickstart", datetime.now(UTC), "localhost")
    line = refused(tmp_path, "--config", "quickstart/config-files", SPRING_DATASOURCE_URL="jdbc:h2:mem:keys")
    assert "not in this version" in line


def test_it_says_whom_it_is_independent_of() -> None:
    assert "independent of, and not affiliated with, Securosys" in README.read_text()


def test_the_version_is_the_one_of_the_program() -> None:
    done = subprocess.run(["hsmgate", "version"], env=environment(), capture_output=True, text=True, check=True)
    version = done.stdout.split()[1]
    assert f"Version {version.rpartition('.')[0]}," in README.read_text()
