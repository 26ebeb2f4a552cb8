"""Make and check message authentication codes."""

import hmac

from hsmgate.domain.key import Key
from hsmgate.domain.usage import Use, check_use
from hsmgate.record import Record
from hsmgate.usecases.find import find
from hsmgate.usecases.ports import Ports


class Mac(Record):
    """What to make a code for, with what."""

    label: str
    payload: bytes
    password: str | None = None


class CheckMac(Record):
    """What to check a code of, with what."""

    label: str
    payload: bytes
    code: bytes
    password: str | None = None


def mac(ports: Ports, wish: Mac) -> bytes:
    """The whole HMAC. Failure: KEY_NOT_FOUND, KEY_PASSWORD_MISMATCH, INVALID_KEY_TYPE, KEY_FORBIDS."""
    return ports.keystore.mac(_key(ports, wish.label, "sign"), wish.password, wish.payload)


def is_mac(ports: Ports, wish: CheckMac) -> bool:
    """Whether the code is the key's, whole, over the payload. Failure: as mac()."""
    made = ports.keystore.mac(_key(ports, wish.label, "verify"), wish.password, wish.payload)
    return hmac.compare_digest(made, wish.code)


def _key(ports: Ports, label: str, use: Use) -> Key:
    key = find(ports, label)
    check_use(key, use)
    return key
