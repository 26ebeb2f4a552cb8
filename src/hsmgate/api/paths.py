"""Request paths: split before decoding, matched against the templates of the table, never normalised."""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from hsmgate.api.routes import Route
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

_PARAMETER = re.compile(r"\{\w+\}")
_RAW_SEGMENT = re.compile(rb"(?:[!-$&-.0-~]|%[0-9A-Fa-f]{2})+")  # printable ASCII but `/`; `%` only with two digits
_DOTS = re.compile(rb"(?:\.|%2[Ee]){1,2}")


class Match(Record):
    """A row and the decoded values of its path parameters."""

    route: Route
    params: tuple[str, ...]


class Paths:
    """Finds rows by method and raw path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed: dict[bytes, dict[str, Route]] = {}
        self._templates: dict[int, list[tuple[tuple[bytes | None, ...], Route]]] = {}
        for route in routes:
            parts = tuple(None if _PARAMETER.fullmatch(s) else s.encode() for s in route.path.split("/")[1:])
            if None in parts:
                self._templates.setdefault(len(parts), []).append((parts, route))
            else:
                self._fixed.setdefault(route.path.encode(), {})[route.method] = route

    def find(self, method: str, raw_path: bytes) -> Match:
        """The row of a request. Failure: NO_SUCH_PATH, METHOD_NOT_ALLOWED, BAD_REQUEST (percent-encoding)."""
        fixed = self._fixed.get(raw_path, {}).get(method)
        if fixed is not None:
            return Match(fixed, ())
        for parts, route in self._matching(raw_path):
            if route.method == method:
                segments = raw_path.split(b"/")[1:]
                raw = [segment for part, segment in zip(parts, segments, strict=True) if part is None]
                return Match(route, tuple(_decode(segment) for segment in raw))
        if self.methods(raw_path):
            raise Failure(Reason.METHOD_NOT_ALLOWED, "This path does not have this method.")
        raise Failure(Reason.NO_SUCH_PATH, "There is no such path.")

    def methods(self, raw_path: bytes) -> list[str]:
        """The methods that a path has, sorted; none: there is no such path."""
        return sorted({*self._fixed.get(raw_path, {}), *(r.method for _, r in self._matching(raw_path))})

    def _matching(self, raw_path: bytes) -> list[tuple[tuple[bytes | None, ...], Route]]:
        root, *segments = raw_path.split(b"/")
        rows = self._templates.get(len(segments), []) if root == b"" else []
        return [(parts, route) for parts, route in rows if _fits(parts, segments)]


def _fits(parts: tuple[bytes | None, ...], segments: list[bytes]) -> bool:
    for part, segment in zip(parts, segments, strict=True):
        # a proxy in front may have meant another path by a dot segment: it names nothing
        fits = segment and not _DOTS.fullmatch(segment) if part is None else part == segment
        if not fits:
            return False
    return True


def _decode(segment: bytes) -> str:
    """One segment as text: strict percent-encoding and UTF-8, so `%2F` is part of a name and overlong forms fail."""
    if not _RAW_SEGMENT.fullmatch(segment):
        raise Failure(Reason.BAD_REQUEST, "The path is not percent-encoded correctly.")
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise Failure(Reason.BAD_REQUEST, "The path is not UTF-8.") from None
    if "\0" in text:
        raise Failure(Reason.BAD_REQUEST, "The path contains NUL.")
    return text
