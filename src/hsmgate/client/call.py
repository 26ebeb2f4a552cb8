"""A request to be made, and what its content is written from."""

from typing import Generic, TypeVar

import msgspec

from hsmgate.client.endpoints import Endpoint
from hsmgate.record import Guarded

T = TypeVar("T")


class Call(Guarded, Generic[T]):
    """A request to be made. `content`: its JSON, or nothing; it may hold passwords."""

    hidden = frozenset({"content"})

    endpoint: Endpoint[T]
    path: str
    content: bytes = b""


def plain(endpoint: Endpoint[T]) -> Call[T]:
    """Without a body."""
    return Call(endpoint, endpoint.path)


def with_body(endpoint: Endpoint[T], body: msgspec.Struct) -> Call[T]:
    """With this body."""
    return Call(endpoint, endpoint.path, msgspec.json.encode(body))


def characters(password: str | None) -> list[str] | None:
    """Passwords travel as arrays of characters; an empty one is none."""
    return list(password) if password else None
