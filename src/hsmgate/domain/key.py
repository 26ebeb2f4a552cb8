"""A key as a value: what a client asks for (KeySpec) and what exists (Key). No key material."""

from hsmgate.domain.policy import Policy
from hsmgate.record import Record


class KeyAttributes(Record):
    """Flags of a key; one-way latches. None: not meaningful for this type (contract: enums.md section 7)."""

    decrypt: bool = False
    sign: bool = False
    unwrap: bool = False
    encrypt: bool | None = None
    verify: bool | None = None
    wrap: bool | None = None
    derive: bool = False
    bip32: bool = False
    slip10: bool = False
    extractable: bool = False
    sensitive: bool = True
    modifiable: bool = True
    destroyable: bool = False
    copyable: bool = False
    always_sensitive: bool = True
    never_extractable: bool = True


class KeySpec(Record):
    """A key to be made, already validated against the tables of domain/algorithm.py."""

    label: str
    algorithm: str  # a name of the key algorithm table: RSA, EC, ED, AES ...
    attributes: KeyAttributes
    curve_oid: str | None = None
    key_size: int | None = None  # bits
    id: str | None = None
    policy: Policy | None = None
    address_format: str | None = None  # a name of domain/address.py


class Key(Record):
    """A key that exists. `public_key` is SubjectPublicKeyInfo DER; `created` is in Unix seconds."""

    uuid: str
    label: str
    algorithm: str
    attributes: KeyAttributes
    created: int
    curve_oid: str | None = None
    key_size: int | None = None
    id: str | None = None
    policy: Policy | None = None
    public_key: bytes | None = None
    origin: str = "generated"  # generated | imported | public: the public half of a key that is elsewhere
    has_password: bool = False
    use_count: int = 0
    address_format: str | None = None

    @property
    def is_public_only(self) -> bool:
        return self.origin == "public"
