"""docs/clients.md, made from the rows of tests/contract/rows: `python tests/support/contract_page.py` writes it."""

from pathlib import Path

if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.contract_cases import ClientFile, Row, load

PAGE = Path(__file__).parents[2] / "docs/clients.md"
_HEAD = """\
# Clients

What each client of the contract does here, row by row. "works" means that a test sends the client's request octet
for octet, over mutual TLS with API keys on, and compares the whole answer with the one that the client needs:
[tests/contract](../tests/contract/). "waits" means that the service lacks what is named; a test fails when that
comes and the row still waits. Headers that the contract leaves open are those that the libraries of the client's
language send.

| Client | Part of the contract | Works | Waits |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    files = load()
    summary = "".join(_summary(file) for file in files)
    return _HEAD + summary + "".join(_section(file) for file in files)


def _summary(file: ClientFile) -> str:
    works = sum(not row.waits_for for row in file.rows)
    return f"| [{file.client}](#{_anchor(file.client)}) | {file.part} | {works} | {len(file.rows) - works} |\n"


def _section(file: ClientFile) -> str:
    rows = "".join(_line(row) for row in file.rows)
    return f"\n## {file.client}\n\n{file.note}\n\n| Row | What it does | State |\n|---|---|---|\n{rows}"


def _line(row: Row) -> str:
    state = "works" if not row.waits_for else "waits for " + ", ".join(f"`{what}`" for what in row.waits_for)
    return f"| {row.name} | {row.what} | {state} |\n"


def _anchor(client: str) -> str:
    return "".join(char for char in client.lower() if char.isalnum() or char in "- ").replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page())
