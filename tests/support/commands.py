"""The command line as the program declares it."""

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from hsmgate.cli.commands import app

# typer brings its own copy of click, which declares no types for what is read here
Command = Any


def commands() -> dict[str, Command]:
    """Every command by its full name: `hsmgate trust add` -> its declaration."""
    return dict(_below("hsmgate", typer.main.get_command(app)))


def _below(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    inner: dict[str, Command] = getattr(command, "commands", {})
    for word, one in inner.items():
        yield from _below(f"{name} {word}", one)
    if not inner:
        yield name, command


def taken(command: Command) -> set[str]:
    """What a command takes, as help shows it: options with their dashes, arguments in capitals."""
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    return {max(one.opts, key=len) if one.opts[0].startswith("-") else one.name.upper() for one in shown}


def wrong(words: Sequence[str]) -> str:
    """Why `hsmgate WORDS` is no proper command line, or nothing; a command without its arguments will do."""
    command: Command = typer.main.get_command(app)
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if not rest:
        return ""
    if getattr(command, "commands", None):
        return f"no such command: {rest[0]}"
    try:
        command.make_context(command.name, rest).close()
    except typer.exceptions.TyperException as error:
        return str(error)
    except SystemExit:  # --help
        return ""
    return ""
