"""Text as printable ASCII: one form on every system, and nothing in it steers a terminal or begins a line."""

import re

_BEYOND = re.compile("[^ -~]")


def encodable(text: str) -> str:
    """Replace lone surrogates (from file names or JSON), which UTF-8 does not have, by their escapes as text."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def ascii_json(encoded: bytes) -> bytes:
    """Escape in encoded JSON, as JSON escapes, whatever is not printable ASCII; the value stays the same."""
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return _BEYOND.sub(_json_escape, encoded.decode()).encode()


def one_line(text: str) -> str:
    """Escape in a text for people, as Python does, whatever is not printable ASCII."""
    return _BEYOND.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
