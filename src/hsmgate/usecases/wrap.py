"""Wrap one key with another, and unwrap it again."""

from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.policy import Policy
from hsmgate.domain.protection import check_unwrap, check_wrap, unwrapped_with
from hsmgate.domain.usage import check_public_use, check_use
from hsmgate.domain.wrapping import WrapMethod, check_wraps, unwrapped_algorithm, wrap_method_by
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases import keys, policies
from hsmgate.usecases.find import check_new_label, find
from hsmgate.usecases.keys import SignedKey
from hsmgate.usecases.ports import Locked, Ports


class Wrap(Record):
    """Which key to wrap, with which."""

    label: str
    wrapping_label: str
    method: str
    password: str | None = None
    wrapping_password: str | None = None


class Unwrap(Record):
    """What to unwrap, with which key, and what it shall be then. `algorithm`: of a secret key, AES if not given."""

    wrapped: bytes
    wrapping_label: str
    method: str
    label: str
    attributes: KeyAttributes
    sensitive_said: bool = False  # else its value is only what follows from `extractable`
    wrapping_password: str | None = None
    password: str | None = None
    algorithm: str | None = None
    policy: Policy | None = None


def wrap(ports: Ports, wish: Wrap) -> bytes:
    """The wrapped key.

    Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, ALGORITHM_NOT_FOR_KEY, INVALID_KEY_TYPE, KEY_FORBIDS, KEY_BLOCKED,
    INVALID_INPUT, NOT_IMPLEMENTED.
    """
    wrapping = find(ports, wish.wrapping_label)
    key = find(ports, wish.label)
    method = wrap_method_by(wrapping, wish.method)
    check_wraps(method, key)
    check_public_use(wrapping, "wrap")  # an RSA key wraps with its public half, a secret key has no policy
    check_wrap(key, wrapping, method)
    return ports.keystore.wrap(Locked(key, wish.password), Locked(wrapping, wish.wrapping_password), method.name)


def unwrap(ports: Ports, wish: Unwrap) -> SignedKey:
    """Unwrap a key, store it, and attest it. Failure: as store_unwrapped()."""
    return keys.signed(ports, store_unwrapped(ports, wish))


def store_unwrapped(ports: Ports, wish: Unwrap) -> Key:
    """Unwrap a key and store it.

    Failure: as wrap(); APPROVALS_MISSING, INVALID_*, UNWRAP_FAILED, and those of policies.accepted().
    """
    wrapping, method, spec = check_unwrapping(ports, wish)
    locked = Locked(wrapping, wish.wrapping_password)
    try:
        return ports.keystore.unwrap(locked, method.name, wish.wrapped, spec, wish.password)
    except Failure as failure:
        if failure.reason is Reason.KEY_EXISTS:  # the contract's clients know one answer
            raise Failure(Reason.UNWRAP_FAILED, str(failure)) from None
        raise


def check_unwrapping(ports: Ports, wish: Unwrap) -> tuple[Key, WrapMethod, KeySpec]:
    """The wrapping key, where it may do this, its method, and what is to be made.

    Failure: as store_unwrapped(), but for what only trying shows.
    """
    check_new_label(wish.label)
    wrapping = find(ports, wish.wrapping_label)
    method = wrap_method_by(wrapping, wish.method)
    _check_legacy(ports, method)
    check_unwrap(wrapping, method)
    flags = unwrapped_with(wrapping, wish.attributes, sensitive_said=wish.sensitive_said)
    algorithm = unwrapped_algorithm(method, wish.algorithm)
    spec = KeySpec(label=wish.label, algorithm=algorithm, attributes=flags, policy=wish.policy)
    keys.check_attributes(spec)
    check_use(wrapping, "unwrap")
    return wrapping, method, _accepted(spec)


def _accepted(spec: KeySpec) -> KeySpec:
    if spec.policy is None:
        return spec
    if key_algorithm(spec.algorithm).symmetric:
        raise Failure(Reason.UNWRAP_FAILED, "a secret key has no policy")
    return KeySpec(spec.label, spec.algorithm, spec.attributes, policy=policies.accepted(spec.policy))


def _check_legacy(ports: Ports, method: WrapMethod) -> None:
    if method.scheme == "PKCS1" and not ports.rules.rsa_legacy:
        raise Failure(Reason.NOT_IMPLEMENTED, f"{method.name} is switched off by hsmgate.ciphers.rsa-legacy")
