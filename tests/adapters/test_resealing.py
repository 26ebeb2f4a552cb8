"""Another sealing key for all keys of a database, or for none; every key signs as before."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hsmgate.adapters import key_records, unsealing
from hsmgate.adapters.resealing import check_seals, keystore_row, reseal
from hsmgate.adapters.sealed_keys import TENANT
from hsmgate.adapters.sealing import Seal
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import connect
from hsmgate.adapters.sql.keys import KeyRows
from hsmgate.adapters.stretching import PasswordStretcher, ScryptCost, argon2_cost
from hsmgate.adapters.unsealing import fitting
from hsmgate.domain.verification import verify
from hsmgate.errors import Failure, Reason
from support.keystore_contract import NO_EXTRA, POLICY, spec_of

FIRST, SECOND = SealingKey(octets=bytes(range(32))), SealingKey(octets=bytes(range(1, 33)))
PHRASE = Passphrase(text="correct horse battery")
Secret = SealingKey | Passphrase


def opened(folder: Path, secret: Secret = FIRST) -> SoftwareKeystore:
    database = connect(None, None, None, folder)
    try:
        return SoftwareKeystore(database, secret, lambda: 1.7e9)
    except Failure:
        database.close()
        raise


def resealed(folder: Path, old: Secret, new: Secret, shown: Callable[[int, int], None] = lambda *_: None) -> int:
    database = connect(None, None, None, folder, alone=True)
    try:
        before = fitting(old, keystore_row(database))
        assert before is not None
        return reseal(database, before, new, shown)
    finally:
        database.close()


def execute(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "hsmgate.db", isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases need not be safe here."""
    monkeypatch.setattr(unsealing, "ScryptCost", partial(ScryptCost, log_n=15))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A key of a policy, one with a password, one that was used, and the attestation key."""
    store = opened(tmp_path)
    store.create(spec_of("secp256r1", "plain", policy=POLICY, id="1"), None)
    store.create(spec_of("secp256r1", "locked"), "a password")
    used = store.create(spec_of("secp256r1", "used"), None)
    store.sign(used, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
    store.attest(b"{}")
    store.close()
    return tmp_path


def public(folder: Path) -> list[tuple[object, ...]]:
    return execute(folder, "SELECT label, public_key, policy, use_count FROM stored_key ORDER BY label")


def assert_all_sign(folder: Path, secret: Secret) -> None:
    store = opened(folder, secret)
    for label, password in (("plain", None), ("locked", "a password"), ("used", None)):
        key = store.find(label)
        signature = store.sign(key, password, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
        verify(key, "SHA256_WITH_ECDSA", b"m", signature)
    with pytest.raises(Failure) as caught:
        store.unlock(store.find("locked"), "another")
    assert caught.value.reason is Reason.KEY_PASSWORD_MISMATCH
    assert store.attest(b"{}")[0] == "attestation-key"
    store.close()


@pytest.mark.parametrize(
    "secrets", [(FIRST, SECOND), (FIRST, PHRASE, SECOND), (FIRST, SECOND, FIRST)], ids=["key", "phrase", "back"]
)
def test_every_key_signs_with_the_new_sealing_key_and_not_with_the_old(
    folder: Path, secrets: tuple[Secret, ...]
) -> None:
    before = public(folder)
    shown: list[tuple[int, int]] = []
    for old, new in pairwise(secrets):
        shown.clear()
        assert resealed(folder, old, new, lambda *progress: shown.append(progress)) == 4
        assert shown == [(number, 4) for number in range(1, 5)]
        assert public(folder) == before
        with pytest.raises(Failure, match="not the key that the database was made with"):
            opened(folder, old)
    assert_all_sign(folder, secrets[-1])


def test_a_password_of_an_early_version_keeps_working(folder: Path) -> None:
    """Its inner encryption was made with the sealing key itself."""
    database = connect(None, None, None, folder)
    row, seal = KeyRows(database, TENANT).by_label("locked"), fitting(FIRST, keystore_row(database))
    assert row is not None
    assert seal is not None
    database_id = keystore_row(database).database_id
    database.close()
    inner = seal.open(row.uuid, row.sealed, key_records.bound(row))
    stretched = PasswordStretcher().stretch("a password", argon2_cost(row.password_kdf))
    secret = seal.open_with_password(row.uuid, inner, stretched)
    assert secret is not None
    purpose = b"hsmgate password 1\0" + row.uuid.encode()
    nonce, key = os.urandom(12), HKDF(SHA256(), 32, database_id, purpose).derive(FIRST.octets + stretched)
    early = seal.close(row.uuid, nonce + AESGCM(key).encrypt(nonce, secret, b""), key_records.bound(row))
    execute(folder, "UPDATE stored_key SET sealed = ? WHERE label = 'locked'", early)
    assert_all_sign(folder, FIRST)
    resealed(folder, FIRST, SECOND)
    assert_all_sign(folder, SECOND)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE stored_key SET policy = NULL WHERE label = 'plain'", "key 'plain': the seal of a key does not hold"),
        ("UPDATE stored_key SET sealed = x'01' WHERE label = 'used'", "key 'used': the seal of a key does not hold"),
        ("UPDATE stored_key SET sealed = 'text' WHERE label = 'used'", "key 'used': its row is damaged"),
        ("UPDATE stored_key SET uuid = x'01' WHERE label = 'used'", "key 'used': its row is damaged"),
        ("UPDATE stored_key SET uuid = 'other' WHERE label = 'used'", "key 'used': the seal of a key does not hold"),
        ("UPDATE stored_key SET uuid = '' WHERE label = 'used'", "a key whose uuid is no text"),
    ],
)
def test_a_damaged_key_leaves_everything_as_it_is(folder: Path, statement: str, words: str) -> None:
    execute(folder, statement)
    before = execute(folder, "SELECT sealed FROM stored_key ORDER BY label"), execute(folder, "SELECT * FROM keystore")
    with pytest.raises(Failure, match=words) as caught:
        resealed(folder, FIRST, SECOND)
    assert caught.value.reason is Reason.INTEGRITY
    after = execute(folder, "SELECT sealed FROM stored_key ORDER BY label"), execute(folder, "SELECT * FROM keystore")
    assert after == before
    opened(folder).close()


def test_an_interruption_leaves_everything_as_it_is(folder: Path) -> None:
    def interrupted(done: int, _whole: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resealed(folder, FIRST, SECOND, interrupted)
    assert_all_sign(folder, FIRST)


def test_what_was_sealed_with_the_old_key_is_gone_from_the_files(folder: Path) -> None:
    old = [bytes(sealed) for (sealed,) in execute(folder, "SELECT sealed FROM stored_key") if isinstance(sealed, bytes)]
    resealed(folder, FIRST, SECOND)
    files = b"".join(file.read_bytes() for file in folder.glob("hsmgate.db*"))
    assert old
    assert not [sealed for sealed in old if sealed[:40] in files]


def test_an_empty_database_has_nothing_to_seal(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="nothing is sealed in the database yet"):
        resealed(tmp_path, FIRST, SECOND)


def test_seals_are_checked_without_changing_anything(folder: Path) -> None:
    database = connect(None, None, None, folder)
    seal = fitting(FIRST, keystore_row(database))
    assert seal is not None
    assert check_seals(database, seal, lambda *_: None) == 4
    with pytest.raises(Failure, match="does not hold"):
        check_seals(database, Seal(SECOND.octets, keystore_row(database).database_id), lambda *_: None)
    database.close()
    assert_all_sign(folder, FIRST)


def test_more_keys_than_fit_into_memory_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsmgate.adapters.sql.all_keys.AT_ONCE", 3)
    monkeypatch.setattr("hsmgate.adapters.resealing.AT_ONCE", 2)
    assert resealed(folder, FIRST, SECOND) == 4
    assert_all_sign(folder, SECOND)
