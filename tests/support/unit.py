"""packaging/systemd/hsmgate.service: its lines, and what systemd makes of them."""

import re
import subprocess
from pathlib import Path

from support.pages import ROOT

UNIT = ROOT / "packaging/systemd/hsmgate.service"


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def allowed() -> set[str]:
    """The system calls that the unit lets through."""
    found: set[str] = set()
    for line in values("SystemCallFilter"):
        named = {name for group in line.removeprefix("~").split() for name in calls(group)}
        found = found - named if line.startswith("~") else found | named
    return found


def calls(group: str) -> set[str]:
    listed = analyze("syscall-filter", "--no-pager", group).stdout.splitlines()[1:]
    names = {line.strip() for line in listed if line.strip() and not line.strip().startswith("#")}
    return {call for name in names for call in (calls(name) if name.startswith("@") else {name})}
