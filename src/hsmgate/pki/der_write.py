"""Writes DER: the few types that OCSP responses are made of (X.690)."""

from datetime import UTC, datetime
from functools import lru_cache

from hsmgate.pki.der import INTEGER, OCTET_STRING, OID, SEQUENCE

NULL = b"\x05\x00"
_BIT_STRING, _ENUMERATED, _GENERALIZED_TIME = 0x03, 0x0A, 0x18


def tlv(tag: int, *parts: bytes) -> bytes:
    """One value: its parts behind a tag and the shortest length (X.690 10.1)."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of values that are encoded already."""
    return tlv(SEQUENCE, *parts)


def explicit(number: int, *parts: bytes) -> bytes:
    """A constructed context tag around encoded values."""
    return tlv(0xA0 | number, *parts)


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(OCTET_STRING, value)


def bits(value: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return tlv(_BIT_STRING, b"\x00", value)


def integer(value: int) -> bytes:
    """An INTEGER in its shortest form."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def enumerated(value: int) -> bytes:
    """An ENUMERATED below 128."""
    return bytes((_ENUMERATED, 1, value))


@lru_cache(maxsize=64)
def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OID, *map(_base128, (40 * first + second, *rest)))


def _base128(arc: int) -> bytes:
    groups = [arc & 0x7F]
    while arc := arc >> 7:
        groups.append(0x80 | arc & 0x7F)
    return bytes(reversed(groups))


def generalized_time(seconds: float) -> bytes:
    """Whole seconds of a Unix time, as RFC 5280 4.1.2.5.2 writes them."""
    return _generalized_time(int(seconds))


@lru_cache(maxsize=256)  # within one second the same three or four are written again and again
def _generalized_time(seconds: int) -> bytes:
    return tlv(_GENERALIZED_TIME, f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%SZ}".encode())


def extension(dotted: str, value: bytes) -> bytes:
    """An Extension that is not critical; `value`: DER of its content."""
    return sequence(oid(dotted), octets(value))
