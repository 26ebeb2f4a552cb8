"""The types of the ASGI interface (version 3), as far as they are used here."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


def values(headers: Headers, name: bytes) -> list[bytes]:
    """All values of one header; ASGI gives names in lower case."""
    return [value for key, value in headers if key == name]
