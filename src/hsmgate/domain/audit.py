"""The hash-chained audit line: how it is written, read, and judged in its chain. Bytes in, values out."""

import hashlib
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from hsmgate.domain.printable import ascii_json, encodable
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

FORMAT = 1  # stands in the first line of every file
ZERO = "0" * 64  # `prev` of a trail's first line
BEGAN = "audit.began"
CONTINUED = "audit.continued"
RECOVERED = "audit.recovered"
MAX_LINE = 64 * 1024  # bytes, newline included; `write` keeps within it, readers refuse beyond it
MAX_FIELD = 512  # characters of action, request id, peer and result
MAX_VALUE = 1024  # characters of one value of `detail`

_SEAL = b',"hash":"%s"}\n'  # what follows the hashed bytes
_SEAL_LENGTH = len(_SEAL) - 2 + 64
_SAFE_INTEGER = 2**53  # beyond it other languages' JSON readers round

Scalar = str | int | bool | None
Phase = Literal["intent", "outcome", "event"]
_PHASES: frozenset[str] = frozenset(get_args(Phase))


class Line(Record, rename="camel"):
    """One line as it stands in the file; the field order is the order on disk."""

    seq: int
    time: str  # ISO 8601, UTC, microseconds
    phase: Phase
    action: str
    request_id: str
    peer: str
    result: str
    detail: dict[str, Scalar]
    prev: str  # `hash` of the line before
    hash: str = ""


def write(line: Line) -> tuple[bytes, str]:
    """Encode the line, newline included, and return it with its hash; `line.hash` is not looked at.

    Texts are bounded and made encodable; a detail that is still too long is replaced by its size and SHA-256.
    """
    if line.phase not in _PHASES:
        raise ValueError(line.phase)  # a bug, and `read` would refuse the line for ever
    line = msgspec.structs.replace(
        line,
        action=_text(line.action, MAX_FIELD),
        request_id=_text(line.request_id, MAX_FIELD),
        peer=_text(line.peer, MAX_FIELD),
        result=_text(line.result, MAX_FIELD),
        detail={_text(name, MAX_FIELD): _scalar(value) for name, value in line.detail.items()},
        hash="",
    )
    body = _body(line)
    if len(body) + _SEAL_LENGTH > MAX_LINE:
        whole = ascii_json(msgspec.json.encode(line.detail))
        digest: dict[str, Scalar] = {"cutBytes": len(whole), "cutSha256": hashlib.sha256(whole).hexdigest()}
        body = _body(msgspec.structs.replace(line, detail=digest))
    seal = hashlib.sha256(body).hexdigest()
    return body + _SEAL % seal.encode(), seal


def read(raw: bytes) -> Line:
    """Return the line in these bytes, newline included. Failure(INTEGRITY): not a line, or its hash does not hold."""
    if not raw.endswith(b"\n"):
        raise Failure(Reason.INTEGRITY, "the line is not finished: a process died in it, or the file was cut")
    if len(raw) > MAX_LINE:
        raise Failure(Reason.INTEGRITY, f"the line is longer than {MAX_LINE} bytes")
    body, seal = raw[:-_SEAL_LENGTH], raw[-_SEAL_LENGTH:]
    if not seal.startswith(b',"hash":"') or not seal.endswith(b'"}\n'):
        raise Failure(Reason.INTEGRITY, "not a line of an audit trail")
    if seal != _SEAL % hashlib.sha256(body).hexdigest().encode():
        raise Failure(Reason.INTEGRITY, "the hash does not hold: the line was changed")
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Failure(Reason.INTEGRITY, f"not a line of an audit trail: {error}") from None


class Chain:
    """Judges the lines of one trail in their order and counts what a report needs."""

    def __init__(self, wanted: str = "") -> None:
        """`wanted`: a hash noted earlier, whose line is looked for."""
        self.first = 0  # seq of the first line
        self.seq = 0  # seq of the last line
        self.head = ZERO  # hash of the last line
        self.trail = ""  # the id of the trail
        self.wanted_seq = 0  # seq of the line that has the wanted hash; 0: not met
        self._wanted = wanted
        self._open: dict[str, int] = {}  # request id -> intents that wait for their outcome

    @property
    def lines(self) -> int:
        return self.seq - self.first + 1 if self.first else 0

    @property
    def unanswered(self) -> int:
        """How many intents have no outcome."""
        return sum(self._open.values())

    def add(self, raw: bytes) -> None:
        """Take the next line. Failure(INTEGRITY) with what is wrong; the chain then stands at the line before."""
        line = read(raw)
        if not self.first:
            self._begin(line)
        elif line.seq != self.seq + 1:
            raise Failure(
                Reason.INTEGRITY,
                f"seq is {line.seq} where {self.seq + 1} must follow: lines were removed, repeated or moved",
            )
        elif line.prev != self.head:
            raise Failure(Reason.INTEGRITY, "prev is not the hash of the line before: lines were exchanged")
        self._match(line)
        self.seq, self.head = line.seq, line.hash
        if line.hash == self._wanted:
            self.wanted_seq = line.seq

    def _begin(self, line: Line) -> None:
        self.trail = trail_of(line)
        if (line.action == BEGAN) != (line.seq == 1 and line.prev == ZERO):
            raise Failure(Reason.INTEGRITY, "the first line of a trail must have seq 1 and a prev of zeros")
        self.first = line.seq

    def _match(self, line: Line) -> None:
        waiting = self._open.get(line.request_id, 0)
        if line.phase == "intent":
            self._open[line.request_id] = waiting + 1
        elif line.phase == "outcome" and waiting > 1:
            self._open[line.request_id] = waiting - 1
        elif line.phase == "outcome" and waiting == 1:
            del self._open[line.request_id]
        elif line.phase == "outcome" and self.first == 1:  # else the intent may stand in a file that is not here
            raise Failure(Reason.INTEGRITY, f"an outcome without an intent (requestId {line.request_id!r})")


def trail_of(line: Line) -> str:
    """Return the trail's id from the first line of a file. Failure(INTEGRITY): it is no first line."""
    trail = line.detail.get("trail")
    if line.action not in {BEGAN, CONTINUED} or not isinstance(trail, str) or not trail:
        raise Failure(Reason.INTEGRITY, f"a file begins with {BEGAN} or {CONTINUED}: lines before this one are missing")
    if line.detail.get("format") != FORMAT:
        raise Failure(Reason.INTEGRITY, f"the format of the trail is not {FORMAT}: use the program that wrote it")
    return trail


def first_detail(trail: str, version: str) -> Mapping[str, Scalar]:
    """The detail of a file's first line."""
    return {"trail": trail, "format": FORMAT, "version": version}


def _body(line: Line) -> bytes:
    return ascii_json(msgspec.json.encode(line)).removesuffix(b',"hash":""}')


def _text(value: str, limit: int) -> str:
    if len(value) > limit:
        value = f"{value[:limit]}...(+{len(value) - limit})"
    return encodable(value)


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= _SAFE_INTEGER:
        return value
    return _text(_digits(value) if isinstance(value, int) else str(value), MAX_VALUE)


def _digits(value: int) -> str:
    # Python refuses to print integers of thousands of digits in decimal
    return hex(value) if value.bit_length() > 4096 else str(value)


_DECODER = msgspec.json.Decoder(Line)
