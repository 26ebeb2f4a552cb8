"""Sign a payload with a key."""

from hsmgate.domain.key import Key
from hsmgate.domain.signature import check_form, express
from hsmgate.domain.signature_algorithm import signature_algorithm_for
from hsmgate.domain.usage import check_use
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import Ports, SignExtra


class Sign(Record):
    """What to sign, with what; `form` (DER, RAW, ETH): how an ECDSA signature is written."""

    label: str
    algorithm: str
    payload: bytes
    password: str | None = None
    form: str = "DER"
    extra: SignExtra = SignExtra()


def sign(ports: Ports, wish: Sign) -> bytes:
    """The signature in the wanted form.

    Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, INVALID_KEY_TYPE, ALGORITHM_NOT_FOR_KEY, KEY_FORBIDS, KEY_BLOCKED,
    APPROVALS_MISSING, INVALID_PAYLOAD, INVALID_INPUT.
    """
    key = check(ports, wish)
    signature = ports.keystore.sign(key, wish.password, wish.algorithm, wish.payload, wish.extra)
    return express(signature, wish.form, key, wish.algorithm, wish.payload)


def check(ports: Ports, wish: Sign) -> Key:
    """The key, where it may sign this. Failure: as sign(), but for what only using the key shows."""
    key = find(ports, wish.label)
    algorithm = signature_algorithm_for(key, wish.algorithm)
    if wish.extra != SignExtra() and algorithm.scheme != "SCHNORR":
        raise Failure(Reason.INVALID_INPUT, "auxiliaryRandomData, taprootTweakData and merkleRootData need BIP-340.")
    check_form(wish.form, key, wish.algorithm)
    check_use(key, "sign")
    return key
