"""The log: one line per event on stderr, readable or JSON, without secrets, and no flood."""

import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from hsmgate.adapters.log_flood import FLOODS, Throttle
from hsmgate.domain.printable import ascii_json, encodable, one_line

Level = Literal["debug", "info", "warning", "error", "critical"]

MAX_VALUE = 2_000  # characters of one value
MAX_TRACE = 20_000

_SECRET = re.compile(
    "passw|passphrase|secret|credential|authori[sz]ation|cookie|private_?key|api_?key|sealing_?key|^pin$"
)
_USER_INFO = re.compile(r"(\w://)[^/\s@]*:[^/\s@]*@")  # user:password in a URL
_BARE = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, = and backslash


def make_log(
    stream: TextIO,
    *,
    now: Callable[[], float],
    monotonic: Callable[[], float],
    json: bool = False,
    level: Level = "info",
    per_second: int = 20,
    floods: frozenset[str] = FLOODS,
) -> FilteringBoundLogger:
    """Make the log. `now` in Unix seconds; of each event name in `floods` at most `per_second` lines pass.

    Fields are plain values; those with a secret's name are masked, bytes are only counted.
    """
    render = _render_json if json else _render_console
    writer = Writer(stream)

    def summarise(kind: str, suppressed: int) -> None:
        fields = _clean({"event": kind, "level": "warning", "suppressed": suppressed})
        writer.msg(render(now(), fields))

    throttle = Throttle(per_second, monotonic, summarise, floods)

    def finish(_: object, method: str, fields: MutableMapping[str, Any]) -> str:
        throttle.check(str(fields.get("event")))
        fields["level"] = "error" if method == "exception" else method
        return render(now(), _clean(fields))

    log = structlog.wrap_logger(
        writer,
        processors=[_trace, finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("FilteringBoundLogger", log)


class Writer:
    """Writes whole lines; a log that cannot be written never stops the service."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a full disk, a closed pipe
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


def _trace(_: object, __: str, fields: EventDict) -> EventDict:
    """Turn exc_info into one field, so that an event stays one line."""
    info = fields.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    if error is not None:
        # the end of a trace says most
        fields["trace"] = "".join(traceback.format_exception(error))[-MAX_TRACE:]
    return fields


def _clean(fields: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    return {name: "***" if _SECRET.search(name.lower()) else _plain(name, value) for name, value in fields.items()}


def _plain(name: str, value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    text = _USER_INFO.sub(r"\1***@", value if isinstance(value, str) else str(value))
    limit = MAX_TRACE if name == "trace" else MAX_VALUE
    return text if len(text) <= limit else f"{text[:limit]}...(+{len(text) - limit})"


def _render_console(at: float, fields: dict[str, str | int | float | bool | None]) -> str:
    event, level = fields.pop("event", ""), fields.pop("level")
    pairs = [f"{_value(name)}={_value(value)}" for name, value in fields.items()]
    return " ".join([_stamp(at), f"{level:<8}", one_line(str(event)), *pairs])


def _render_json(at: float, fields: dict[str, str | int | float | bool | None]) -> str:
    line = {"time": _stamp(at), "level": fields.pop("level"), "event": fields.pop("event", ""), **fields}
    texts = {name: encodable(value) if isinstance(value, str) else value for name, value in line.items()}
    return ascii_json(msgspec.json.encode(texts)).decode()


def _value(value: object) -> str:
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    return '"' + one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
