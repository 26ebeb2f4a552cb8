"""What may change about a key that exists: its password, and with a policy its rules and whether it is blocked."""

import msgspec

from hsmgate.domain.key import Key
from hsmgate.domain.policy import Policy, Rule
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases import policies
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import Ports


class ModifyKey(Record):
    """New rules by the names of Policy's fields; a rule that is not named keeps what it is, None frees it."""

    label: str
    password: str | None
    rules: dict[str, Rule | None]


def change_password(ports: Ports, label: str, password: str | None, new: str | None) -> None:
    """None takes the password away. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, UNSUPPORTED_OPERATION."""
    key = find(ports, label)
    if key.is_public_only:
        raise Failure(Reason.UNSUPPORTED_OPERATION, f"The key '{label}' has no private part to lock.")
    ports.keystore.change_password(key, password, new)


def block(ports: Ports, label: str, password: str | None) -> None:
    """Blocking what is blocked changes nothing.

    Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, APPROVALS_MISSING, UNSUPPORTED_OPERATION (a key without a policy).
    """
    _set_blocked(ports, label, password, blocked=True)


def unblock(ports: Ports, label: str, password: str | None) -> None:
    """Failure: as block()."""
    _set_blocked(ports, label, password, blocked=False)


def modify(ports: Ports, wish: ModifyKey) -> None:
    """Put new rules in the place of those named. Failure: as block(), and those of policies.accepted()."""
    key, changed = check_modifying(ports, wish)
    ports.keystore.change_policy(key, wish.password, changed)


def check_blocking(ports: Ports, label: str, *, blocked: bool) -> tuple[Key, Policy]:
    """The key and its policy, where it may be blocked, or unblocked. Failure: as block(), but for its password."""
    key, policy = _with_policy(ports, label)
    _check(key, policy.rule_block if blocked else policy.rule_unblock)
    return key, policy


def check_modifying(ports: Ports, wish: ModifyKey) -> tuple[Key, Policy]:
    """The key, where its policy may be changed, and what that becomes. Failure: as modify(), but for its password."""
    key, policy = _with_policy(ports, wish.label)
    _check(key, policy.rule_modify)
    return key, policies.accepted(msgspec.structs.replace(policy, **wish.rules))


def _set_blocked(ports: Ports, label: str, password: str | None, *, blocked: bool) -> None:
    key, policy = check_blocking(ports, label, blocked=blocked)
    if policy.blocked == blocked:
        ports.keystore.unlock(key, password)
    else:
        ports.keystore.change_policy(key, password, msgspec.structs.replace(policy, blocked=blocked))


def _with_policy(ports: Ports, label: str) -> tuple[Key, Policy]:
    key = find(ports, label)
    if key.policy is None:
        raise Failure(Reason.UNSUPPORTED_OPERATION, f"The key '{label}' has no policy, and can never get one.")
    return key, key.policy


def _check(key: Key, rule: Rule | None) -> None:
    if rule is not None and not rule.free:
        raise Failure(Reason.APPROVALS_MISSING, f"The policy of the key '{key.label}' needs approvals.")
