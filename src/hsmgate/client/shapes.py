"""Bodies of the contract as the client sees them: Base64 is bytes, times are datetimes; unknown members are ignored.

They mirror hsmgate.api.wire, which speaks of domain and use cases: a client needs neither.
"""

from datetime import datetime
from typing import Literal

from msgspec import UNSET, UnsetType, field

from hsmgate.record import WireRecord

PayloadType = Literal["UNSPECIFIED", "ISO_20022", "PDF", "BTC", "ETH", "HEX"]
SignatureType = Literal["DER", "RAW", "ETH"]
AddressFormatName = Literal["BTC", "ETH", "XLM", "XRP"]


class Nothing(WireRecord):
    """An answer that says only that it is done."""


class VersionInfo(WireRecord):
    version: str = field(name="Version")


class LicenseInfo(WireRecord):
    client_flags: tuple[str, ...]


class RandomOctets(WireRecord):
    random: bytes


class KeystoreStatistics(WireRecord):
    """Counts of what is held; None: not counted, or without a bound."""

    private_keys: int
    public_keys: int
    secret_keys: int
    certificates: int
    data_objects: int
    invalidated_keys: int | None
    used_size_bytes: int
    max_size_bytes: int | None
    remaining_objects: int | None


class Health(WireRecord):
    status: str


class AttestationKey(WireRecord):
    """`public_key`: SubjectPublicKeyInfo DER, under which attestations verify."""

    label: str
    certificate: str | None
    public_key: bytes


class Approval(WireRecord):
    type: str
    name: str | None = None
    value: str | None = None


class Group(WireRecord):
    quorum: int
    approvals: list[Approval]
    name: str | None = None


class Token(WireRecord):
    """`timelock` and `timeout` in seconds."""

    timelock: int
    timeout: int
    name: str | None = None
    groups: list[Group] | None = None


class Rule(WireRecord):
    tokens: list[Token] | None = None


class KeyStatus(WireRecord):
    blocked: bool | None = None


class Policy(WireRecord):
    rule_use: Rule | None = None
    rule_block: Rule | None = None
    rule_unblock: Rule | None = None
    rule_modify: Rule | None = None
    key_status: KeyStatus | None = None


class Attributes(WireRecord, omit_defaults=True):
    """Flags of a new key. None: false; but `modifiable` is true then, and `sensitive` the opposite of `extractable`."""

    decrypt: bool | None = None
    sign: bool | None = None
    unwrap: bool | None = None
    encrypt: bool | None = None
    verify: bool | None = None
    wrap: bool | None = None
    derive: bool | None = None
    bip32: bool | None = None
    slip10: bool | None = None
    extractable: bool | None = None
    sensitive: bool | None = None
    modifiable: bool | None = None
    destroyable: bool | None = None
    copyable: bool | None = None


class KeyAttributes(WireRecord):
    """Flags of a key that is there; the last three only of secret keys."""

    decrypt: bool
    sign: bool
    unwrap: bool
    derive: bool
    sensitive: bool
    always_sensitive: bool
    extractable: bool
    never_extractable: bool
    modifiable: bool
    copyable: bool
    destroyable: bool
    eka_sign: bool | None = None
    encrypt: bool | UnsetType | None = UNSET
    verify: bool | UnsetType | None = UNSET
    wrap: bool | UnsetType | None = UNSET


class DerivedAttributes(WireRecord):
    derivation_type: str
    derivation_value: str


class Address(WireRecord):
    """`address` in upper-case hex."""

    address: str
    format: str | None = None


class KeyJson(WireRecord):
    """What a key is. `public_key`: SubjectPublicKeyInfo DER, None of secret keys."""

    label: str
    id: str | None
    uuid: str | None
    algorithm: str
    algorithm_oid: str
    curve_oid: str | None
    derived_attributes: DerivedAttributes | None
    key_size: int | None
    key_usage_count: int
    create_time: datetime
    attest_time: datetime
    public_key: bytes | None
    address_truncated: Address | None
    attributes: KeyAttributes
    policy: Policy | None


class SignedAttributes(WireRecord):
    """A key and its attestation: `xml_signature` is RSA PKCS#1 v1.5 with SHA-256 over the UTF-8 octets of `xml`."""

    xml: str
    json: KeyJson
    xml_signature: bytes
    attestation_key_name: str


class Signed(WireRecord):
    signature: bytes
    public_nonce: bytes | None = None


class Verified(WireRecord):
    """Its truth is that of the signature, so that `if client.verify(...)` is what it seems."""

    signature_valid: bool

    def __bool__(self) -> bool:
        return self.signature_valid


class Encrypted(WireRecord):
    """`encrypted_payload` is what `decrypt` takes: of ciphers with a tag, it ends with it."""

    encrypted_payload: bytes
    encrypted_payload_without_message_authentication_code: bytes | None
    initialization_vector: bytes | None
    message_authentication_code: bytes | None


class Decrypted(WireRecord):
    payload: bytes


class AddressFormat(WireRecord):
    format: AddressFormatName


class CreateKeyBody(WireRecord, omit_defaults=True):
    label: str
    algorithm: str
    attributes: Attributes
    password: list[str] | None = None
    id: str | None = None
    curve_oid: str | None = None
    key_size: int | None = None
    policy: Policy | None = None
    address_format: AddressFormat | None = None


class KeyBody(WireRecord, omit_defaults=True):
    label: str
    password: list[str] | None = None


class SignRequest(WireRecord, omit_defaults=True):
    payload: str
    sign_key_name: str
    signature_algorithm: str
    payload_type: PayloadType | None = None
    key_password: list[str] | None = None
    signature_type: SignatureType | None = None
    meta_data: bytes | None = None
    meta_data_signature: bytes | None = None
    auxiliary_random_data: bytes | None = None
    taproot_tweak_data: bytes | None = None
    merkle_root_data: bytes | None = None


class SignBody(WireRecord):
    sign_request: SignRequest


class VerifySignatureRequest(WireRecord, omit_defaults=True):
    sign_key_name: str
    signature_algorithm: str
    payload: bytes
    signature: bytes
    master_key_password: list[str] | None = None


class VerifyBody(WireRecord):
    verify_signature_request: VerifySignatureRequest


class EncryptRequest(WireRecord, omit_defaults=True):
    payload: bytes
    encrypt_key_name: str
    cipher_algorithm: str
    key_password: list[str] | None = None
    tag_length: int | None = None
    additional_authentication_data: bytes | None = None


class EncryptBody(WireRecord):
    encrypt_request: EncryptRequest


class DecryptRequest(WireRecord, omit_defaults=True):
    encrypted_payload: bytes
    decrypt_key_name: str
    cipher_algorithm: str
    key_password: list[str] | None = None
    initialization_vector: bytes | None = None
    tag_length: int | None = None
    additional_authentication_data: bytes | None = None


class DecryptBody(WireRecord):
    decrypt_request: DecryptRequest


class ErrorBody(WireRecord):
    """Every refusal of the service."""

    error_code: int
    reason: str
    message: str = ""
