"""This folder judges from outside: neither it nor what it uses knows the code of the service."""

import ast
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield str(node.module)


def test_nothing_here_imports_the_service() -> None:
    seen: set[Path] = set()
    waiting = list(HERE.glob("*.py"))
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in imported(path):
            assert name.partition(".")[0] != "hsmgate", path
            own = TESTS / f"{name.replace('.', '/')}.py"
            if own.exists() and own not in seen:
                waiting.append(own)
    assert len(seen) > 4
