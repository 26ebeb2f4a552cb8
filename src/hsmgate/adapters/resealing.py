"""Seals every key of a database with another sealing key: all of them, or none."""

from collections.abc import Callable, Iterator

from hsmgate.adapters import key_records
from hsmgate.adapters.sealing import Seal
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.sql import Database, sqlite
from hsmgate.adapters.sql.all_keys import AT_ONCE, AllKeys, all_keys
from hsmgate.adapters.sql.keys import KeyRow, KeystoreRow, read_keystore
from hsmgate.adapters.unsealing import sealed_with
from hsmgate.errors import Failure, Reason

Shown = Callable[[int, int], None]  # done, whole


def keystore_row(database: Database) -> KeystoreRow:
    """What the sealing key is checked against. Failure: CONFIG_INVALID (nothing is sealed yet), INTEGRITY."""
    row = read_keystore(database)
    if row is None:
        raise Failure(Reason.CONFIG_INVALID, "nothing is sealed in the database yet: configure another sealing key")
    return row


def check_seals(database: Database, seal: Seal, shown: Shown) -> int:
    """How many keys there are, each of whose seals holds. Failure: INTEGRITY (with the key's label)."""
    with all_keys(database) as keys:
        return sum(1 for _ in _opened(keys, seal, shown))


def reseal(database: Database, before: Seal, new: SealingKey | Passphrase, shown: Shown) -> int:
    """Do it in one transaction; how many keys there are. The database must be nobody else's meanwhile.

    Failure: INTEGRITY (a seal does not hold, nothing is changed), CONNECTIVITY.
    """
    after, kdf = sealed_with(new, keystore_row(database).database_id)
    count, seals = 0, list[tuple[KeyRow, bytes]]()
    with all_keys(database) as keys:
        for count, (key, secret) in enumerate(_opened(keys, before, shown), 1):  # noqa: B007 - counted
            moved = secret if key.password_kdf is None else before.movable(secret)
            seals.append((key, after.close(key.uuid, moved, key_records.bound(key))))
            if len(seals) == AT_ONCE:
                keys.put_seals(seals)
                seals.clear()
        keys.put_seals(seals)
        keys.put_check(after.check_value, kdf)
    sqlite.empty_log(database)
    return count


def _opened(keys: AllKeys, seal: Seal, shown: Shown) -> Iterator[tuple[KeyRow, bytes]]:
    whole = keys.count()
    for number, row in enumerate(keys.rows(), 1):
        yield row, _open(seal, row)
        shown(number, whole)


def _open(seal: Seal, row: KeyRow) -> bytes:
    if not isinstance(row.uuid, str) or not isinstance(row.sealed, bytes):
        raise Failure(Reason.INTEGRITY, f"key {row.label!r}: its row is damaged")
    try:
        return seal.open(row.uuid, row.sealed, key_records.bound(row))
    except Failure as failure:
        raise Failure(failure.reason, f"key {row.label!r}: {failure.detail}") from None
