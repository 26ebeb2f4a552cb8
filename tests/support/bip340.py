"""BIP-340 verification and the BIP-341 tweak from their specifications, as an independent judge."""

import hashlib

from support.affine import Affine, Point

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G: Point = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
CURVE = Affine(P, 0)


def verifies(x_only: bytes, message: bytes, signature: bytes) -> bool:
    public = lift_x(int.from_bytes(x_only, "big"))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if public is None or r >= P or s >= N or len(signature) != 64:
        return False
    e = int.from_bytes(tagged("BIP0340/challenge", signature[:32] + x_only + message), "big") % N
    found = CURVE.add(CURVE.multiply(G, s), CURVE.multiply(public, N - e))
    return found is not None and found[1] % 2 == 0 and found[0] == r


def output_key(x_only: bytes, merkle_root: bytes) -> bytes:
    """The x-only key of the output whose scripts have this root; empty: no scripts."""
    tweak = int.from_bytes(tagged("TapTweak", x_only + merkle_root), "big")
    found = CURVE.add(lift_x(int.from_bytes(x_only, "big")), CURVE.multiply(G, tweak))
    assert found is not None
    return found[0].to_bytes(32, "big")


def tagged(tag: str, data: bytes) -> bytes:
    head = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(head + head + data).digest()


def lift_x(x: int) -> Point:
    if x >= P:
        return None
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return (x, y if y % 2 == 0 else P - y)
