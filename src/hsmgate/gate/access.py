"""May the caller call this: the JWT and the API key of a request. Layers that are on must all pass."""

from collections.abc import Sequence
from typing import Protocol

from hsmgate.gate.api_keys import ApiKeys
from hsmgate.gate.roles import Demand

_AUTHORIZATION, _API_KEY = b"authorization", b"x-api-key"


class Tokens(Protocol):
    """Judges JWTs."""

    def judge(self, shown: Sequence[bytes]) -> dict[str, str]:
        """Whom the token speaks for, in fields of the audit line. Failure: MISSING_TOKEN, INVALID_TOKEN."""
        ...


class Access:
    """Called after the peer itself was judged. None: that layer is off."""

    def __init__(self, keys: ApiKeys | None = None, tokens: Tokens | None = None) -> None:
        self._keys = keys
        self._tokens = tokens

    @property
    def on(self) -> bool:
        """Whether any layer is."""
        return self._keys is not None or self._tokens is not None

    @property
    def layers(self) -> tuple[str, ...]:
        """Those that are on: apiKey, bearer."""
        return (*(["apiKey"] if self._keys is not None else []), *(["bearer"] if self._tokens is not None else []))

    def judge(self, headers: Sequence[tuple[bytes, bytes]], demand: Demand, peer: str) -> dict[str, str]:
        """What was proven, in fields of the audit line; none: nothing was asked for. `peer`: whose guesses count.

        Failure: MISSING_TOKEN, INVALID_TOKEN, MISSING_API_KEY, INVALID_API_KEY.
        """
        proven: dict[str, str] = {}
        if self._tokens is not None and demand.token:
            proven |= self._tokens.judge(_values(headers, _AUTHORIZATION))
        if self._keys is not None and demand.roles:
            proven["apiKey"] = self._keys.judge(_values(headers, _API_KEY), demand.roles, peer)
        return proven


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]
