"""Writes DER (X.690) octet by octet, so that tests can make what no library would."""

from collections.abc import Sequence
from datetime import datetime

SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, OID, BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
NULL = b"\x05\x00"


def tlv(tag: int, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def sequence(*bodies: bytes) -> bytes:
    return tlv(SEQUENCE, *bodies)


def integer(number: int) -> bytes:
    size = 1
    while not -(1 << (8 * size - 1)) <= number < 1 << (8 * size - 1):
        size += 1
    return tlv(INTEGER, number.to_bytes(size, "big", signed=True))


def oid(dotted: str) -> bytes:
    arcs = [int(part) for part in dotted.split(".")]
    body = b""
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(arc & 0x7F | 0x80)
        body += bytes(reversed(octets))
    return tlv(OID, body)


def bit_string(octets: bytes) -> bytes:
    return tlv(BIT_STRING, b"\x00", octets)


def time(moment: datetime) -> bytes:
    """RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050."""
    if moment.year < 2050:
        return tlv(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(moment)


def generalized_time(moment: datetime) -> bytes:
    return tlv(GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


def extension(dotted: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = tlv(BOOLEAN, b"\xff") if critical else b""
    return sequence(oid(dotted), flag, tlv(OCTET_STRING, value))


def name(*attributes: tuple[str, int, bytes]) -> bytes:
    """An X.501 Name of single-valued RDNs: (type, string tag, octets)."""
    return sequence(*(tlv(SET, sequence(oid(kind), tlv(tag, value))) for kind, tag, value in attributes))


def concatenated(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts)
