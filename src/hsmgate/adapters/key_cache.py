"""Remembers keys whose seal was checked, each with the exact row that it was checked in."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from hsmgate.adapters.sql.keys import KeyRow
from hsmgate.domain.key import Key
from hsmgate.domain.material import PrivateKey

SIZE = 1024  # keys
POLICIES = (
    8 * 2**20
)  # characters of their policies as stored: a client writes 200,000 in a request, and objects are larger


@dataclass(frozen=True)
class Known:
    """A row whose seal held, the key it says, and the private or secret key once it was used."""

    row: KeyRow  # without the use count
    key: Key
    private: PrivateKey | bytes | None = None
    mark: bytes = b""  # of the password that `private` was opened with

    def is_of(self, row: KeyRow) -> bool:
        """Whether nothing that the seal vouches for, nor the seal, has changed since."""
        return row[:-1] == self.row[:-1]


class KeyCache:
    """The keys used last, by uuid. An entry never stands for its row: the row is read first, then compared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._policies = 0

    def get(self, row: KeyRow) -> Known | None:
        """What is known of this very row."""
        with self._lock:
            known = self._known.get(row.uuid)
            if known is None or not known.is_of(row):
                return None
            self._known.move_to_end(row.uuid)
            return known

    def put(self, known: Known) -> None:
        with self._lock:
            self._remove(known.row.uuid)
            self._known[known.row.uuid] = known
            self._policies += _policy(known)
            while len(self._known) > SIZE or self._policies > POLICIES:
                self._remove(next(iter(self._known)))

    def drop(self, uuid: str) -> None:
        with self._lock:
            self._remove(uuid)

    def _remove(self, uuid: str) -> None:
        known = self._known.pop(uuid, None)
        if known is not None:
            self._policies -= _policy(known)


def _policy(known: Known) -> int:
    return len(known.row.policy or "")
