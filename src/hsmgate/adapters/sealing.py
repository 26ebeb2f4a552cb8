"""Seals key records: authenticated encryption under one key per record, bound to everything the record says."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsmgate.errors import Failure, Reason

KEY_BYTES = 32
DATABASE_ID_BYTES = 16
_NONCE_BYTES = 12
_FORMAT = b"\x01"
_RECORD = b"hsmgate record 1\0"
_PASSWORD = b"hsmgate password 1\0"
_CHECK = b"hsmgate check 1"
_SALTED = b"hsmgate inner 2\0"


class Seal:
    """Seals and opens the records of one database. The id of the database is part of every key."""

    def __init__(self, sealing_key: bytes, database_id: bytes) -> None:
        self._sealing_key = sealing_key
        self._database_id = database_id

    @property
    def check_value(self) -> bytes:
        """Tells one sealing key from another and gives nothing of it away."""
        return self._derive(_CHECK)

    def fits(self, check_value: bytes) -> bool:
        """Whether this is the sealing key that the check value was made with."""
        return hmac.compare_digest(self.check_value, check_value)

    def close(self, uuid: str, secret: bytes, bound: bytes) -> bytes:
        """Seal the secret of a record; `bound` is what the seal vouches for."""
        return _FORMAT + _encrypt(self._record_key(uuid), secret, bound)

    def open(self, uuid: str, sealed: bytes, bound: bytes) -> bytes:
        """The secret. Failure: INTEGRITY (record, binding or seal were changed, or belong elsewhere)."""
        if not sealed.startswith(_FORMAT):
            raise Failure(Reason.INTEGRITY, "the seal of a key is of no known form")
        secret = _decrypt(self._record_key(uuid), sealed[len(_FORMAT) :], bound)
        if secret is None:
            raise Failure(Reason.INTEGRITY, "the seal of a key does not hold: its record was changed")
        return secret

    def close_with_password(self, uuid: str, secret: bytes, stretched: bytes) -> bytes:
        """Encrypt the secret under the stretched password; the result goes into `close`.

        It opens below any sealing key: so that key can be changed without the password.
        """
        pepper = os.urandom(KEY_BYTES)
        return _SALTED + pepper + _encrypt(self._password_key(pepper, uuid, stretched), secret, b"")

    def open_with_password(self, uuid: str, inner: bytes, stretched: bytes) -> bytes | None:
        """The secret, or None when the password is another one."""
        pepper, encrypted = self._parts(inner)
        return _decrypt(self._password_key(pepper, uuid, stretched), encrypted, b"")

    def movable(self, inner: bytes) -> bytes:
        """What `close_with_password` made, also an early version of it, in the form that needs no sealing key."""
        return _SALTED + b"".join(self._parts(inner))

    def _parts(self, inner: bytes) -> tuple[bytes, bytes]:
        """Pepper and ciphertext. Early versions took the sealing key for pepper, and began with a random nonce."""
        if not inner.startswith(_SALTED):
            return self._sealing_key, inner
        rest = inner.removeprefix(_SALTED)
        return rest[:KEY_BYTES], rest[KEY_BYTES:]

    def _record_key(self, uuid: str) -> bytes:
        return self._derive(_RECORD + uuid.encode())

    def _password_key(self, pepper: bytes, uuid: str, stretched: bytes) -> bytes:
        # pepper and stretched password have fixed lengths: no other pair gives the same octets
        return self._derive(_PASSWORD + uuid.encode(), pepper + stretched)

    def _derive(self, purpose: bytes, secret: bytes | None = None) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, self._database_id, purpose).derive(secret or self._sealing_key)


def _encrypt(key: bytes, secret: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes | None:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: too short to be one
        return None
