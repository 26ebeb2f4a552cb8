"""The API keys of the five roles: which of them a request shows, and whether it opens what is asked for."""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping, Sequence

from hsmgate.errors import Failure, Reason
from hsmgate.gate.attempts import Attempts
from hsmgate.gate.roles import Role
from hsmgate.record import Record


class Known(Record):
    """A configured key. `mark`: its keyed hash; `name`: what the audit trail calls it."""

    mark: bytes
    role: Role
    name: str


class ApiKeys:
    """Holds hashes under a key of this process, and no API key. `monotonic` in seconds, for the back-off."""

    def __init__(self, keys: Mapping[Role, Sequence[str]], monotonic: Callable[[], float]) -> None:
        self._secret = os.urandom(32)
        self._attempts = Attempts(monotonic)
        self._known = tuple(
            Known(self._mark(key.encode()), role, f"{role.value}[{index}]")
            for role, given in keys.items()
            for index, key in enumerate(given)
        )

    def judge(self, shown: Sequence[bytes], roles: frozenset[Role], peer: str) -> str:
        """The name of the key that opens. `shown`: the values of X-API-KEY.

        Failure: MISSING_API_KEY, INVALID_API_KEY (unknown, of another role, or from a peer that is guessing).
        """
        if not any(value.strip(b" \t") for value in shown):
            raise Failure(Reason.MISSING_API_KEY, "The header X-API-KEY is missing.")
        if len(shown) > 1:
            raise Failure(Reason.INVALID_API_KEY, "There is more than one header X-API-KEY.")
        mark = self._mark(shown[0].strip(b" \t"))
        if self._attempts.held_back(peer, mark):
            raise Failure(Reason.INVALID_API_KEY, "Too many different API keys were wrong: wait, then try again.")
        # all are compared, whichever it is: time tells nothing
        found = [known for known in self._known if hmac.compare_digest(known.mark, mark)]
        if not found:
            self._attempts.wrong(peer, mark)
            raise Failure(Reason.INVALID_API_KEY, "The API key is not known.")
        self._attempts.right(peer, mark)
        for known in found:
            if known.role in roles:
                return known.name
        raise Failure(Reason.INVALID_API_KEY, "The API key belongs to another role than this endpoint.")

    def _mark(self, key: bytes) -> bytes:
        return hmac.digest(self._secret, key, hashlib.sha256)
