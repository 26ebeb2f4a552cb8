"""The blocks of a PEM file (RFC 7468), strictly: what looks like a broken block is an error, never a comment."""

import binascii
import re

from hsmgate.errors import Failure, Reason
from hsmgate.pki.store_limits import ENTRIES
from hsmgate.record import Record

_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]{0,60})-----[ \t]*")
_WORDS = rb"(BEGIN|END)[ \t]{0,8}([A-Z0-9]{1,16}[ \t]{1,8}){0,3}(CERTIFICATE|PKCS7)\b"
_NEARLY = re.compile(rb"\b" + _WORDS + rb"|(?i:-[ \t]{0,8}" + _WORDS + rb")|^-----[^-\s]")
_NAME = b"friendlyName:"
_LINES = 250_000  # a full file of lines of 16 octets


class Block(Record):
    """One block. `start` and `end` are octet positions; `name`: the friendlyName line before it, as openssl writes."""

    label: str
    line: int  # of its BEGIN, from 1
    start: int
    end: int
    text: bytes  # from BEGIN to END
    name: str | None = None
    name_start: int = 0  # where its friendlyName line stands
    name_end: int = 0


def blocks(content: bytes) -> tuple[Block, ...]:
    """All blocks in order. Failure: STORE_UNREADABLE with the line that is broken."""
    found: list[Block] = []
    label, line_of_begin, start, at = "", 0, 0, 0
    name, name_start, name_end = None, 0, 0
    if content.count(b"\n") + content.count(b"\r") > _LINES:
        raise Failure(Reason.STORE_UNREADABLE, f"has more than {_LINES} lines")
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        bare = line.rstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf" if number == 1 else b"")
        boundary = _BOUNDARY.fullmatch(bare)
        if boundary is None and not label and _NEARLY.search(bare):
            raise Failure(Reason.STORE_UNREADABLE, f"line {number}: a PEM boundary that is not exact")
        if boundary and boundary[1] == b"BEGIN":
            if label:
                raise Failure(Reason.STORE_UNREADABLE, f"line {line_of_begin}: BEGIN {label} without its END")
            label, line_of_begin, start = boundary[2].decode("ascii"), number, at
        elif boundary:
            if label != boundary[2].decode("ascii"):
                raise Failure(Reason.STORE_UNREADABLE, f"line {number}: an END without its BEGIN")
            end = at + len(line)
            block = Block(
                label=label, line=line_of_begin, start=start, end=end, text=content[start:end],
                name=name, name_start=name_start, name_end=name_end,
            )  # fmt: skip
            found.append(block)
            label, name, name_start, name_end = "", None, 0, 0
            if len(found) > ENTRIES:
                raise Failure(Reason.STORE_UNREADABLE, f"holds more than {ENTRIES} PEM blocks")
        elif not label and (comment := bare.strip(b"# \t")).startswith(_NAME):
            name = comment.removeprefix(_NAME).strip().decode("utf-8", "replace") or None
            name_start, name_end = at, at + len(line)
        at += len(line)
    if label:
        raise Failure(Reason.STORE_UNREADABLE, f"line {line_of_begin}: BEGIN {label} without its END")
    return tuple(found)


def decode(block: Block) -> bytes:
    """The octets of a block. Failure: STORE_UNREADABLE (not base64, or headers)."""
    lines = block.text.splitlines()[1:-1]
    try:
        return binascii.a2b_base64(b"".join(line.strip() for line in lines), strict_mode=True)
    except binascii.Error:
        raise Failure(
            Reason.STORE_UNREADABLE, f"line {block.line}: the {block.label} block is not sound base64"
        ) from None


def armour(der: bytes, name: str) -> bytes:
    """A CERTIFICATE block under its friendlyName line."""
    text = binascii.b2a_base64(der, newline=False)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    head, foot = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    return b"\n".join([_NAME + b" " + name.encode(), head, *lines, foot, b""])
