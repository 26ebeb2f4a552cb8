"""Opens the keystore of a database with the sealing key: tied to it at the first start, checked at every later one."""

import os

import msgspec

from hsmgate.adapters.sealing import DATABASE_ID_BYTES, Seal
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import KeystoreRow, insert_keystore, read_keystore
from hsmgate.adapters.stretching import ScryptCost, new_salt, scrypt_cost, stretch_passphrase
from hsmgate.errors import Failure, Reason

_ROW = 1


def unseal(database: Database, secret: SealingKey | Passphrase, now: float) -> Seal:
    """The seal of this database. Failure: CONFIG_INVALID (another sealing key), INTEGRITY, CONNECTIVITY."""
    row = read_keystore(database)
    if row is None and insert_keystore(database, _new_row(secret, now)):
        row = read_keystore(database)
    if row is None:  # another process made it between the two looks
        row = read_keystore(database)
    if row is None:
        raise Failure(Reason.INTEGRITY, "the database does not keep what is written")
    seal = fitting(secret, row)
    if seal is None:
        raise Failure(
            Reason.CONFIG_INVALID,
            "hsm.software.key: this is not the key that the database was made with: give that one, or another database",
        )
    return seal


def fitting(secret: SealingKey | Passphrase, row: KeystoreRow) -> Seal | None:
    """The seal of the database that has this row, or None when its sealing key is another one. Failure: INTEGRITY."""
    seal = Seal(_octets(secret, row.kdf), row.database_id)
    return seal if seal.fits(row.check_value) else None


def sealed_with(secret: SealingKey | Passphrase, database_id: bytes) -> tuple[Seal, str | None]:
    """A new seal for a database, and how its passphrase is stretched."""
    kdf = msgspec.json.encode(ScryptCost(salt=new_salt())).decode() if isinstance(secret, Passphrase) else None
    return Seal(_octets(secret, kdf), database_id), kdf


def _new_row(secret: SealingKey | Passphrase, now: float) -> KeystoreRow:
    seal, kdf = sealed_with(secret, database_id := os.urandom(DATABASE_ID_BYTES))
    return KeystoreRow(_ROW, database_id, kdf, seal.check_value, int(now))


def _octets(secret: SealingKey | Passphrase, kdf: str | None) -> bytes:
    if isinstance(secret, SealingKey):
        return secret.octets
    # a database made with a key file has no cost: any will do, for no passphrase fits it
    cost = scrypt_cost(kdf) if kdf is not None else ScryptCost(salt=new_salt())
    return stretch_passphrase(secret.text, cost)
