"""Texts to values: numbers, durations, sizes, fingerprints, host patterns.

Each function raises ValueError whose text continues "NAME ..." and never repeats the value, which may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}|0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,12})(B|KB|MB|GB|TB)?", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}|([0-9a-f]{2}:){31}[0-9a-f]{2}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
_TRUE = frozenset({"true", "on", "yes", "1"})
_FALSE = frozenset({"false", "off", "no", "0"})


def flag(text: str) -> bool:
    """True or false in the words that Spring takes."""
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers: decimal, 0x.. or 0o.. as in YAML 1.2."""

    def read(text: str) -> int:
        word = text.strip()
        if not _WHOLE.fullmatch(word):
            raise ValueError(f"must be a whole number from {least} to {most}")
        number = int(word, 0 if word[:2] in {"0x", "0o"} else 10)
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return read


def seconds(text: str) -> float:
    """A duration such as 500ms, 30s, 1m, 2h or 7d, in seconds. Only 0 needs no unit."""
    word = text.strip()
    if word == "0":
        return 0.0
    found = _DURATION.fullmatch(word)
    if not found:
        raise ValueError("must be a duration with its unit, such as 500ms, 30s, 1m, 2h or 7d")
    return int(found.group(1)) * _SECONDS[found.group(2).lower()]


def duration(least: str, most: str) -> Callable[[str], float]:
    """A reader of durations between two others."""

    def read(text: str) -> float:
        value = seconds(text)
        if not seconds(least) <= value <= seconds(most):
            raise ValueError(f"must be a duration from {least} to {most}")
        return value

    return read


def freshness(text: str) -> float | None:
    """`every-request` as None, or seconds; 0 means every request too."""
    if text.strip().lower().replace("_", "-") == "every-request":
        return None
    try:
        value = seconds(text)
    except ValueError:
        raise ValueError("must be every-request or a duration with its unit, such as 30s") from None
    if value > seconds("7d"):
        raise ValueError("must be every-request or a duration of at most 7d")
    return value or None


def size(least: str, most: str) -> Callable[[str], int]:
    """A reader of sizes such as 32KB, counted by 1024 as in Spring; without a unit: bytes."""

    def read(text: str) -> int:
        value = _bytes(text)
        if not _bytes(least) <= value <= _bytes(most):
            raise ValueError(f"must be a size from {least} to {most}")
        return value

    return read


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError("must be a size such as 32KB or 2MB")
    return int(found.group(1)) * _BYTES[(found.group(2) or "b").lower()]


def one_of(*words: str) -> Callable[[str], str]:
    """A reader of one word of a list, in any case; returns it as the list spells it."""
    known = {word.lower(): word for word in words}

    def read(text: str) -> str:
        found = known.get(text.strip().lower())
        if found is None:
            raise ValueError(f"must be one of {', '.join(words)}")
        return found

    return read


def fingerprint(text: str) -> str:
    """A SHA-256 in hex, with or without colons, any case, to lower case without colons."""
    word = text.strip().lower()
    if not _DIGEST.fullmatch(word):
        raise ValueError("must be SHA-256 fingerprints: 64 hex digits each, with or without colons")
    return word.replace(":", "")


def host(text: str) -> str:
    """A host name or an IP address, lower case."""
    word = text.strip().lower().removesuffix(".")
    if not (_is_address(word) or _is_name(word)):
        raise ValueError("must be a host name or an IP address, without port or scheme")
    return word


def host_pattern(text: str) -> str:
    """A host name, an IP address, or `*.domain` for the names one label below it."""
    word = text.strip().lower().removesuffix(".")
    if not (_is_address(word) or _is_name(word.removeprefix("*."))):
        raise ValueError("must be host names, IP addresses or patterns like *.example.com, without port or scheme")
    return word


def listen(text: str) -> str:
    """`host:port`, an IPv6 address in brackets."""
    name, _, port = text.strip().rpartition(":")
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        whole(0, 65535)(port)
        host(bare)
    except ValueError:
        raise ValueError("must be host:port, such as 127.0.0.1:8888") from None
    if ":" in bare and bare == name:
        raise ValueError("must be host:port; an IPv6 address stands in brackets")
    return text.strip()


def http_url(text: str) -> str:
    """An absolute http or https URL without user, password or fragment."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        host(parts.hostname or "")
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.fragment or not text.strip().isascii() or " " in text.strip():
        raise ValueError("must be an http or https URL without user, password and fragment")
    return text.strip()


def words(text: str) -> tuple[str, ...]:
    """A comma separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return "%" not in word


def _is_name(word: str) -> bool:
    labels = word.split(".")
    # what ends in digits is a broken IPv4 address, not a name
    return len(word) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
