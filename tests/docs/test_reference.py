"""docs/reference: log events, commands, refusals and audit events are those of the program.

Settings, endpoints, errors and algorithms are held by tests beside their tables: config/test_reference.py,
api/test_routes.py, api/test_problems.py, adapters/test_algorithm_page.py.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hsmgate.adapters.log_flood import FLOODS
from hsmgate.adapters.log_stdlib import LIBRARIES
from hsmgate.errors import Reason
from support import refusals
from support.commands import commands, taken
from support.pages import ROOT

REFERENCE = ROOT / "docs/reference"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
EVENT = re.compile(r"[a-z]+([.-][a-z-]+)*")


def parsed() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "src/hsmgate").rglob("*.py")):
        yield path, ast.parse(path.read_text())


def log_calls() -> Iterator[tuple[str, str]]:
    """(event, level) of every call log.LEVEL("event", ...), whatever holds the log."""
    for path, tree in parsed():
        if "getLogger" in path.read_text():
            continue  # Python's logging, whose loggers are LIBRARIES
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args:
                holder, first = ast.unparse(call.func.value), call.args[0]
                if holder.rpartition(".")[2].lstrip("_") == "log":
                    assert isinstance(first, ast.Constant), f"{path}:{call.lineno}: an event is a literal"
                    yield str(first.value), LEVELS[call.func.attr]


def rows(page: str) -> list[list[str]]:
    lines = re.findall(r"^\| (`.*) \|$", (REFERENCE / page).read_text(), re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def test_every_event_of_the_log_has_its_row_and_its_level() -> None:
    said: dict[str, set[str]] = {}
    for event, level in log_calls():
        said.setdefault(event, set()).add(level)
    assert all(EVENT.fullmatch(event) for event in said)
    assert len(said) > 20
    listed = {
        name: set(level.split(", ")) for names, level, *_ in rows("log.md") for name in re.findall(r"`([^`]+)`", names)
    }
    libraries = {*LIBRARIES}
    assert {name: level for name, level in listed.items() if name not in libraries} == said
    assert libraries <= set(listed)
    assert set(listed) >= FLOODS


def test_every_row_of_the_log_says_what_to_do() -> None:
    for name, *cells in rows("log.md"):
        assert all(cells), name
        if "error" in cells[0]:
            assert cells[-1] != "-", name


def test_every_command_and_option_is_described() -> None:
    text = (REFERENCE / "cli.md").read_text()
    sections = dict(re.findall(r"^## (hsmgate .+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(commands())
    for name, command in commands().items():
        described = re.findall(r"^\| `([^`]+)` \| \S.* \|$", sections[name], re.MULTILINE)
        assert set(described) == taken(command), name
        assert len(described) == len(set(described)), name


def test_the_page_of_refusals_is_the_one_of_the_source() -> None:
    assert refusals.PAGE.read_text() == refusals.page(), "run: python tests/support/refusals.py"


def test_the_page_of_refusals_knows_what_an_operator_meets() -> None:
    text = refusals.page()
    for known in (
        "..., so anybody could use the keys: set server.ssl.trust-store and client-auth: need",
        "does not fit its MAC: the password is wrong or the file was changed",
        "If it may issue, add to the configuration: hsmgate.trust.issuers: [...]",
        "must be a duration with its unit",
    ):
        assert known in text, known
    assert set(refusals.collect()) <= {reason.name for reason in Reason}


def test_every_event_of_the_audit_trail_is_described() -> None:
    text = (REFERENCE / "audit.md").read_text()
    found = set()
    for _, tree in parsed():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            actions = {"AuditEvent": call.args[1:2], "_event": call.args[:1]}.get(name, [])
            found |= {str(one.value) for one in actions if isinstance(one, ast.Constant)}
    assert {"start", "end", "trust.active", "trust.added", "trust.removed"} <= found
    for action in found:
        assert f"| `{action}` |" in text, action
