"""What differs between makers of tokens: one row each, the first whose name the module says applies."""

from hsmgate.record import Record


class Vendor(Record):
    """`maker`: how the module's manufacturer begins, any case; empty: everybody else.

    `edwards`: CKA_EC_PARAMS for Ed25519. `kwp`: the number of AES key wrap with padding. `tells`: a stored key that is
    not sensitive tells what it is; where not, nothing is exported. `fills`: AES key wrap with padding fills keys with
    zeros first, as if it were the one without.
    """

    maker: str
    edwards: bytes
    kwp: int
    tells: bool = True
    fills: bool = False
    note: str = ""


_OID = bytes.fromhex("06032b6570")  # OBJECT IDENTIFIER 1.3.101.112, as RFC 8410 and PKCS#11 3.0 have it
_NAME = b"\x13\x0cedwards25519"  # PrintableString, the other form of PKCS#11 3.0, 2.3.8

VENDORS = (
    Vendor("SoftHSM", _NAME, 0x210A, fills=True, note="no OAEP but with SHA-1; no public key inside private EC keys"),
    Vendor("Mozilla", _OID, 0x210B, tells=False, note="NSS softokn; EC on three curves, no Ed25519"),
    Vendor("", _OID, 0x210B),
)


def vendor(manufacturer: str) -> Vendor:
    """The row for what C_GetInfo says; the last one is for all."""
    said = manufacturer.casefold()
    return next(row for row in VENDORS if said.startswith(row.maker.casefold()))
