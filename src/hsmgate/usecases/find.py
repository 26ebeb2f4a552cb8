"""Key labels: what a label may be, and the key that one names."""

import unicodedata

from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Ports

LONGEST_LABEL = 255  # characters
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, surrogates, line and paragraph separators


def check_text(text: str, name: str, reason: Reason) -> None:
    """Refuse what is empty, too long, or cannot stand in one line and in XML 1.0. Failure: `reason`."""
    if not 0 < len(text) <= LONGEST_LABEL:
        raise Failure(reason, f"{name} must have 1 to {LONGEST_LABEL} characters.")
    if any(unicodedata.category(c) in _UNPRINTABLE or c in "\ufffe\uffff" for c in text):
        raise Failure(reason, f"{name} must not contain control characters.")


def check_new_label(label: str) -> None:
    """The rules for the label of a new key. Failure: INVALID_KEY_NAME."""
    check_text(label, "A key name", Reason.INVALID_KEY_NAME)
    if "/" in label:
        raise Failure(Reason.INVALID_KEY_NAME, "A key name must not contain `/`: it stands for derivation.")


def find(ports: Ports, label: str) -> Key:
    """The key that a request names. Failure: INVALID_KEY_NAME, KEY_NOT_FOUND, NOT_IMPLEMENTED (a derived key)."""
    check_text(label, "A key name", Reason.INVALID_KEY_NAME)
    try:
        return ports.keystore.find(label)
    except Failure as failure:
        if failure.reason is not Reason.KEY_NOT_FOUND:
            raise
    master, slash, _ = label.partition("/")
    if slash and _exists(ports, master):
        raise Failure(Reason.NOT_IMPLEMENTED, "Derivation from a master key is not implemented.")
    raise not_found(label)


def not_found(label: str) -> Failure:
    """The failure in the contract's words."""
    return Failure(Reason.KEY_NOT_FOUND, f"A key with the name '{label}' does not exist.")


def _exists(ports: Ports, label: str) -> bool:
    try:
        ports.keystore.find(label)
    except Failure as failure:
        if failure.reason is Reason.KEY_NOT_FOUND:
            return False
        raise
    return True
