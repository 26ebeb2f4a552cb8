"""The records of keys that live elsewhere: sealed rows, their passwords and use counts."""

import hashlib
import hmac
import os

import msgspec

from hsmgate.adapters import key_records
from hsmgate.adapters.key_cache import KeyCache, Known
from hsmgate.adapters.key_records import CLIENT
from hsmgate.adapters.sealing import KEY_BYTES, Seal
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import KeyRow, KeyRows
from hsmgate.adapters.stretching import Argon2Cost, PasswordStretcher, argon2_cost, new_salt, octets
from hsmgate.adapters.use_counts import UseCounts
from hsmgate.domain.key import Key
from hsmgate.domain.policy import Policy
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Statistics


class KeyBook:
    """What a sealed row holds in place of a private key is a value that only the key's password opens.

    Every method may fail with CONNECTIVITY (the database) or INTEGRITY (a row or its seal was changed).
    """

    def __init__(self, database: Database, tenant: str, seal: Seal) -> None:
        self._rows = KeyRows(database, tenant)
        self._tenant = tenant
        self._seal = seal
        self._cache = KeyCache()
        self._passwords = PasswordStretcher()
        self._mark_key = os.urandom(KEY_BYTES)  # marks of passwords in memory mean nothing outside this process
        self._uses = UseCounts(self._rows.add_uses)

    def find(self, label: str) -> Known | None:
        """The record of a label, whatever its purpose."""
        row = self._rows.by_label(label)
        return None if row is None else self._known(row)

    def find_client_key(self, label: str) -> Key | None:
        """The key of a client with its use count, or None where there is no record of this label.

        Failure: KEY_NOT_FOUND (the label is that of a key of the service itself).
        """
        return self._uses.completed(lambda: self._stored(label))

    def current(self, key: Key) -> Known:
        """The record as it is now, which must be what the caller's decisions were made on.

        Failure: KEY_NOT_FOUND, KEYSTORE (changed meanwhile).
        """
        row = self._rows.by_uuid(key.uuid)
        if row is None:
            raise not_found(key.label)
        known = self._known(row)
        if row.purpose != CLIENT or row.label != key.label:
            raise not_found(key.label)
        if known.key != msgspec.structs.replace(key, use_count=0):
            raise _changed(key.label)
        return known

    def labels(self) -> list[str]:
        """Labels of all keys of clients, sorted."""
        return self._rows.labels(CLIENT)

    def statistics(self) -> Statistics:
        """What clients have. Keys in a token take no room in the database."""
        held = self._rows.held(CLIENT)
        return Statistics(
            private_keys=sum(row.keys for row in held if row.asymmetric),
            secret_keys=sum(row.keys for row in held if not row.asymmetric),
            used_bytes=sum(row.octets for row in held),
        )

    def uuids(self) -> list[str]:
        """Of all records, whatever their purpose."""
        return self._rows.uuids()

    def add(self, key: Key, purpose: str, password: str | None) -> bool:
        """Seal and store; False when the label is taken."""
        return self._rows.insert(self._sealed(key, purpose, *self._locked(key, password)))

    def replace(self, known: Known, key: Key) -> Key:
        """Another key of the same label, without password, in the place of one. Failure: KEYSTORE (it was changed)."""
        return self._put(known, self._sealed(key, known.row.purpose, b"", None))

    def change_policy(self, known: Known, policy: Policy) -> Key:
        """Failure: KEYSTORE (it was changed meanwhile)."""
        key = msgspec.structs.replace(known.key, policy=policy)
        inner, row = self._unseal(known.row), known.row
        return self._put(known, self._sealed(key, row.purpose, inner, row.password_kdf))

    def change_password(self, known: Known, new: str | None) -> None:
        """The old one was asked by unlock(). Failure: KEYSTORE (it was changed meanwhile)."""
        key = msgspec.structs.replace(known.key, has_password=new is not None)
        self._put(known, self._sealed(key, known.row.purpose, *self._locked(key, new)))

    def unlock(self, known: Known, password: str | None) -> None:
        """Check the password. Failure: KEY_PASSWORD_MISMATCH."""
        if (password is None) != (known.row.password_kdf is None):
            raise _mismatch()
        mark = self._mark(known, password)
        if hmac.compare_digest(known.mark, mark):
            return
        inner = self._unseal(known.row)
        stretched = self._passwords.stretch(password or "", argon2_cost(known.row.password_kdf))
        if self._seal.open_with_password(known.row.uuid, inner, stretched) is None:
            raise _mismatch()
        self._cache.put(Known(known.row, known.key, mark=mark))

    def remove(self, key: Key) -> None:
        """Failure: KEY_NOT_FOUND."""
        if not self._rows.delete(key.uuid):
            raise not_found(key.label)
        self._cache.drop(key.uuid)
        self._uses.forget(key.uuid)

    def count_use(self, key: Key) -> None:
        self._uses.add(key.uuid)

    def close(self) -> None:
        """Write the use counts."""
        self._uses.close()

    def _stored(self, label: str) -> Key | None:
        row = self._rows.by_label(label)
        if row is None:
            return None
        key = self._known(row).key
        if row.purpose != CLIENT:
            raise not_found(label)
        return msgspec.structs.replace(key, use_count=key_records.uses_of(row))

    def _locked(self, key: Key, password: str | None) -> tuple[bytes, str | None]:
        """What the seal closes over, and the cost of the password as it is stored."""
        if password is None:
            return b"", None
        cost = Argon2Cost(salt=new_salt())
        stretched = self._passwords.stretch(password, cost)
        secret = self._seal.close_with_password(key.uuid, os.urandom(KEY_BYTES), stretched)
        return secret, msgspec.json.encode(cost).decode()

    def _sealed(self, key: Key, purpose: str, secret: bytes, kdf: str | None) -> KeyRow:
        row = key_records.row_of(key, self._tenant, purpose, kdf)
        return row._replace(sealed=self._seal.close(row.uuid, secret, key_records.bound(row)))

    def _put(self, known: Known, new: KeyRow) -> Key:
        if not self._rows.replace(known.row, new):
            raise _changed(known.key.label)
        self._cache.drop(known.row.uuid)
        return key_records.key_of(new)

    def _known(self, row: KeyRow) -> Known:
        """What the row says, believed only because its seal holds over exactly this row."""
        known = self._cache.get(row)
        if known is None:
            self._unseal(row)
            known = Known(row, key_records.key_of(row))
            self._cache.put(known)
        return known

    def _unseal(self, row: KeyRow) -> bytes:
        if not isinstance(row.uuid, str) or not isinstance(row.sealed, bytes):
            raise Failure(Reason.INTEGRITY, "the row of a key is damaged")
        return self._seal.open(row.uuid, row.sealed, key_records.bound(row))

    def _mark(self, known: Known, password: str | None) -> bytes:
        if password is None:
            return b""
        return hmac.digest(self._mark_key, known.row.uuid.encode() + octets(password), hashlib.sha256)


def not_found(label: str) -> Failure:
    """The failure in the contract's words."""
    return Failure(Reason.KEY_NOT_FOUND, f"A key with the name '{label}' does not exist.")


def _changed(label: str) -> Failure:
    return Failure(Reason.KEYSTORE, f"the key '{label}' was changed meanwhile: repeat the request")


def _mismatch() -> Failure:
    return Failure(Reason.KEY_PASSWORD_MISMATCH, "the password of the key is wrong or missing")
