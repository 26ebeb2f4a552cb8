"""Addresses of keys on block chains: the octets without checksum and network prefix (contract: enums.md section 9)."""

import hashlib
from collections.abc import Callable
from types import MappingProxyType

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.domain.curve import SECP256K1_OID
from hsmgate.domain.digest import DIGESTS
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.public_key import ec_key, ed_key, secp256k1_point
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_ETH_BYTES = 20


class AddressFormat(Record):
    """A row. `of`: the address of a key's public half; `algorithm` and `curve_oid`: the keys that have one."""

    name: str
    algorithm: str
    curve_oid: str | None
    of: Callable[[Key], bytes]


def _hash160(key: Key) -> bytes:
    from Crypto.Hash import RIPEMD160

    return RIPEMD160.new(hashlib.sha256(secp256k1_point(key)).digest()).digest()


def _ethereum(key: Key) -> bytes:
    point = ec_key(key).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return DIGESTS["KECCAK-256"](point[1:])[-_ETH_BYTES:]


def _raw(key: Key) -> bytes:
    return ed_key(key).public_bytes_raw()


FORMATS: MappingProxyType[str, AddressFormat] = MappingProxyType(
    {
        row.name: row
        for row in (
            AddressFormat("BTC", "EC", SECP256K1_OID, _hash160),
            AddressFormat("ETH", "EC", SECP256K1_OID, _ethereum),
            AddressFormat("XRP", "EC", SECP256K1_OID, _hash160),
            AddressFormat("XLM", "ED", None, _raw),
        )
    }
)


def check_address_format(spec: KeySpec) -> None:
    """Whether such a key may have such an address. Failure: ADDRESS_NEEDS_POLICY, UNSUPPORTED_ADDRESS_FORMAT."""
    if spec.address_format is None:
        return
    if spec.policy is None:
        raise Failure(Reason.ADDRESS_NEEDS_POLICY, "Only keys with a policy have an address.")
    row = FORMATS.get(spec.address_format)
    if row is None:
        raise Failure(Reason.UNSUPPORTED_ADDRESS_FORMAT, f"addressFormat is one of {', '.join(sorted(FORMATS))}.")
    if spec.algorithm != row.algorithm or row.curve_oid not in (None, spec.curve_oid):
        needed = "an ED key" if row.curve_oid is None else "an EC key on secp256k1"
        raise Failure(Reason.UNSUPPORTED_ADDRESS_FORMAT, f"An address of format {row.name} needs {needed}.")


def address_of(key: Key) -> bytes | None:
    """Its address, where it was made with a format. Failure: KEYSTORE (the record holds no such public key)."""
    return None if key.address_format is None else FORMATS[key.address_format].of(key)
