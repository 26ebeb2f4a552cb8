"""What a key may be used for: its flags (enums.md section 7) and its policy, asked before anything touches it."""

from typing import Literal

from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason

Use = Literal["decrypt", "sign", "unwrap", "encrypt", "verify", "wrap"]

# what a secret key may do that was never told: whoever may undo a thing may do it
_SAME_AS: dict[Use, Use] = {"encrypt": "decrypt", "verify": "sign", "wrap": "unwrap"}


def may(key: Key, use: Use) -> bool:
    """Whether the flags allow it. A flag for the public half that was never set forbids nothing: everybody has it."""
    flag = getattr(key.attributes, use)
    if flag is not None:
        return bool(flag)
    return may(key, _SAME_AS[use]) if key_algorithm(key.algorithm).symmetric else True


def check_use(key: Key, use: Use) -> None:
    """Whether flags and policy let the key do it now. Failure: KEY_FORBIDS, KEY_BLOCKED, APPROVALS_MISSING."""
    check_public_use(key, use)
    if key.policy is not None and not key.policy.use_is_free:
        raise Failure(Reason.APPROVALS_MISSING, f"The policy of the key '{key.label}' needs approvals.")


def check_public_use(key: Key, use: Use) -> None:
    """The same for a use of the public half, which no approval guards. Failure: KEY_FORBIDS, KEY_BLOCKED."""
    if not may(key, use):
        raise Failure(Reason.KEY_FORBIDS, f"The key '{key.label}' may not {use}.")
    if key.policy is not None and key.policy.blocked:
        raise Failure(Reason.KEY_BLOCKED, f"The key '{key.label}' is blocked.")
