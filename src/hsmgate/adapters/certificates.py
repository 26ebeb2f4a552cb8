"""The store of certificates: rows of the database that no writer of it forges or moves to another key."""

import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsmgate.adapters.sql.certificates import CertificateRows
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason

_PURPOSE = b"hsmgate certificate 1\0"
_KEY_BYTES = 32


class SealedCertificates:
    """The Certificates port. `secret` gives 32 octets that are the keystore's, the same at every start."""

    def __init__(self, rows: CertificateRows, secret: Callable[[], bytes]) -> None:
        self._rows = rows
        self._secret = secret

    def put(self, key: Key, der: bytes) -> None:
        if not self._rows.put(key.uuid, der, self._seal(key, der)):
            raise Failure(Reason.KEY_NOT_FOUND, f"A key with the name '{key.label}' does not exist.")

    def find(self, key: Key) -> bytes | None:
        row = self._rows.of(key.uuid)
        if row is None:
            return None
        sound = isinstance(row.certificate, bytes) and isinstance(row.seal, bytes)
        if not sound or not hmac.compare_digest(row.seal, self._seal(key, row.certificate)):
            raise Failure(Reason.INTEGRITY, "the seal of a certificate does not hold: its row was changed")
        return row.certificate

    def remove(self, key: Key) -> bool:
        return self._rows.delete(key.uuid)

    def count(self) -> int:
        return self._rows.count()

    def _seal(self, key: Key, der: bytes) -> bytes:
        """Over the certificate and, by a key of its own, over whose it is."""
        own = HKDF(SHA256(), _KEY_BYTES, None, _PURPOSE + key.uuid.encode()).derive(self._secret())
        return hmac.digest(own, der, "sha256")
