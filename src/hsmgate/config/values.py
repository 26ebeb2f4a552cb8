"""What was written for one setting to its value."""

import re
from pathlib import Path

from hsmgate.config import units
from hsmgate.config.entries import Raw, invalid, printable, shown
from hsmgate.config.keys import Setting
from hsmgate.config.kinds import SEALING_KEY, SECRET_URL
from hsmgate.config.names import uniform
from hsmgate.config.paths import Places, locate, location
from hsmgate.config.placeholders import Placeholders, Wanted
from hsmgate.record import Record

_SQLITE = re.compile(r"(sqlite(?:\+[a-z0-9_]+)?:///|jdbc:sqlite:)(?!:|file:)([^?]+)(\?.*)?", re.DOTALL)


class Value(Record):
    """The value of a setting and where it comes from. `file`: of a sealing key, the file that holds it."""

    value: object
    written: str
    origin: str
    file: Path | None = None


class Reader:
    """Reads settings with their placeholders and paths; collects warnings about moved paths."""

    def __init__(self, placeholders: Placeholders, places: Places) -> None:
        self.warnings: list[str] = []
        self._placeholders = placeholders
        self._places = places

    def read(self, setting: Setting, raw: Raw) -> Value | None:
        """The value, or None where nothing is given. Failure: CONFIG_INVALID."""
        kind = setting.kind
        wanted = Wanted(raw.origin, raw.written, kind.secret, (uniform(raw.written),))
        try:
            if kind.gather is not None:
                parts = [self._one(setting, text, raw) for text in self._texts(raw, wanted)]
                return Value(kind.gather(parts), raw.written, raw.origin) if parts else None
            if raw.items is not None:
                raise ValueError("takes one value, not a list or group")
            if raw.text is None:
                return None
            text = self._placeholders.replace(raw.text, wanted)
            if not kind.keeps_empty and not text.strip():
                return None
            if kind == SEALING_KEY:
                return self._sealing_key(text, raw, wanted)
            return Value(self._one(setting, text, raw), raw.written, raw.origin)
        except ValueError as error:
            raise invalid(raw.origin, f"{raw.written} {error}") from None

    def _texts(self, raw: Raw, wanted: Wanted) -> tuple[str, ...]:
        if raw.items is None:
            return units.words(self._placeholders.replace(raw.text or "", wanted))
        texts = tuple(self._placeholders.replace(item, wanted) for item in raw.items)
        if not all(text.strip() for text in texts):
            raise ValueError("has an empty item in its list")
        return texts

    def _one(self, setting: Setting, text: str, raw: Raw) -> object:
        value = setting.kind.read(text)
        if setting.kind.path:
            return self._located(str(value), raw, written=setting.kind.written)
        return self._with_absolute_file(text, raw) if setting.kind == SECRET_URL else value

    def _located(self, text: str, raw: Raw, written: bool) -> Path:
        path, moved = locate(text, self._places, written)
        if moved:
            self.warnings.append(
                f"{raw.origin}: {raw.written} leads to {printable(str(path))}, for {shown(text)} is absent"
            )
        return path

    def _sealing_key(self, text: str, raw: Raw, wanted: Wanted) -> Value:
        if text.startswith("file:"):
            return Value(None, raw.written, raw.origin, self._located(location(text), raw, written=False))
        return Value(text, raw.written, raw.origin, self._placeholders.file_of(raw.text or "", wanted))

    def _with_absolute_file(self, url: str, raw: Raw) -> str:
        """A SQLite URL whose file counts from the configuration folder; other URLs as they are."""
        found = _SQLITE.fullmatch(url)
        if found is None:
            return url
        start, path, query = found.groups()
        return f"{start}{self._located(path, raw, written=True)}{query or ''}"
