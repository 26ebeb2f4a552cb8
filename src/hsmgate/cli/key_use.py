"""What the `hsmgate key` commands do beside asking: read payloads, write octets, lay keys out as rows."""

import base64
import binascii
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, TypeVar

import msgspec

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

if TYPE_CHECKING:
    from hsmgate.client import Attributes, KeyJson, RequestState
    from hsmgate.client.request_shapes import RequestStatus

STDIN = Path("-")
Form = Literal["DER", "RAW", "ETH"]
_MOST = 1 << 20  # octets that are read; the service takes fewer, and says so
S = TypeVar("S", bound=msgspec.Struct)


class Label(Record):
    """A row of the list."""

    label: str


class Status(StrEnum):
    """Of a request."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class Submitted(Record):
    """A row of the list of requests."""

    id: str
    status: str
    execution_time: str


class Fact(Record):
    """A row about one key, or one request."""

    name: str
    value: str


def octets(file: Path) -> bytes:
    """The content of a file, or of standard input for `-`. Failure: STORE_UNREADABLE, INVALID_PAYLOAD."""
    if file == STDIN:
        return _bounded(sys.stdin.buffer, "standard input")
    try:
        with file.open("rb") as opened:
            return _bounded(opened, str(file))
    except OSError as error:
        why = (error.strerror or "failed").lower()
        raise Failure(Reason.STORE_UNREADABLE, f"cannot read {file}: {why}") from None


def encoded_octets(file: Path, *, raw: bool) -> bytes:
    """As octets(), of Base64 unless it is raw; white space in it is no matter. Failure: also INVALID_ENCODING."""
    content = octets(file)
    if raw:
        return content
    try:
        return binascii.a2b_base64(b"".join(content.split()), strict_mode=True)
    except binascii.Error:
        raise Failure(Reason.INVALID_ENCODING, f"{_named(file)} is not Base64; --raw takes octets") from None


def put(content: bytes, *, raw: bool) -> None:
    """Print octets: as they are, or as one line of Base64. Failure: INVALID_INPUT (octets to a terminal)."""
    if not raw:
        print(base64.b64encode(content).decode())
    elif sys.stdout.isatty():
        raise Failure(Reason.INVALID_INPUT, "raw octets are not written to a terminal: send them to a file")
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def document(file: Path, shape: type[S]) -> S:
    """JSON of this shape from a file. Failure: STORE_UNREADABLE, INVALID_JSON."""
    try:
        return msgspec.json.decode(octets(file), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failure(Reason.INVALID_JSON, f"{_named(file)} is not what is wanted: {error}") from None


def flags(words: Iterable[str]) -> "Attributes":
    """`sign`, `sensitive=false` ... as attributes of a new key. Failure: INVALID_ATTRIBUTES."""
    from hsmgate.client import Attributes

    given: dict[str, bool] = {}
    known = dict(zip(Attributes.__struct_fields__, Attributes.__struct_encode_fields__, strict=True))
    for word in words:
        name, _, value = word.partition("=")
        if name not in known.values() or value not in {"", "true", "false"}:
            listed = ", ".join(known.values())
            raise Failure(
                Reason.INVALID_ATTRIBUTES, f"{word[:64]!r} is none of {listed}, with =true or =false behind it"
            )
        given[name] = value != "false"
    return msgspec.convert(given, Attributes)


def curve_oid(named: str | None) -> str | None:
    """A curve by its name or OID; what is no name is left to the service to judge."""
    from hsmgate.domain.curve import CURVES, ED25519_OID

    if named is None:
        return None
    nist = {"p-256": "secp256r1", "p-384": "secp384r1", "p-521": "secp521r1"}
    oids = {row.name.lower(): row.oid for row in CURVES} | {"ed25519": ED25519_OID}
    return oids.get(nist.get(named.lower(), named.lower()), named)


def facts(key: "KeyJson") -> Sequence[Fact]:
    """A key as rows: what it is, then what it may do."""
    shown = msgspec.to_builtins(key)
    may = sorted(name for name, value in shown.pop("attributes").items() if value)
    policy = shown.pop("policy")
    rows = [Fact(name, str(value)) for name, value in shown.items() if value is not None]
    return [*rows, Fact("attributes", " ".join(may)), Fact("policy", "none" if policy is None else "see --json")]


def statuses(chosen: Iterable[Status]) -> "tuple[RequestStatus, ...]":
    """As the client takes them."""
    from hsmgate.client.request_shapes import RequestStatus

    return msgspec.convert([one.value for one in chosen], tuple[RequestStatus, ...])


def state_facts(state: "RequestState") -> Sequence[Fact]:
    """A request as rows: how it stands, and whose approvals it has or lacks, if any."""
    shown = msgspec.to_builtins(state)
    return [Fact(name, " ".join(value) if isinstance(value, list) else value) for name, value in shown.items() if value]


def moment(time: datetime) -> str:
    """A time as the service writes it."""
    return str(msgspec.to_builtins(time))


def key_types(incomplete: str) -> list[str]:
    """For completion: key types that are offered."""
    from hsmgate.domain.algorithm import KEY_ALGORITHMS

    return _starting(incomplete, (row.name for row in KEY_ALGORITHMS if not row.absent))


def curves(incomplete: str) -> list[str]:
    """For completion: curves that are offered."""
    from hsmgate.domain.curve import CURVES

    return _starting(incomplete, (row.name for row in CURVES if not row.absent))


def signature_algorithms(incomplete: str) -> list[str]:
    """For completion: signature algorithms that are offered."""
    from hsmgate.domain.signature_algorithm import SIGNATURE_ALGORITHMS

    return _starting(incomplete, (row.name for row in SIGNATURE_ALGORITHMS if not row.absent))


def ciphers(incomplete: str) -> list[str]:
    """For completion: ciphers."""
    from hsmgate.domain.cipher import CIPHERS

    return _starting(incomplete, (row.name for row in CIPHERS))


def attributes(incomplete: str) -> list[str]:
    """For completion: attributes of a new key."""
    from hsmgate.client.shapes import Attributes

    return _starting(incomplete, Attributes.__struct_encode_fields__)


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def _bounded(stream: IO[bytes], name: str) -> bytes:
    content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise Failure(Reason.INVALID_PAYLOAD, f"{name} is larger than {_MOST} bytes")
    return content


def _named(file: Path) -> str:
    return "standard input" if file == STDIN else str(file)
