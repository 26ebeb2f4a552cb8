"""The same of what wraps, authenticates, changes, imports and exports keys."""

from msgspec import UNSET, UnsetType

from hsmgate.client.shapes import AddressFormat, Attributes, Policy, Rule
from hsmgate.record import WireRecord


class HmacRequest(WireRecord, omit_defaults=True):
    key_name: str
    payload: bytes
    key_password: list[str] | None = None


class HmacBody(WireRecord):
    hmac_request: HmacRequest


class Hmac(WireRecord):
    keyed_hash: bytes


class WrapKeyRequest(WireRecord, omit_defaults=True):
    key_to_be_wrapped: str
    wrap_key_name: str
    wrap_method: str
    key_to_be_wrapped_password: list[str] | None = None
    wrap_key_password: list[str] | None = None


class WrapBody(WireRecord):
    wrap_key_request: WrapKeyRequest


class Wrapped(WireRecord):
    wrapped_key: bytes


class UnwrapKeyRequest(WireRecord, omit_defaults=True):
    wrapped_key: bytes
    label: str
    attributes: Attributes
    unwrap_key_name: str
    wrap_method: str
    password: list[str] | None = None
    unwrap_key_password: list[str] | None = None
    policy: Policy | None = None
    algorithm: str | None = None


class UnwrapBody(WireRecord):
    unwrap_key_request: UnwrapKeyRequest


class BlockRequest(WireRecord, omit_defaults=True):
    block_key_name: str
    key_password: list[str] | None = None


class BlockBody(WireRecord):
    block_request: BlockRequest


class UnblockRequest(WireRecord, omit_defaults=True):
    unblock_key_name: str
    key_password: list[str] | None = None


class UnblockBody(WireRecord):
    unblock_request: UnblockRequest


class NewRules(WireRecord):
    """A rule that is left out stays what it is; None frees it."""

    rule_use: Rule | UnsetType | None = UNSET
    rule_block: Rule | UnsetType | None = UNSET
    rule_unblock: Rule | UnsetType | None = UNSET
    rule_modify: Rule | UnsetType | None = UNSET


class ModifyRequest(WireRecord, omit_defaults=True):
    modify_key_name: str
    policy: NewRules
    key_password: list[str] | None = None


class ModifyBody(WireRecord):
    modify_request: ModifyRequest


class ImportBody(WireRecord, omit_defaults=True):
    """Of the keys and the certificate, those that are there: DER, of a secret key its octets."""

    label: str
    algorithm: str
    password: list[str] | None = None
    private_key: bytes | None = None
    public_key: bytes | None = None
    secret_key: bytes | None = None
    certificate: bytes | None = None
    attributes: Attributes | None = None
    policy: Policy | None = None
    address_format: AddressFormat | None = None


class KeyAddress(WireRecord):
    address: bytes


class Exported(WireRecord):
    """PKCS#8, SubjectPublicKeyInfo, or the octets of a secret key; None: it has none. `repr` shows no key."""

    label: str
    algorithm: str
    private_key: bytes | None
    public_key: bytes | None
    secret_key: bytes | None
    certificate: bytes | None

    def __repr__(self) -> str:
        return f"Exported(label={self.label!r}, algorithm={self.algorithm!r}, ...)"


class PasswordBody(WireRecord, omit_defaults=True):
    label: str
    password: list[str] | None = None
    new_password: list[str] | None = None
