"""Elliptic curves: the contract's names and OIDs (enums.md section 2), and why some are not offered."""

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

SECP256K1_OID = "1.3.132.0.10"
ED25519_OID = "1.3.101.112"


class Curve(Record):
    """One curve for ECDSA. `order`: n of its base point; `size`: octets of n, to which r and s are padded."""

    name: str
    oid: str
    size: int = 0
    order: int = 0
    other_oids: tuple[str, ...] = ()  # accepted too
    absent: str = ""  # why no backend offers it


_NO_LIBRARY = "the cryptographic library lacks it"
_WEAK = "weaker than 112 bits"

CURVES: tuple[Curve, ...] = (
    Curve(
        "secp256r1",
        "1.2.840.10045.3.1.7",
        32,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    Curve(
        "secp384r1",
        "1.3.132.0.34",
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    Curve(
        "secp521r1",
        "1.3.132.0.35",
        66,
        0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
    ),
    Curve(
        "secp256k1",
        SECP256K1_OID,
        32,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    ),
    Curve(
        "secp224r1",
        "1.3.132.0.33",
        28,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
    ),
    Curve(
        "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.7",
        32,
        0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7,
    ),
    Curve(
        "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.11",
        48,
        0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565,
    ),
    Curve(
        "brainpoolP512r1",
        "1.3.36.3.3.2.8.1.1.13",
        64,
        0xAADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069,
    ),
    Curve("secp224k1", "1.3.132.0.32", absent=_NO_LIBRARY),
    # the contract's names; by the standard these OIDs are prime192v1 to prime192v3
    Curve("x962p239v1", "1.2.840.10045.3.1.1", absent=_WEAK),
    Curve("x962p239v2", "1.2.840.10045.3.1.2", absent=_WEAK),
    Curve("x962p239v3", "1.2.840.10045.3.1.3", absent=_WEAK),
    Curve("brainpoolP224r1", "1.3.36.3.3.2.8.1.1.5", other_oids=("1.3.36.3.3.2.8.1.1.1",), absent=_NO_LIBRARY),
    Curve("brainpoolP320r1", "1.3.36.3.3.2.8.1.1.9", absent=_NO_LIBRARY),
    Curve("frp256v1", "1.2.250.1.223.101.256.1", absent=_NO_LIBRARY),
)
_BY_OID = {oid: row for row in CURVES for oid in (row.oid, *row.other_oids)}


def curve(oid: str) -> Curve:
    """The curve of an OID. Failure: INVALID_INPUT (unknown), NOT_IMPLEMENTED (listed, but no backend has it)."""
    row = _BY_OID.get(oid)
    if row is None and _is_custom(oid):
        raise Failure(Reason.NOT_IMPLEMENTED, f"a curve given by its parameters: {_NO_LIBRARY}")
    if row is None:
        raise Failure(Reason.INVALID_INPUT, f"curveOid {oid[:64]!r} is not known")
    if row.absent:
        raise Failure(Reason.NOT_IMPLEMENTED, f"curve {row.name}: {row.absent}")
    return row


def _is_custom(text: str) -> bool:
    """Whether it is a list of parameters p.a.b.x.y.g.h, each a letter and a decimal number, the first p optional."""
    parts = text.split(".")
    if len(parts) != 7 or len(text) > 4096:
        return False
    parts[0] = "p" + parts[0].removeprefix("p")
    return all(
        part[:1] == letter and part[1:].isascii() and part[1:].isdigit()
        for part, letter in zip(parts, "pabxygh", strict=True)
    )
