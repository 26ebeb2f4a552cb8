"""Rows on a terminal as a table; elsewhere one line a row, whole, tab separated; or JSON."""

import sys
from collections.abc import Iterable, Sequence

import msgspec


def show(rows: Sequence[msgspec.Struct], *, as_json: bool) -> None:
    """Print records of one type; nothing is shortened where stdout is no terminal."""
    if as_json:
        print_json(rows)
    elif rows:
        names = rows[0].__struct_fields__
        cells = [[plain(getattr(row, name)) for name in names] for row in rows]
        if sys.stdout.isatty():
            _table([name.replace("_", " ") for name in names], cells)
        else:
            for line in cells:
                print("\t".join(line))


def stream(rows: Iterable[msgspec.Struct], *, as_json: bool) -> None:
    """Print records as they come, however many; on a terminal as one table, which the caller keeps short."""
    if as_json:
        _stream_json(rows)
    elif sys.stdout.isatty():
        show(list(rows), as_json=False)
    else:
        for row in rows:
            print("\t".join(plain(getattr(row, name)) for name in row.__struct_fields__))


def _stream_json(rows: Iterable[msgspec.Struct]) -> None:
    """One array, a row a line."""
    separator = "[\n  "
    for row in rows:
        print(separator, msgspec.json.encode(row).decode(), sep="", end="")
        separator = ",\n  "
    print("\n]" if separator.startswith(",") else "[]")


def print_json(value: object) -> None:
    """Indented; any program reads it."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def warn(lines: Iterable[str]) -> None:
    """Warnings go to stderr, a line each."""
    for line in lines:
        print(f"warning: {plain(line)}", file=sys.stderr)


def plain(value: object) -> str:
    """One line that steers no terminal: an alias or a subject is whatever somebody wrote into a certificate."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else "?" for char in text)


def _table(names: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # costs more than most commands
    from rich.table import Table
    from rich.text import Text

    table = Table(*names)
    for line in cells:
        table.add_row(*map(Text, line))  # data, whatever brackets are in it
    Console().print(table)
