"""docs/reference/trust.md has a line for each refusal and event of the trust decisions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsmgate.gate.tls import _ALERT_BY_ERROR
from support import decisions

_ROOT = Path(__file__).parents[2]
PAGE = (_ROOT / "docs/reference/trust.md").read_text()
_SOURCE = _ROOT / "src/hsmgate"
_FILES = ("pki/trust.py", "pki/path.py", "pki/name_constraints.py", "gate/tls.py", "gate/proof.py", "gate/keeper.py")
_ALERTS = {20: "unknown_ca", 10: "certificate_expired", 26: "unsupported_certificate", 28: "bad_certificate"}


def _parts(node: ast.expr) -> list[str] | None:
    """The fixed parts of a text; None where it is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]  # type: ignore[misc]
    return None


def _texts(file: str) -> Iterator[str]:
    """Every text that becomes a Failure, a hint or a warning of this file, with NUL for what is filled in."""
    for node in ast.walk(ast.parse((_SOURCE / file).read_text())):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "Failure" and len(node.args) == 2:
                found = [node.args[1]]
            elif node.func.id == "_refuse":
                found = node.args
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            found = node.args
        elif isinstance(node, ast.FunctionDef) and node.name == "_hint":
            found = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value]
        elif isinstance(node, ast.GeneratorExp):
            found = [node.elt]
        elif isinstance(node, ast.keyword) and node.arg == "detail":
            found = [node.value]
        for expression in found:
            if parts := _parts(expression):
                yield "".join(parts)


_EVERY = sorted({(file, text) for file in _FILES for text in _texts(file) if len(text) > 3})


def test_texts_are_found() -> None:
    assert {file for file, _ in _EVERY} == set(_FILES)
    assert len(_EVERY) >= 40


@pytest.mark.parametrize(("file", "text"), _EVERY)
def test_every_text_has_its_row(file: str, text: str) -> None:
    pattern = ".+?".join(re.escape(part) for part in text.split("\0"))
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and re.search(f"`{pattern}`", line)]
    assert rows, f"{file}: {text!r} has no row"
    cells = rows[0].strip("|").split("|")
    assert len(cells) >= 2
    assert all(cell.strip() for cell in cells)


@pytest.mark.parametrize("file", ["gate/keeper.py", "gate/protocol.py"])
def test_every_event_has_its_row(file: str) -> None:
    events = {
        node.args[0].value
        for node in ast.walk(ast.parse((_SOURCE / file).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"info", "warning", "error", "exception"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    assert events
    missing = {
        event
        for event in events
        if event.startswith(("trust.", "handshake.", "connection.")) and f"| `{event}` |" not in PAGE
    }
    assert not missing


def test_alert_table_is_that_of_the_code() -> None:
    for reason, error in _ALERT_BY_ERROR.items():
        assert f"| `{reason.name}` | `{_ALERTS[error]}` |" in PAGE


def test_alerts_of_the_decision_table_are_on_the_page() -> None:
    for alert in {row.alert for row in decisions.rows()} - {"", "closed"}:
        assert f"`{alert}`" in PAGE


def test_decisions_are_numbered() -> None:
    assert re.findall(r"^(\d)\. \*\*", PAGE, re.MULTILINE) == list("12345678")
