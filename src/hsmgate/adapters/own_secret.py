"""A secret of the service itself: made once, sealed in the keystore like a key, known to no client."""

import os
import threading
import uuid
from collections.abc import Callable
from typing import Protocol

from hsmgate.adapters import key_records
from hsmgate.adapters.key_records import REQUESTS
from hsmgate.adapters.sealing import Seal
from hsmgate.adapters.sql.keys import KeyRow, KeyRows
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore

_LABEL = "hsmgate/requests"  # no client can make a key of this name
_BYTES = 32


class OwnKeystore(Keystore, Protocol):
    """A keystore, and octets that only the service knows."""

    own_secret: "OwnSecret"


class OwnSecret:
    """Octets that stay the same for as long as the database lives."""

    def __init__(self, rows: KeyRows, seal: Seal, tenant: str, now: Callable[[], float]) -> None:
        self._rows, self._seal, self._tenant, self._now = rows, seal, tenant, now
        self._making = threading.Lock()
        self._octets: bytes | None = None

    def __call__(self) -> bytes:
        """Made when it is first asked for. Failure: INTEGRITY, CONNECTIVITY."""
        with self._making:
            if self._octets is None:
                row = self._rows.by_label(_LABEL) or self._made()
                if row.purpose != REQUESTS or not isinstance(row.sealed, bytes):
                    raise Failure(Reason.INTEGRITY, "the secret of the requests is damaged")
                self._octets = self._seal.open(row.uuid, row.sealed, key_records.bound(row))
            return self._octets

    def _made(self) -> KeyRow:
        key = Key(
            uuid=str(uuid.uuid4()),
            label=_LABEL,
            algorithm="AES",
            attributes=KeyAttributes(modifiable=False),
            created=int(self._now()),
            key_size=8 * _BYTES,
        )
        row = key_records.row_of(key, self._tenant, REQUESTS, None)
        sealed = self._seal.close(row.uuid, os.urandom(_BYTES), key_records.bound(row))
        self._rows.insert(row._replace(sealed=sealed))  # where another process was faster, its secret counts
        kept = self._rows.by_label(_LABEL)
        if kept is None:
            raise Failure(Reason.INTEGRITY, "the database does not keep what is written")
        return kept
