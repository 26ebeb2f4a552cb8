"""`${NAME:default}` and `${file:/path}` in values, replaced."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hsmgate.config import environment
from hsmgate.config.entries import Raw, invalid, shown
from hsmgate.config.files import read_bounded
from hsmgate.config.names import uniform
from hsmgate.config.paths import Places, locate, location
from hsmgate.errors import Failure
from hsmgate.record import Record

LENGTH = 64 * 1024  # of a replaced text, and of a file that is read for one
DEPTH = 20
_MARK = re.compile(r"\\\$\{|\$\{|\{|\}")


class Wanted(Record):
    """The value on which we work: where messages point, what may be said, and the keys that led here."""

    origin: str
    name: str
    secret: bool
    above: tuple[str, ...] = ()
    depth: int = 0


class _Placeholder(Record):
    name: str
    default: str | None


class Placeholders:
    """Replaces placeholders by other keys, then by environment variables; remembers keys it has replaced."""

    def __init__(self, given: Mapping[str, Raw], environ: Mapping[str, str], places: Places) -> None:
        self._given = given
        self._environ = environ
        self._places = places
        self._known: dict[str, str] = {}

    def replace(self, text: str, wanted: Wanted) -> str:
        r"""The text with its placeholders replaced; `\${` is a literal `${`. Failure: CONFIG_INVALID."""
        if "${" not in text:
            return text
        if wanted.depth > DEPTH:
            raise _wrong(wanted, f"has placeholders nested deeper than {DEPTH}")
        parts: list[str] = []
        length = 0
        for piece in _split(text, wanted):
            part = piece if isinstance(piece, str) else self._value(piece, _deeper(wanted))
            length += len(part)
            if length > LENGTH:
                raise _wrong(wanted, f"becomes longer than {LENGTH} characters")
            parts.append(part)
        return "".join(parts)

    def file_of(self, text: str, wanted: Wanted) -> Path | None:
        """The file from which a text comes that is one `${file:...}` and nothing else."""
        if not text.startswith("${file:"):
            return None
        pieces = [piece for piece in _split(text, wanted) if piece]
        if len(pieces) != 1 or not isinstance(pieces[0], _Placeholder):
            return None
        return self._file(self.replace(_path_of(pieces[0]), _deeper(wanted)), wanted)

    def _value(self, found: _Placeholder, wanted: Wanted) -> str:
        if found.name == "file":
            return self._read(self._file(self.replace(_path_of(found), wanted), wanted), wanted)
        name = self.replace(found.name, wanted).strip()
        value = self._key(uniform(name), wanted) if name else None
        if value is None:
            value = environment.variable(name, self._environ)
        if value is None and found.default is not None:
            return self.replace(found.default, wanted)
        if value is None:
            what = "a placeholder" if wanted.secret else f"${{{shown(name)}}}"
            raise _wrong(wanted, f"{what} has no value and no default; set it, or write \\${{ for a literal ${{")
        return value

    def _key(self, name: str, wanted: Wanted) -> str | None:
        if name in self._known:
            return self._known[name]
        raw = self._given.get(name)
        if raw is None or (raw.text is None and raw.items is None):
            return None
        if name in wanted.above:
            chain = " -> ".join((*wanted.above[wanted.above.index(name) :], name))
            raise _wrong(wanted, f"refers to itself: {shown(chain)}")
        inner = Wanted(raw.origin, raw.written, wanted.secret, (*wanted.above, name), wanted.depth)
        texts = raw.items if raw.text is None else (raw.text,)
        self._known[name] = ",".join(self.replace(text, inner) for text in texts or ())
        return self._known[name]

    def _file(self, text: str, wanted: Wanted) -> Path:
        try:
            path = location(text)
        except ValueError:
            raise _wrong(wanted, "${file:...} must hold a path") from None
        return locate(path, self._places, written=False)[0]

    def _read(self, path: Path, wanted: Wanted) -> str:
        try:
            content = read_bounded(path, LENGTH)
        except OSError as error:
            raise _wrong(wanted, f"the file of ${{file:...}} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise _wrong(wanted, f"the file of ${{file:...}} {error}") from None
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise _wrong(wanted, "the file of ${file:...} is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _deeper(wanted: Wanted) -> Wanted:
    return Wanted(wanted.origin, wanted.name, wanted.secret, wanted.above, wanted.depth + 1)


def _path_of(found: _Placeholder) -> str:
    return found.default or ""


def _split(text: str, wanted: Wanted) -> Iterator[str | _Placeholder]:
    position = 0
    for mark in _MARK.finditer(text):
        if mark.start() < position:  # within the placeholder just read
            continue
        if mark.group() == "\\${":
            yield text[position : mark.start()] + "${"
            position = mark.end()
        elif mark.group() == "${":
            yield text[position : mark.start()]
            end = _end(text, mark.end(), wanted)
            yield _parse(text[mark.end() : end])
            position = end + 1
    yield text[position:]


def _end(text: str, start: int, wanted: Wanted) -> int:
    """Where the brace closes that opened before `start`; braces within count."""
    depth = 1
    for mark in _MARK.finditer(text, start):
        depth += -1 if mark.group() == "}" else 1
        if depth == 0:
            return mark.start()
    raise _wrong(wanted, "has a ${ without its }; write \\${ for a literal ${")


def _parse(body: str) -> _Placeholder:
    depth = 0
    for position, char in enumerate(body):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == ":" and depth == 0:
            return _Placeholder(body[:position], body[position + 1 :])
    return _Placeholder(body, None)


def _wrong(wanted: Wanted, message: str) -> Failure:
    return invalid(wanted.origin, f"{wanted.name}: {message}")
