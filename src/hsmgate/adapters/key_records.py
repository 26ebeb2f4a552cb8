"""A key as a row: what goes in which column, and the octets that its seal vouches for."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from hsmgate.adapters.sql.keys import KeyRow
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.policy import Policy
from hsmgate.errors import Failure, Reason

CLIENT = "client"
ATTESTATION = "attestation"
REQUESTS = "requests"
_FORMAT = 1

Value = TypeVar("Value")
_ADDRESS_FORMAT = "address_format"  # beside the attributes: it is fixed with them when a key is made
_members = msgspec.json.Decoder(dict[str, bool | str | None])
_policy = msgspec.json.Decoder(Policy)


def row_of(key: Key, tenant: str, purpose: str, password_kdf: str | None) -> KeyRow:
    """The row of a new key, still without its seal."""
    return KeyRow(
        uuid=key.uuid,
        tenant=tenant,
        label=key.label,
        purpose=purpose,
        key_id=key.id,
        algorithm=key.algorithm,
        curve_oid=key.curve_oid,
        key_size=key.key_size,
        attributes=_stored(key),
        policy=None if key.policy is None else msgspec.json.encode(key.policy).decode(),
        origin=key.origin,
        created=key.created,
        public_key=key.public_key,
        password_kdf=password_kdf,
        sealed=b"",
    )


def bound(row: KeyRow) -> bytes:
    """Every column but the seal itself and the use count, so encoded that no two rows give the same octets."""
    columns = row._replace(sealed=b"", use_count=0)
    return msgspec.msgpack.encode((_FORMAT, *columns))


def key_of(row: KeyRow) -> Key:
    """The key of a row whose seal holds; its use count is 0. Failure: INTEGRITY (sealed by a program unlike this)."""
    attributes, address_format = _decoded(_attributes, row.attributes)
    return Key(
        uuid=row.uuid,
        label=row.label,
        algorithm=row.algorithm,
        attributes=attributes,
        created=row.created,
        curve_oid=row.curve_oid,
        key_size=row.key_size,
        id=row.key_id,
        policy=None if row.policy is None else _decoded(_policy.decode, row.policy),
        public_key=row.public_key,
        origin=row.origin,
        has_password=row.password_kdf is not None,
        address_format=address_format,
    )


def uses_of(row: KeyRow) -> int:
    """The use count, which nothing vouches for."""
    return row.use_count if isinstance(row.use_count, int) and row.use_count > 0 else 0


def _stored(key: Key) -> str:
    members = msgspec.to_builtins(key.attributes)
    return msgspec.json.encode(
        members if key.address_format is None else members | {_ADDRESS_FORMAT: key.address_format}
    ).decode()


def _attributes(text: str) -> tuple[KeyAttributes, str | None]:
    members = _members.decode(text)
    address_format = msgspec.convert(members.pop(_ADDRESS_FORMAT, None), str | None)
    return msgspec.convert(members, KeyAttributes), address_format


def _decoded(decode: Callable[[str], Value], text: str) -> Value:
    try:
        return decode(text)
    except msgspec.MsgspecError:
        raise Failure(
            Reason.INTEGRITY, "a key was stored by a version of hsmgate that this one does not know"
        ) from None
