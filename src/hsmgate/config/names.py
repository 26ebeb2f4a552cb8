"""Spring's relaxed names: when two spellings are one name, in files and in the environment."""

import re
from itertools import product

_PIECE = re.compile(r"\[[^\]]*\]|[^.\[]+|\.(?=\.|$)|\[")
_INDEX = re.compile(r"\[([0-9]{1,4})\]")


def segments(name: str) -> tuple[str, ...]:
    """`server.ssl.ciphers[0]` to its parts ("server", "ssl", "ciphers", "[0]"); an empty part stays as "."."""
    return tuple(_PIECE.findall(name)) or (name,)


def dotted(path: tuple[str, ...]) -> str:
    """The parts as one name again."""
    return ".".join(path).replace(".[", "[")


def uniform(name: str | tuple[str, ...]) -> str:
    """The form in which all spellings of a name are equal: no dashes, no underscores, lower case."""
    parts = segments(name) if isinstance(name, str) else name
    return ".".join(part.replace("-", "").replace("_", "").lower() for part in parts)


def index(part: str) -> int | None:
    """The number of a list index "[3]", or None for a name."""
    found = _INDEX.fullmatch(part)
    return int(found.group(1)) if found else None


def environment_spellings(name: str) -> list[str]:
    """The environment variables that give a canonical name; the first is the one that documents use."""
    choices = [(part.replace("-", "_"), part.replace("-", "")) for part in name.split(".")]
    spelled = ("_".join(parts).upper() for parts in product(*choices))
    return list(dict.fromkeys(spelled))
