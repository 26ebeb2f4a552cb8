"""What a file or the environment gives, before it has a meaning: a path of names, a text and where it stands."""

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Entry(Record):
    """One value as it was written. `text` None: the key stands there without a value; `empty`: a `[]` or `{}`."""

    path: tuple[str, ...]
    text: str | None
    origin: str  # "FILE:LINE" or "environment variable NAME"
    empty: bool = False


class Raw(Record):
    """What one source says about one key: a text, or the items of a list."""

    written: str
    origin: str
    text: str | None = None
    items: tuple[str, ...] | None = None
    tree: str = ""  # of a key without meaning here: the tree it belongs to


def invalid(origin: str, message: str) -> Failure:
    """The refusal of a configuration, as one line."""
    return Failure(Reason.CONFIG_INVALID, f"{origin}: {message}")


def shown(text: str) -> str:
    """A name for a message: one line, no control characters, not too long."""
    plain = printable(text)
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


def printable(text: str) -> str:
    """The same on one line without control characters, whole: for paths, which an operator wants to paste."""
    return "".join(char if char.isprintable() else "?" for char in text)
