"""Bodies of the key endpoints (endpoints.md sections 2.1 to 2.3, 2.8)."""

from msgspec import UNSET, UnsetType

from hsmgate.api.wire.fields import Number, Password, encoded, password, whole
from hsmgate.api.wire.policies import PolicyShape, policy_of, shape_of
from hsmgate.domain.address import address_of
from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.attestation import moment
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.record import WireRecord
from hsmgate.usecases.keys import CreateKey, SignedKey


class RequestedAttributes(WireRecord):
    """Flags as asked for; absent and null are the contract's defaults (enums.md section 7)."""

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

    def value(self) -> KeyAttributes:
        """The domain value of a new key: what is sensitive from the start has always been so."""
        extractable = bool(self.extractable)
        sensitive = not extractable if self.sensitive is None else self.sensitive
        return KeyAttributes(
            decrypt=bool(self.decrypt),
            sign=bool(self.sign),
            unwrap=bool(self.unwrap),
            encrypt=self.encrypt,
            verify=self.verify,
            wrap=self.wrap,
            derive=bool(self.derive),
            bip32=bool(self.bip32),
            slip10=bool(self.slip10),
            extractable=extractable,
            sensitive=sensitive,
            modifiable=self.modifiable is not False,
            destroyable=bool(self.destroyable),
            copyable=bool(self.copyable),
            always_sensitive=sensitive,
            never_extractable=not extractable,
        )


class AddressFormat(WireRecord):
    format: str


class CreateKeyBody(WireRecord):
    """POST /v1/key."""

    label: str
    attributes: RequestedAttributes
    password: Password = None
    id: str | None = None
    algorithm: str | None = None
    algorithm_oid: str | None = None
    curve_oid: str | None = None
    key_size: Number = None
    address_format: AddressFormat | None = None
    policy: PolicyShape | None = None

    def command(self) -> CreateKey:
        """Failure: INVALID_INPUT."""
        return CreateKey(
            label=self.label,
            attributes=self.attributes.value(),
            password=password(self.password),
            id=self.id,
            algorithm=self.algorithm,
            algorithm_oid=self.algorithm_oid,
            curve_oid=self.curve_oid or None,
            key_size=whole(self.key_size, "keySize") or None,
            address_format=self.address_format.format if self.address_format else None,
            policy=policy_of(self.policy),
        )


class KeyBody(WireRecord):
    """POST /v1/key/attributes and POST /v1/key/deleteKey: a label and the password of its key."""

    label: str
    password: Password = None


class ReportedAttributes(WireRecord):
    """Flags of a key. `eka_sign` is not known of keys that are held here; the last three only of secret keys."""

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


class AddressTruncated(WireRecord):
    """`address` in upper-case hex."""

    address: str
    format: str


class KeyAddress(WireRecord):
    """Answer of POST /v1/key/address."""

    address: str


class KeyJson(WireRecord):
    """The member `json`. Every field is always there; clients fail on absent ones."""

    label: str
    id: str | None
    uuid: str | None
    algorithm: str
    algorithm_oid: str
    curve_oid: str | None
    derived_attributes: None
    key_size: int | None
    key_usage_count: int
    create_time: str
    attest_time: str
    public_key: str | None
    address_truncated: AddressTruncated | None
    attributes: ReportedAttributes
    policy: PolicyShape | None


class SignedAttributes(WireRecord):
    """The signed key attributes, answer of create and attributes."""

    xml: str
    json: KeyJson
    xml_signature: str
    attestation_key_name: str


def signed_attributes(signed: SignedKey) -> SignedAttributes:
    """The answer for a key and its attestation."""
    return SignedAttributes(
        xml=signed.xml,
        json=_json(signed.key, signed.attested),
        xml_signature=encoded(signed.signature),
        attestation_key_name=signed.attestation_key,
    )


def _json(key: Key, attested: float) -> KeyJson:
    algorithm = key_algorithm(key.algorithm)
    return KeyJson(
        label=key.label,
        id=key.id,
        uuid=key.uuid,
        algorithm=algorithm.name,
        algorithm_oid=algorithm.oid,
        curve_oid=key.curve_oid if algorithm.name == "EC" else None,
        derived_attributes=None,
        key_size=key.key_size,
        key_usage_count=key.use_count,
        create_time=moment(key.created),
        attest_time=moment(attested),
        public_key=None if key.public_key is None else encoded(key.public_key),
        address_truncated=_address(key),
        attributes=_attributes(key.attributes, secret=key.public_key is None),
        policy=shape_of(key.policy),
    )


def _address(key: Key) -> AddressTruncated | None:
    address = address_of(key)
    return None if address is None else AddressTruncated(address.hex().upper(), key.address_format or "")


def _attributes(flags: KeyAttributes, *, secret: bool) -> ReportedAttributes:
    return ReportedAttributes(
        decrypt=flags.decrypt,
        sign=flags.sign,
        unwrap=flags.unwrap,
        derive=flags.derive,
        sensitive=flags.sensitive,
        always_sensitive=flags.always_sensitive,
        extractable=flags.extractable,
        never_extractable=flags.never_extractable,
        modifiable=flags.modifiable,
        copyable=flags.copyable,
        destroyable=flags.destroyable,
        encrypt=flags.encrypt if secret else UNSET,
        verify=flags.verify if secret else UNSET,
        wrap=flags.wrap if secret else UNSET,
    )
