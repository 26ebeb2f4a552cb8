"""Keys: create, list, attest, delete."""

from hsmgate.domain.address import address_of, check_address_format
from hsmgate.domain.algorithm import (
    KeyAlgorithm,
    check_curve,
    check_key_size,
    key_algorithm,
    key_algorithm_of_oid,
)
from hsmgate.domain.attestation import document
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.policy import Policy
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases import policies
from hsmgate.usecases.find import LONGEST_LABEL, check_new_label, find, not_found
from hsmgate.usecases.ports import Ports
from hsmgate.usecases.requests import key_deleted

POLICY_IGNORED = "the policy is ignored: a secret key has none"


class CreateKey(Record):
    """A wish for a key, not yet checked. `key_size` in bits; None where it was absent or 0."""

    label: str
    attributes: KeyAttributes
    password: str | None = None
    id: str | None = None
    algorithm: str | None = None
    algorithm_oid: str | None = None
    curve_oid: str | None = None
    key_size: int | None = None
    address_format: str | None = None
    policy: Policy | None = None


class SignedKey(Record):
    """A key with its attestation: `signature` by `attestation_key` over the UTF-8 of `xml`."""

    key: Key
    attested: float  # Unix seconds
    xml: str
    signature: bytes
    attestation_key: str


class Created(Record):
    """A new key, and a remark on what of the wish was ignored."""

    signed: SignedKey
    remark: str = ""


def create(ports: Ports, wish: CreateKey) -> Created:
    """Make a key. Failure: INVALID_*, ADDRESS_NEEDS_POLICY, UNSUPPORTED_ADDRESS_FORMAT, NOT_IMPLEMENTED, KEY_EXISTS,
    and those of policies.accepted().
    """
    spec, remark = specify(wish)
    return Created(signed(ports, ports.keystore.create(spec, wish.password)), remark)


def labels(ports: Ports) -> list[str]:
    """The labels of all keys."""
    return ports.keystore.labels()


def attributes(ports: Ports, label: str, password: str | None) -> SignedKey:
    """A key and its attestation. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH."""
    key = find(ports, label)
    ports.keystore.unlock(key, password)
    return signed(ports, key)


def address(ports: Ports, label: str, password: str | None) -> bytes:
    """The address of a key. Failure: as attributes(); ADDRESS_NEEDS_POLICY, UNSUPPORTED_OPERATION (it has none)."""
    key = find(ports, label)
    ports.keystore.unlock(key, password)
    found = address_of(key)
    if found is not None:
        return found
    if key.policy is None:
        raise Failure(Reason.ADDRESS_NEEDS_POLICY, "Only keys with a policy have an address.")
    raise Failure(Reason.UNSUPPORTED_OPERATION, f"The key '{label}' has no address: it was made without addressFormat.")


def delete(ports: Ports, label: str, password: str | None) -> None:
    """Destroy a key. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, KEY_FORBIDS."""
    key = find(ports, label)
    if not key.attributes.destroyable:
        raise Failure(Reason.KEY_FORBIDS, f"The key '{label}' is not destroyable.")
    try:
        ports.keystore.delete(key, password)
        key_deleted(ports, label)
    except Failure as failure:
        if failure.reason is Reason.KEY_NOT_FOUND:  # another request was faster
            raise not_found(label) from None
        raise


def specify(wish: CreateKey) -> tuple[KeySpec, str]:
    """The checked form of a wish, and a remark on what of it is ignored. Failure: as create()."""
    check_new_label(wish.label)
    if wish.id is not None and len(wish.id) > LONGEST_LABEL:
        raise Failure(Reason.INVALID_INPUT, f"id must have at most {LONGEST_LABEL} characters.")
    algorithm = _algorithm(wish)
    ignored = algorithm.symmetric and wish.policy is not None
    policy = policies.accepted(wish.policy) if wish.policy is not None and not ignored else None
    spec = KeySpec(
        label=wish.label,
        algorithm=algorithm.name,
        attributes=wish.attributes,
        curve_oid=check_curve(algorithm, wish.curve_oid),
        key_size=check_key_size(algorithm, wish.key_size),
        id=wish.id,
        policy=policy,
        address_format=wish.address_format,
    )
    check_attributes(spec)
    check_address_format(spec)
    return spec, POLICY_IGNORED if ignored else ""


def _algorithm(wish: CreateKey) -> KeyAlgorithm:
    if not wish.algorithm and not wish.algorithm_oid:
        raise Failure(Reason.INVALID_INPUT, "algorithm or algorithmOid is needed.")
    if not wish.algorithm:
        return key_algorithm_of_oid(wish.algorithm_oid or "")
    algorithm = key_algorithm(wish.algorithm)
    if wish.algorithm_oid not in (None, "", algorithm.oid):
        raise Failure(Reason.INVALID_INPUT, "algorithm and algorithmOid name different types.")
    return algorithm


def check_attributes(spec: KeySpec) -> None:
    """Refuse combinations that enums.md section 7 excludes. Failure: INVALID_ATTRIBUTES."""
    flags = spec.attributes
    if not (flags.decrypt or flags.sign or flags.unwrap):
        raise Failure(Reason.INVALID_ATTRIBUTES, "At least one of decrypt, sign and unwrap must be true.")
    if flags.extractable and spec.policy is not None:
        raise Failure(Reason.INVALID_ATTRIBUTES, "A key with a policy must not be extractable.")
    if (flags.bip32 or flags.slip10) and not (flags.derive and spec.algorithm in {"EC", "ED"}):
        raise Failure(Reason.INVALID_ATTRIBUTES, "bip32 and slip10 need an EC or ED key with derive.")


def signed(ports: Ports, key: Key) -> SignedKey:
    """The key with an attestation of now."""
    attested = ports.now()
    xml = document(key, attested)
    name, signature = ports.keystore.attest(xml.encode())
    return SignedKey(key=key, attested=attested, xml=xml, signature=signature, attestation_key=name)
