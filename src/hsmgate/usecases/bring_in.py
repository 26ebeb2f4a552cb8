"""Keys that come from elsewhere, and keys that go there: import and export as they are."""

from hsmgate.domain.address import check_address_format
from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import (
    Material,
    certified_material,
    private_material,
    public_material,
    secret_material,
)
from hsmgate.domain.policy import Policy
from hsmgate.domain.protection import brought_in, check_export
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases import certificate_store, keys, policies
from hsmgate.usecases.find import check_new_label, find
from hsmgate.usecases.keys import Created
from hsmgate.usecases.ports import Ports

# of a public key there is nothing to guard
_OF_A_PUBLIC_KEY = KeyAttributes(sensitive=False, always_sensitive=False, never_extractable=False, destroyable=True)


class ImportKey(Record):
    """What to import; `private`, `public` and `certificate` are DER, `secret` the octets. None: was not given."""

    label: str
    algorithm: str
    attributes: KeyAttributes | None = None
    password: str | None = None
    private: bytes | None = None
    public: bytes | None = None
    secret: bytes | None = None
    certificate: bytes | None = None
    address_format: str | None = None
    policy: Policy | None = None

    def __repr__(self) -> str:
        return f"ImportKey({self.label})"


class Exported(Record):
    """A key and its material."""

    key: Key
    material: Material
    certificate: bytes | None = None  # DER

    def __repr__(self) -> str:
        return f"Exported({self.key.label})"


def bring_in(ports: Ports, wish: ImportKey) -> Created:
    """Import a key. It counts as one that was sensitive nowhere and extractable everywhere before.

    Failure: INVALID_*, KEY_ENCODING, CERTIFICATE_ENCODING, NOT_IMPLEMENTED, KEY_EXISTS, and as policies.accepted().
    """
    check_new_label(wish.label)
    material = _material(wish)
    if material.private is None and material.secret is None:
        return _bring_in_public(ports, wish, material)
    if wish.attributes is None:
        raise Failure(Reason.INVALID_INPUT, "attributes are needed with a private or secret key.")
    ignored = material.secret is not None and wish.policy is not None
    policy = policies.accepted(wish.policy) if wish.policy is not None and not ignored else None
    spec = KeySpec(
        label=wish.label,
        algorithm=material.algorithm,
        attributes=brought_in(wish.attributes),
        curve_oid=material.curve_oid,
        key_size=material.key_size,
        policy=policy,
        address_format=wish.address_format,
    )
    keys.check_attributes(spec)
    check_address_format(spec)
    key = ports.keystore.bring_in(spec, material, wish.password)
    _keep_certificate(ports, key, wish)
    return Created(keys.signed(ports, key), keys.POLICY_IGNORED if ignored else "")


def take_out(ports: Ports, label: str, password: str | None) -> Exported:
    """Export a key. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, KEY_FORBIDS, NOT_IMPLEMENTED."""
    key = find(ports, label)
    check_export(key)
    return Exported(key, ports.keystore.take_out(key, password), certificate_store.find(ports, key))


def public_key(ports: Ports, label: str, material: Material) -> Key:
    """The key of this name that has this public key; a lone public key where there is none of the name.

    Failure: as check_public_key().
    """
    found = check_public_key(ports, label, material)
    return found or ports.keystore.bring_in(_public_spec(label, material), material, None)


def check_public_key(ports: Ports, label: str, material: Material) -> Key | None:
    """The key of this name, which must have this public key; None: there is none, and one can be made.

    Failure: INVALID_KEY_NAME, KEY_EXISTS, NOT_IMPLEMENTED.
    """
    check_new_label(label)
    try:
        found = ports.keystore.find(label)
    except Failure as failure:
        if failure.reason is not Reason.KEY_NOT_FOUND:
            raise
        if material.algorithm not in ports.keystore.capabilities().imports:
            raise Failure(Reason.NOT_IMPLEMENTED, "The keystore takes no lone public keys.") from None
        return None
    if found.public_key != material.public:
        raise Failure(Reason.KEY_EXISTS, f"'{label}' is the name of another key.")
    return found


def _public_spec(label: str, material: Material, address_format: str | None = None) -> KeySpec:
    return KeySpec(
        label=label,
        algorithm=material.algorithm,
        attributes=_OF_A_PUBLIC_KEY,
        curve_oid=material.curve_oid,
        key_size=material.key_size,
        address_format=address_format,
    )


def _bring_in_public(ports: Ports, wish: ImportKey, material: Material) -> Created:
    """A lone public key verifies, encrypts and wraps; it takes the place of another lone one."""
    if wish.policy is not None or wish.password is not None:
        raise Failure(Reason.INVALID_INPUT, "A public key has neither policy nor password.")
    spec = _public_spec(wish.label, material, wish.address_format)
    check_address_format(spec)
    key = ports.keystore.bring_in(spec, material, None)
    _keep_certificate(ports, key, wish)
    return Created(keys.signed(ports, key))


def _keep_certificate(ports: Ports, key: Key, wish: ImportKey) -> None:
    if wish.certificate is not None and ports.certificates is not None:
        certificate_store.put(ports, key, wish.certificate)


def _material(wish: ImportKey) -> Material:
    """The one key of the parts that were given."""
    algorithm = key_algorithm(wish.algorithm).name
    if wish.secret is not None:
        if wish.private or wish.public or wish.certificate:
            raise Failure(Reason.INVALID_INPUT, "A secret key comes alone.")
        return secret_material(algorithm, wish.secret)
    certified = None if wish.certificate is None else certified_material(algorithm, wish.certificate)
    public = None if wish.public is None else public_material(algorithm, wish.public)
    private = None if wish.private is None else private_material(algorithm, wish.private)
    given = [part for part in (private, certified, public) if part is not None]
    if not given:
        raise Failure(Reason.INVALID_INPUT, "One of privateKey, publicKey, secretKey and certificate is needed.")
    if len({part.public for part in given}) > 1:
        raise Failure(Reason.KEY_ENCODING, "privateKey, publicKey and certificate do not belong together.")
    return given[0]
