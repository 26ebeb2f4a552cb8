"""The kinds of settings: how the text of each is read, and what the documentation calls it."""

from collections.abc import Callable, Iterable

from hsmgate.config import units
from hsmgate.config.paths import location
from hsmgate.record import Record


class Kind(Record):
    """`read` turns one text into a value, or raises ValueError whose text continues "NAME ..."."""

    word: str
    read: Callable[[str], object] = str
    gather: Callable[[Iterable[object]], object] | None = None  # set: a list, given as one text with commas or as items
    secret: bool = False  # nothing about its text may be shown
    keeps_empty: bool = False  # an empty text is a value (a password may be empty), not an absence
    path: bool = False  # `read` gives a path that is still to be located
    written: bool = False  # a path that the service makes


def _joined(parts: Iterable[object]) -> str:
    return ",".join(str(part) for part in parts)


_JWT_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "ES256K", "EdDSA"),
)

TEXT = Kind("text")
SECRET = Kind("secret", secret=True, keeps_empty=True)
SECRET_URL = Kind("URL", secret=True)
SECRETS = Kind("list of secrets", gather=tuple, secret=True)
SEALING_KEY = Kind("secret", secret=True)
PATH = Kind("path", location, path=True)
PATHS = Kind("list of paths", location, gather=tuple, path=True)
OUTPUT = Kind("path", location, path=True, written=True)
FLAG = Kind("bool", units.flag)
TEXTS = Kind("list of texts", gather=tuple)
JWT_ALGORITHMS = Kind("list of JWT algorithms", units.one_of(*_JWT_ALGORITHMS), gather=tuple)
HOST = Kind("host", units.host)
HOSTS = Kind("list of host patterns", units.host_pattern, gather=tuple)
FINGERPRINTS = Kind("list of SHA-256", units.fingerprint, gather=frozenset)
CIPHERS = Kind("list", gather=_joined)
PROTOCOLS = Kind("list of TLSv1.2, TLSv1.3", units.one_of("TLSv1.2", "TLSv1.3"), gather=tuple)
FRESHNESS = Kind("every-request or duration", units.freshness)
LISTEN = Kind("host:port", units.listen)
HTTP_URL = Kind("URL", units.http_url)


def count(least: int, most: int) -> Kind:
    """A whole number within bounds."""
    return Kind(f"int, {least} to {most}", units.whole(least, most))


def duration(least: str, most: str) -> Kind:
    """A duration within bounds."""
    return Kind(f"duration, {least} to {most}", units.duration(least, most))


def size(least: str, most: str) -> Kind:
    """A size within bounds."""
    return Kind(f"size, {least} to {most}", units.size(least, most))


def one_of(*words: str) -> Kind:
    """One of some words, in any case."""
    return Kind(f"one of {', '.join(words)}", units.one_of(*words))
