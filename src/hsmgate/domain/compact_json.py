"""The text of a JSON value without the whitespace outside its strings: what a requestSignature covers."""

import re

_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)


def compact(text: bytes) -> bytes:
    """Valid JSON as it was sent: order, escapes and numbers stay as they are (approvals.md section 6)."""
    return _STRING_OR_SPACE.sub(rb"\1", text)
