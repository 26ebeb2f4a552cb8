"""A bounded reader of DER: flat steps only, so that no input can make it recurse."""

from hsmgate.errors import Failure, Reason
from hsmgate.pki.store_limits import DER_ITEMS
from hsmgate.record import Record

INTEGER, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31
BMP_STRING, CONTEXT_0, CONTEXT_0_PRIMITIVE = 0x1E, 0xA0, 0x80


class Tlv(Record):
    """One value: its tag octet, its content, and the octets of the whole."""

    tag: int
    body: bytes
    raw: bytes


def _broken(text: str) -> Failure:
    return Failure(Reason.STORE_UNREADABLE, text)


def _first(data: bytes, start: int, what: str) -> Tlv:
    """The value that begins at `start`. X.690 10.1: definite, shortest lengths."""
    if start + 2 > len(data):
        raise _broken(f"{what} is cut short")
    tag, size, body = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise _broken(f"{what} holds a tag that no store uses")
    if size == 0x80:
        raise Failure(Reason.STORE_UNSUPPORTED, f"{what} is BER with an indefinite length, not DER")
    if size > 0x80:
        octets = data[body : body + (size & 0x7F)]
        if len(octets) < size & 0x7F:
            raise _broken(f"{what} is cut short")
        body, size = body + len(octets), int.from_bytes(octets, "big")
        if len(octets) > 4 or octets[0] == 0 or size < 0x80:
            raise _broken(f"{what} has a length that is not DER")
    if body + size > len(data):
        raise _broken(f"{what} is cut short")
    return Tlv(tag=tag, body=data[body : body + size], raw=data[start : body + size])


def items(body: bytes, what: str) -> list[Tlv]:
    """The values side by side in `body`. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED (BER)."""
    found: list[Tlv] = []
    position = 0
    while position < len(body):
        if len(found) >= DER_ITEMS:
            raise _broken(f"{what} holds more than {DER_ITEMS} values")
        found.append(_first(body, position, what))
        position += len(found[-1].raw)
    return found


def head(data: bytes, what: str) -> Tlv:
    """The first value of `data`, whatever follows it."""
    return _first(data, 0, what)


def only(data: bytes, tag: int, what: str) -> bytes:
    """The content of the one value that `data` is. Failure: another tag, or octets after it."""
    value = _first(data, 0, what)
    if len(value.raw) != len(data):
        raise _broken(f"{what} has {len(data) - len(value.raw)} bytes after its end")
    return content(value, tag, what)


def content(value: Tlv, tag: int, what: str) -> bytes:
    """The content of a value that must have this tag."""
    if value.tag != tag:
        raise _broken(f"{what} is not what its format asks for (tag {value.tag:#04x})")
    return value.body


def fields(data: bytes, least: int, most: int, what: str) -> list[Tlv]:
    """The fields of the SEQUENCE that `data` is; between `least` and `most` of them."""
    found = items(only(data, SEQUENCE, what), what)
    if not least <= len(found) <= most:
        raise _broken(f"{what} has {len(found)} fields")
    return found


def integer(value: Tlv, what: str) -> int:
    """A small INTEGER that is not negative."""
    octets = content(value, INTEGER, what)
    if not 1 <= len(octets) <= 8 or octets[0] & 0x80:
        raise _broken(f"{what} has a number out of range")
    return int.from_bytes(octets, "big")


def oid(value: Tlv, what: str) -> str:
    """An OBJECT IDENTIFIER in dotted form."""
    octets = content(value, OID, what)
    if not 1 <= len(octets) <= 32 or octets[-1] & 0x80:
        raise _broken(f"{what} has a broken object identifier")
    arcs, arc = [], 0
    for octet in octets:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, [top, arcs[0] - 40 * top, *arcs[1:]]))
