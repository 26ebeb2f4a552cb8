"""What a decoded request is going to do: pure to make, so that a request that is wrong never touches a key."""

from collections.abc import Callable, Mapping
from typing import Any

from hsmgate.record import Record
from hsmgate.usecases.ports import Ports

Fact = str | int | bool | None
Facts = Mapping[str, Fact]


class Document(Record):
    """A body that is no JSON: its media type, its octets, and headers beside the usual ones, or instead of them."""

    media_type: str
    octets: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()  # names in lower case


class Named(Record):
    """One of the documents that were made at the start; there may be none of this name."""

    name: str


class Answer(Record):
    """A body that msgspec can encode, a Document, or the name of one; and a remark for log and audit line."""

    body: object
    remark: str = ""


class Plan(Record):
    """`facts` go into the audit lines (never key material); `run` blocks and may raise any Failure.

    `guesses`: the keys for which a password was given. `touches_key`: an intent is audited, whatever the row says.
    """

    facts: dict[str, Fact]
    run: Callable[[Ports], Answer]
    guesses: tuple[str, ...] = ()
    touches_key: bool = False


Planner = Callable[[tuple[str, ...], Any], Plan]  # (path parameters, decoded body) -> Plan, or Failure
