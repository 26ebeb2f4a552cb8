"""Keys of the keystore that sign for the small PKI: made, found and destroyed by what `keystore:LABEL` says."""

from collections.abc import Callable

from hsmgate.domain.curve import ED25519_OID
from hsmgate.domain.key import KeyAttributes, KeySpec
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore
from hsmgate.usecases.signing_key import SigningKey, signing_key

_EC = {"p256": "1.2.840.10045.3.1.7", "p384": "1.3.132.0.34", "p521": "1.3.132.0.35"}
_RSA = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
_ATTRIBUTES = KeyAttributes(sign=True, modifiable=False)


def make(keystore: Keystore, label: str, kind: str, password: str | None) -> SigningKey:
    """Make a key in the keystore. Failure: KEY_EXISTS, INVALID_INPUT (kind, or no password), as the Keystore.

    Without a password every client of the REST API that may sign could sign certificates with it.
    """
    if not password:
        raise Failure(
            Reason.INVALID_INPUT, f"keystore:{label} needs a passphrase, or clients of the API could sign with it"
        )
    key = keystore.create(_spec(label, kind), password)
    return signing_key(keystore, key, password)


def find(keystore: Keystore, label: str, password: Callable[[], str | None]) -> SigningKey:
    """A key of the keystore. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, KEY_FORBIDS, INVALID_KEY_TYPE."""
    key = keystore.find(label)
    if not key.attributes.sign:
        raise Failure(Reason.KEY_FORBIDS, f"keystore:{label} may not sign")
    if key.policy is not None:
        raise Failure(Reason.KEY_BLOCKED, f"keystore:{label} has a policy, which certificates cannot wait for")
    given = password() if key.has_password else None
    keystore.unlock(key, given)
    return signing_key(keystore, key, given)


def delete(keystore: Keystore, label: str, password: str | None) -> None:
    """Destroy a key that came to nothing."""
    keystore.delete(keystore.find(label), password)


def _spec(label: str, kind: str) -> KeySpec:
    if kind in _EC:
        return KeySpec(label, "EC", _ATTRIBUTES, curve_oid=_EC[kind])
    if kind in _RSA:
        return KeySpec(label, "RSA", _ATTRIBUTES, key_size=_RSA[kind])
    if kind == "ed25519":
        return KeySpec(label, "ED", _ATTRIBUTES, curve_oid=ED25519_OID)
    raise Failure(Reason.INVALID_INPUT, f"the keystore has no keys of the kind {kind}")
