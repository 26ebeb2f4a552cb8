"""Keys as sealed rows: made, opened, changed. What a row says is believed only because its seal holds."""

import hashlib
import hmac
import os
import uuid
from collections.abc import Callable

import msgspec

from hsmgate.adapters import key_material, key_records
from hsmgate.adapters.key_cache import KeyCache, Known
from hsmgate.adapters.key_records import CLIENT
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import KeyRow, KeyRows
from hsmgate.adapters.stretching import Argon2Cost, PasswordStretcher, argon2_cost, new_salt, octets
from hsmgate.adapters.unsealing import unseal
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import Material, PrivateKey
from hsmgate.errors import Failure, Reason

TENANT = "default"


class SealedKeys:
    """The rows of one database and their seals. Opening it may fail with CONFIG_INVALID: not its sealing key."""

    def __init__(self, database: Database, sealing_key: SealingKey | Passphrase, now: Callable[[], float]) -> None:
        self.rows = KeyRows(database, TENANT)
        self._now = now
        self.seal = unseal(database, sealing_key, now())
        self._cache = KeyCache()
        self._passwords = PasswordStretcher()
        self._mark_key = os.urandom(32)  # marks of passwords in memory mean nothing outside this process

    def make(self, spec: KeySpec, material: Material, password: str | None, purpose: str, origin: str) -> KeyRow:
        """The sealed row of a new key, not stored yet. Curve and size are those of the material."""
        key = Key(
            uuid=str(uuid.uuid4()),
            label=spec.label,
            algorithm=spec.algorithm,
            attributes=spec.attributes,
            created=int(self._now()),
            curve_oid=material.curve_oid,
            key_size=material.key_size,
            id=spec.id,
            policy=spec.policy,
            address_format=spec.address_format,
            public_key=material.public,
            origin=origin,
            has_password=password is not None,
        )
        secret = material.private or material.secret or b""  # of a lone public key there is none
        return self._sealed(key, purpose, *self._locked(key, secret, password))

    def store(self, row: KeyRow) -> Key:
        """Insert a row that make() gave. Failure: KEY_EXISTS (the label is taken)."""
        if not self.rows.insert(row):
            raise in_use()
        return key_records.key_of(row)

    def put_instead(self, old: KeyRow, new: KeyRow) -> Key:
        """A new row in the place of one that is still as it was read. Failure: KEYSTORE (it is not)."""
        if not self.rows.replace(old, new):
            raise _changed(old.label)
        self._cache.drop(old.uuid)
        return key_records.key_of(new)

    def change(self, known: Known, key: Key) -> Key:
        """The same secret under other words about it. Failure: KEYSTORE (it was changed meanwhile)."""
        inner, row = self._unseal(known.row), known.row
        return self.put_instead(row, self._sealed(key, row.purpose, inner, row.password_kdf))

    def change_password(self, known: Known, old: str | None, new: str | None) -> None:
        """Failure: KEY_PASSWORD_MISMATCH, KEYSTORE (it was changed meanwhile)."""
        locked = self._locked(known.key, self.octets(known, old), new)
        key = msgspec.structs.replace(known.key, has_password=new is not None)
        self.put_instead(known.row, self._sealed(key, known.row.purpose, *locked))

    def current(self, key: Key) -> Known:
        """The key as it is stored now, which must be what the caller's decisions were made on."""
        row = self.rows.by_uuid(key.uuid)
        if row is None:
            raise not_found(key.label)
        known = self.known(row)
        if row.purpose != CLIENT or row.label != key.label:
            raise not_found(key.label)
        if known.key != msgspec.structs.replace(key, use_count=0):
            raise _changed(key.label)
        return known

    def known(self, row: KeyRow) -> Known:
        """What the row says, its seal checked over exactly this row. Failure: INTEGRITY."""
        known = self._cache.get(row)
        if known is None:
            self._unseal(row)
            known = Known(row, key_records.key_of(row))
            self._cache.put(known)
        return known

    def forget(self, uuid: str) -> None:
        """The key is gone."""
        self._cache.drop(uuid)

    def check(self, known: Known, password: str | None) -> None:
        """Failure: KEY_PASSWORD_MISMATCH, for an absent and a wrong one alike."""
        if not self._is_loaded(known, password):
            self.octets(known, password)

    def material(self, known: Known, password: str | None) -> PrivateKey | bytes:
        """The private or secret key, which stays in memory while its row does not change. Failure: as check."""
        if known.private is not None and self._is_loaded(known, password):
            return known.private
        private = key_material.load(self.octets(known, password), known.key)
        self._cache.put(Known(known.row, known.key, private, self._mark(known, password)))
        return private

    def octets(self, known: Known, password: str | None) -> bytes:
        """PKCS#8 or the octets of a secret key, opened anew. Failure: as check."""
        self._check_presence(known, password)
        inner = self._unseal(known.row)
        if password is None:
            return inner
        stretched = self._passwords.stretch(password, argon2_cost(known.row.password_kdf))
        opened = self.seal.open_with_password(known.row.uuid, inner, stretched)
        if opened is None:  # what the right password has opened stays: guesses must not make its owner slow
            raise _mismatch()
        return opened

    def _is_loaded(self, known: Known, password: str | None) -> bool:
        """Whether this password has opened the key before."""
        self._check_presence(known, password)
        return known.private is not None and hmac.compare_digest(known.mark, self._mark(known, password))

    def _check_presence(self, known: Known, password: str | None) -> None:
        if (password is None) != (known.row.password_kdf is None):
            raise _mismatch()

    def _mark(self, known: Known, password: str | None) -> bytes:
        if password is None:
            return b""
        return hmac.digest(self._mark_key, known.row.uuid.encode() + octets(password), hashlib.sha256)

    def _locked(self, key: Key, secret: bytes, password: str | None) -> tuple[bytes, str | None]:
        """What the seal closes over, and the cost of the password as it is stored."""
        if password is None:
            return secret, None
        cost = Argon2Cost(salt=new_salt())
        inner = self.seal.close_with_password(key.uuid, secret, self._passwords.stretch(password, cost))
        return inner, msgspec.json.encode(cost).decode()

    def _sealed(self, key: Key, purpose: str, inner: bytes, kdf: str | None) -> KeyRow:
        row = key_records.row_of(key, TENANT, purpose, kdf)
        return row._replace(sealed=self.seal.close(row.uuid, inner, key_records.bound(row)))

    def _unseal(self, row: KeyRow) -> bytes:
        if not isinstance(row.uuid, str) or not isinstance(row.sealed, bytes):
            raise Failure(Reason.INTEGRITY, "the row of a key is damaged")
        return self.seal.open(row.uuid, row.sealed, key_records.bound(row))


def in_use() -> Failure:
    """The label is taken, in the contract's words."""
    return Failure(Reason.KEY_EXISTS, "Could not create key. The key name is already in use.")


def not_found(label: str) -> Failure:
    """There is no such key, in the contract's words."""
    return Failure(Reason.KEY_NOT_FOUND, f"A key with the name '{label}' does not exist.")


def _changed(label: str) -> Failure:
    return Failure(Reason.KEYSTORE, f"the key '{label}' was changed meanwhile: repeat the request")


def _mismatch() -> Failure:
    return Failure(Reason.KEY_PASSWORD_MISMATCH, "the password of the key is wrong or missing")
