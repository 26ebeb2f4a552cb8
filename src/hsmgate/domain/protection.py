"""The one-way rules: what is secret stays so, whichever way a key goes (wrapped, unwrapped, imported, exported).

A sensitive key leaves only under a key that *guards*: one whose octets never were outside and never will be, and that
does not decrypt. So nothing but unwrapping opens what it wrapped, and what is unwrapped with it is sensitive again.
"""

import msgspec

from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.usage import may
from hsmgate.domain.wrapping import WrapMethod
from hsmgate.errors import Failure, Reason


def guards(key: Key) -> bool:
    """Whether it may wrap sensitive keys. Both latches say that it was made here and has no copy."""
    flags = key.attributes
    latched = flags.sensitive and flags.always_sensitive and flags.never_extractable and not flags.extractable
    return latched and not flags.decrypt and may(key, "wrap")


def brought_in(flags: KeyAttributes) -> KeyAttributes:
    """Flags of a key that was outside: what it was there nobody knows."""
    return msgspec.structs.replace(flags, always_sensitive=False, never_extractable=False)


def unwrapped_with(key: Key, flags: KeyAttributes, *, sensitive_said: bool) -> KeyAttributes:
    """Flags of what `key` unwraps: sensitive if it may have wrapped sensitive keys. Failure: KEY_FORBIDS."""
    flags = brought_in(flags)
    if flags.sensitive or not guards(key):
        return flags
    if sensitive_said:
        raise Failure(Reason.KEY_FORBIDS, f"What the key '{key.label}' unwraps is sensitive: it wraps sensitive keys.")
    return msgspec.structs.replace(flags, sensitive=True)


def check_wrap(key: Key, wrapping: Key, method: WrapMethod) -> None:
    """Whether `key` may leave under `wrapping`. Failure: INVALID_KEY_TYPE, KEY_FORBIDS."""
    if key.is_public_only:
        raise Failure(Reason.INVALID_KEY_TYPE, f"The key '{key.label}' has no private part.")
    if not key.attributes.extractable or key.policy is not None:
        raise Failure(Reason.KEY_FORBIDS, f"The key '{key.label}' is not extractable.")
    if not key.attributes.sensitive:
        return
    if not guards(wrapping):
        raise Failure(
            Reason.KEY_FORBIDS,
            f"The key '{key.label}' is sensitive: only a key that was made here, is sensitive and not extractable,"
            " may wrap and may not decrypt wraps it.",
        )
    if method.scheme == "PKCS1":
        raise Failure(Reason.KEY_FORBIDS, f"The key '{key.label}' is sensitive: use RSA_WRAP_OAEP.")


def check_unwrap(key: Key, method: WrapMethod) -> None:
    """Failures of PKCS#1 v1.5 would tell what a guard has wrapped (Bleichenbacher). Failure: KEY_FORBIDS."""
    if method.scheme == "PKCS1" and guards(key):
        raise Failure(
            Reason.KEY_FORBIDS,
            f"The key '{key.label}' may wrap sensitive keys, so it unwraps by RSA_WRAP_OAEP only.",
        )


def check_export(key: Key) -> None:
    """Whether a key may leave as it is; a public key always may. Failure: KEY_FORBIDS."""
    flags = key.attributes
    if key.is_public_only:
        return
    if not flags.extractable or flags.sensitive or key.policy is not None:
        raise Failure(Reason.KEY_FORBIDS, f"The key '{key.label}' is sensitive or not extractable.")
