"""The forms of a signature (contract: signatureType): DER, RAW and ETH, and how a form is found out again."""

from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hsmgate.domain.curve import SECP256K1_OID, Curve, curve
from hsmgate.domain.digest import to_be_signed
from hsmgate.domain.key import Key
from hsmgate.domain.public_key import dsa_key, secp256k1_point
from hsmgate.domain.signature_algorithm import SignatureAlgorithm, signature_algorithm_for
from hsmgate.errors import Failure, Reason

FORMS = ("DER", "RAW", "ETH")
_ETH_DIGEST = "KECCAK-256"
_ETH_V = (27, 28)  # the point R has an even or an odd y
_RECOVERABLE = 31  # libwally: first octet of a recoverable signature for a compressed key, plus 0 or 1


def check_form(form: str, key: Key, algorithm: str) -> None:
    """Whether the signature can be told in this form; call it before a key is used.

    DER and RAW differ for ECDSA and DSA only and are accepted everywhere. Failure: INVALID_INPUT, and those of
    signature_algorithm_for().
    """
    if form not in FORMS:
        raise Failure(Reason.INVALID_INPUT, f"signatureType {form[:64]!r} is not one of {', '.join(FORMS)}")
    if form == "ETH" and not has_eth_form(signature_algorithm_for(key, algorithm), key):
        raise Failure(Reason.INVALID_INPUT, "signatureType ETH needs KECCAK256_WITH_ECDSA and a key on secp256k1")


def express(signature: bytes, form: str, key: Key, algorithm: str, payload: bytes) -> bytes:
    """A signature as a keystore gives it (ECDSA and DSA in DER), in the form asked for.

    Failure: as check_form, KEYSTORE.
    """
    check_form(form, key, algorithm)
    row = signature_algorithm_for(key, algorithm)
    if row.scheme not in {"ECDSA", "DSA"} or form == "DER":
        return signature
    used = group_of(key)
    r, s = _from_keystore(signature)
    if form == "RAW":
        return raw(r, s, used)
    return _eth(r, low(s, used), to_be_signed(row, payload, key.key_size), key)


def group_of(key: Key) -> Curve:
    """The group that r and s are numbers of. Failure: KEYSTORE (no usable public key)."""
    if key.algorithm != "DSA":
        return curve(key.curve_oid or "")
    order = dsa_key(key).parameters().parameter_numbers().q
    return Curve("subgroup", "", (order.bit_length() + 7) // 8, order)


def has_eth_form(algorithm: SignatureAlgorithm, key: Key) -> bool:
    """Whether ETH (r, s, v) is defined: ECDSA over Keccak-256 on secp256k1."""
    return algorithm.digest == _ETH_DIGEST and key.curve_oid == SECP256K1_OID


def canonical(der: bytes, used: Curve) -> bytes:
    """The low-S twin on secp256k1, whose ledgers take no other; elsewhere the signature as it is. Failure: KEYSTORE."""
    if used.oid != SECP256K1_OID:
        return der
    r, s = _from_keystore(der)
    return encode_dss_signature(r, low(s, used))


def low(s: int, used: Curve) -> int:
    """The smaller of s and n - s: both verify."""
    return min(s, used.order - s)


def raw(r: int, s: int, used: Curve) -> bytes:
    """Concatenate r and s, each as long as the order of the curve."""
    return r.to_bytes(used.size, "big") + s.to_bytes(used.size, "big")


def der_readings(signature: bytes, used: Curve) -> list[bytes]:
    """Every way to read it as DER or RAW, each as DER; the two may coincide by chance. None: it is neither."""
    found = []
    with suppress(ValueError):
        found.append(decode_dss_signature(signature))
    if len(signature) == 2 * used.size:
        found.append(
            (int.from_bytes(signature[: used.size], "big"), int.from_bytes(signature[used.size :], "big")),
        )
    return [encode_dss_signature(r, s) for r, s in found if 0 < r < used.order and 0 < s < used.order]


def is_eth_signature(signature: bytes, digest: bytes, key: Key) -> bool:
    """Whether it is r, s, v (27 or 28, or 0 or 1) of this key over this digest, with low s.

    Recovery gives the public key of whoever signed: that it is this one is the whole verification.
    """
    used = curve(SECP256K1_OID)
    if len(signature) != 2 * used.size + 1:
        return False
    v = signature[-1] + (_ETH_V[0] if signature[-1] < 2 else 0)
    s = int.from_bytes(signature[used.size : -1], "big")
    return v in _ETH_V and s == low(s, used) and _recovers(signature[:-1], v, digest, secp256k1_point(key))


def _eth(r: int, s: int, digest: bytes, key: Key) -> bytes:
    octets = raw(r, s, curve(SECP256K1_OID))
    point = secp256k1_point(key)
    for v in _ETH_V:
        if _recovers(octets, v, digest, point):
            return octets + bytes([v])
    # r of 2^128 chances exceeds the order, or the keystore signed with another key
    raise Failure(Reason.KEYSTORE, "the signature has no ETH form: sign again")


def _recovers(octets: bytes, v: int, digest: bytes, point: bytes) -> bool:
    import wallycore  # not above: with warnings as errors it ends the interpreter by a crash

    try:
        found = wallycore.ec_sig_to_public_key(digest, bytes([_RECOVERABLE + v - _ETH_V[0]]) + octets)
    except ValueError:
        return False
    return bytes(found) == point


def _from_keystore(der: bytes) -> tuple[int, int]:
    try:
        return decode_dss_signature(der)
    except ValueError:
        raise Failure(Reason.KEYSTORE, "the keystore gave no DER signature") from None
