"""Every text with which the program refuses, read from its source; run it, and it writes the page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/hsmgate"
PAGE = ROOT / "docs/reference/refusals.md"
ERRORS = ROOT / "docs/reference/errors.md"
VALUES = "CONFIG_INVALID"  # what a ValueError of the configuration's parsers becomes, behind file, line and key

HEAD = """\
# Refusals

Every sentence with which the program refuses something: in the log as `detail`, in an answer as `message`, or behind
`hsmgate:` on stderr. `...` stands for names, numbers and paths. The headings are those of [errors](errors.md), which
says what each means on the wire; a client is told less than the log where the text could help an attacker. This page is
made from the source by `python tests/support/refusals.py`, and a test holds it to that.
"""


def collect() -> dict[str, set[str]]:
    """Reason -> texts."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = _Module(ast.parse(path.read_text()), in_config=path.is_relative_to(SOURCE / "config"))
        for reason, text in module.refusals():
            found.setdefault(reason, set()).add(text)
    return found


class _Module:
    """One file of the source."""

    def __init__(self, tree: ast.Module, *, in_config: bool) -> None:
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self._calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        self._in_config = in_config
        self._makers = dict(self._find_makers())

    def _find_makers(self) -> Iterator[tuple[str, str]]:
        """Functions that make a Failure of one known reason from a text."""
        for name, function in self._functions.items():
            if isinstance(function.returns, ast.Name) and function.returns.id == "Failure":
                reasons = {_reason(call) for call in _calls(function) if _name(call) == "Failure"} - {""}
                if len(reasons) == 1:
                    yield name, reasons.pop()

    def refusals(self) -> Iterator[tuple[str, str]]:
        """(reason, text) of every Failure."""
        for call in self._calls:
            name = _name(call)
            if name == "Failure" and len(call.args) > 1:
                reason, arguments = _reason(call), call.args[1:2]
            elif name in self._makers:
                reason, arguments = self._makers[name], call.args
            elif name == "ValueError" and self._in_config:
                reason, arguments = VALUES, call.args
            else:
                continue
            for text in (text for argument in arguments for text in self._texts(argument)):
                if reason and re.search("[A-Za-z]{2}", text.replace("...", "")):
                    yield reason, text

    def _texts(self, node: ast.expr) -> list[str]:
        """The texts that an expression may be, also through a function of this file that returns one."""
        if isinstance(node, ast.IfExp):
            return [*self._texts(node.body), *self._texts(node.orelse)]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values]
            return [re.sub(r"\.{4,}", "...", "".join(parts))]
        if isinstance(node, ast.Call) and (function := self._functions.get(_name(node))) is not None:
            returned = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value]
            return [text for value in returned for text in self._texts(value)]
        return []


def _calls(function: ast.FunctionDef) -> list[ast.Call]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _reason(call: ast.Call) -> str:
    """The member of Reason, where it is written there or is the default of a choice."""
    first = call.args[0]
    if isinstance(first, ast.Call) and len(first.args) > 1:  # a table of reasons with a default
        first = first.args[1]
    known = isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name) and first.value.id == "Reason"
    return first.attr if known and isinstance(first, ast.Attribute) else ""


def page() -> str:
    """docs/reference/refusals.md as it must be."""
    meanings = dict(re.findall(r"^\| `([A-Z_]+)` \| .* \| (.+) \|$", ERRORS.read_text(), re.MULTILINE))
    parts = [HEAD]
    for reason, texts in sorted(collect().items()):
        rows = "".join(f"- {_marked(text)}\n" for text in sorted(texts, key=str.casefold))
        parts.append(f"## {reason}\n\n{meanings.get(reason, '')}\n\n{rows}")
    return "\n".join(parts)


def _marked(text: str) -> str:
    """The text as code, whatever it holds."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{' ' if '`' in text else ''}{text}{' ' if '`' in text else ''}{fence}"


if __name__ == "__main__":
    PAGE.write_text(page())
