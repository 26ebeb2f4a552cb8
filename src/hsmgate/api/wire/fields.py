"""Field forms that many bodies share: passwords, numbers, encoded octets."""

import base64
import binascii
import re

from hsmgate.errors import Failure, Reason

Password = list[str] | str | None  # one-character strings, one string, or none at all
Number = int | float | None  # some clients print whole numbers with a fraction or an exponent

_LONGEST_PASSWORD = 1024
# around Base64 that comes as PEM: its lines, line breaks, and line breaks that were escaped once too often
_NOISE = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,64}-----|\\[rn]|\s")
_DIGITS = re.compile("[0-9]{1,12}")


def password(value: Password) -> str | None:
    """The password as text; absent, null, `[]` and `""` are none. Failure: INVALID_INPUT."""
    if isinstance(value, list) and any(len(character) != 1 for character in value):
        raise Failure(Reason.INVALID_INPUT, "A password array holds one character in each element.")
    text = "".join(value) if value else ""
    if len(text) > _LONGEST_PASSWORD:
        raise Failure(Reason.INVALID_INPUT, f"A password has at most {_LONGEST_PASSWORD} characters.")
    return text or None


def whole(value: Number, name: str) -> int | None:
    """A whole number however it is printed. Failure: INVALID_INPUT."""
    if value is None:
        return None
    if value != value // 1 or not 0 <= value <= 2**53:
        raise Failure(Reason.INVALID_INPUT, f"{name} must be a whole number that is not negative.")
    return int(value)


def natural(text: str) -> int:
    """A number in a path: decimal digits, nothing else. Failure: INVALID_NUMBER."""
    if not _DIGITS.fullmatch(text):
        raise Failure(Reason.INVALID_NUMBER, "A number in a path has 1 to 12 decimal digits.")
    return int(text)


def octets(text: str, name: str, reason: Reason = Reason.INVALID_ENCODING) -> bytes:
    """Standard Base64 with padding, nothing else in it. Failure: `reason`."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        decoded = None
    if decoded is None or encoded(decoded) != text:  # the second: bits beyond the last octet
        raise Failure(reason, f"{name} must be standard Base64 with padding.")
    return decoded


def hexadecimal(text: str, name: str) -> bytes:
    """Pairs of hex digits, nothing else. Failure: INVALID_ENCODING."""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise Failure(Reason.INVALID_ENCODING, f"{name} must be pairs of hex digits.") from None


def optional_octets(text: str | None, name: str) -> bytes | None:
    """As octets(); null and the empty string are absent."""
    return octets(text, name) if text else None


def encoded(data: bytes) -> str:
    """Standard Base64 with padding."""
    return base64.b64encode(data).decode()


def armoured(text: str | None, name: str, reason: Reason) -> bytes | None:
    """Base64, as it is or as PEM, whose line breaks may be missing or escaped; null and empty are absent.

    Failure: `reason`.
    """
    return octets(_NOISE.sub("", text), name, reason) if text else None
