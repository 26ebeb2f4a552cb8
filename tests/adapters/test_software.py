import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hsmgate.adapters import sql
from hsmgate.adapters.sealing_key import Passphrase, SealingKey
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import sqlite
from hsmgate.adapters.stretching import Argon2Cost, PasswordStretcher
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.verification import verify
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore
from support.database_servers import PRODUCTS, DatabasePlace, Servers
from support.keystore_contract import NO_EXTRA, POLICY, KeystoreContract, raises, spec_of

SECRET = SealingKey(octets=bytes(range(32)))
NOW = 1_700_000_000.0
Row = dict[str, object]


def opened(folder: Path, secret: SealingKey | Passphrase = SECRET, name: str = "attestation-key") -> SoftwareKeystore:
    return SoftwareKeystore(sql.connect(None, None, None, folder), secret, lambda: NOW, name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SoftwareKeystore]:
    keystore = opened(tmp_path)
    yield keystore
    keystore.close()


@pytest.fixture
def key(store: SoftwareKeystore) -> Key:
    return store.create(spec_of("secp256r1", "a", policy=POLICY, id="1"), None)


def execute(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "hsmgate.db", isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def sign(store: Keystore, key: Key, password: str | None = None) -> bytes:
    return store.sign(key, password, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)


class TestContract(KeystoreContract):
    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
        keystore: Keystore = opened(tmp_path_factory.mktemp("keys"))
        yield keystore
        assert isinstance(keystore, SoftwareKeystore)
        keystore.close()


@pytest.mark.long
@pytest.mark.parametrize("store", PRODUCTS, indirect=True)
class TestContractOnServers(KeystoreContract):
    @pytest.fixture(scope="class")
    @classmethod
    def store(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database_servers: Servers
    ) -> Iterator[Keystore]:
        place = DatabasePlace(tmp_path_factory.mktemp("keys"), database_servers[request.param])
        keystore = SoftwareKeystore(place.connect(), SECRET, lambda: NOW, "attestation-key")
        yield keystore
        keystore.close()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [3072, 4096, 8192])
def test_large_rsa_keys_sign(store: SoftwareKeystore, size: int) -> None:
    made = store.create(KeySpec("large", "RSA", KeyAttributes(sign=True), key_size=size), None)
    signature = store.sign(made, None, "SHA512_WITH_RSA_PSS", b"m", NO_EXTRA)
    assert len(signature) == size // 8
    verify(made, "SHA512_WITH_RSA_PSS", b"m", signature)


# a row says only what its seal says

FORGERIES: dict[str, tuple[str, tuple[object, ...]]] = {
    "label": ("label = 'c'", ()),
    "id": ("key_id = NULL", ()),
    "algorithm": ("algorithm = 'ED'", ()),
    "curve": ("curve_oid = '1.3.132.0.34'", ()),
    "size": ("key_size = 256", ()),
    "attributes": ("attributes = replace(attributes, '\"extractable\":false', '\"extractable\":true')", ()),
    "attributes, spaces only": ("attributes = attributes || ' '", ()),
    "policy": ("policy = replace(policy, '\"quorum\":1', '\"quorum\":0')", ()),
    "policy removed": ("policy = NULL", ()),
    "blocked": ("policy = replace(policy, '\"blocked\":true', '\"blocked\":false')", ()),
    "origin": ("origin = 'imported'", ()),
    "created": ("created = created + 1", ()),
    "created as text": ("created = 'soon'", ()),
    "public key": ("public_key = (SELECT public_key FROM stored_key WHERE label = 'b')", ()),
    "public key removed": ("public_key = NULL", ()),
    "password": ("password_kdf = (SELECT password_kdf FROM stored_key WHERE label = 'locked')", ()),
    "seal of another row": ("sealed = (SELECT sealed FROM stored_key WHERE label = 'b')", ()),
    "seal, one bit": ("sealed = ?", ("flip",)),
    "seal, other format": ("sealed = ?", ("format",)),
    "seal, short": ("sealed = x'0102'", ()),
    "seal, empty": ("sealed = x''", ()),
    "seal, as text": ("sealed = 'seal'", ()),
    "id as a blob": ("key_id = x'00ff'", ()),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_row_is_never_believed(tmp_path: Path, store: SoftwareKeystore, key: Key, forgery: str) -> None:
    store.create(spec_of("secp256r1", "b"), None)
    store.create(spec_of("secp256r1", "locked"), "password")
    sign(store, store.find("a"))  # now it is in the cache
    change, values = FORGERIES[forgery]
    if values:
        ((seal,),) = execute(tmp_path, "SELECT sealed FROM stored_key WHERE label = 'a'")
        assert isinstance(seal, bytes)
        values = (seal[:-1] + bytes([seal[-1] ^ 1]) if values == ("flip",) else b"\2" + seal[1:],)
    execute(tmp_path, f"UPDATE stored_key SET {change} WHERE label = 'a'", *values)
    found_as = "c" if "'c'" in change else "a"
    with raises(Reason.INTEGRITY):
        store.find(found_as)
    for use in (lambda: sign(store, key), lambda: store.unlock(key, None), lambda: store.delete(key, None)):
        with raises(Reason.INTEGRITY):
            use()
    fresh = opened(tmp_path)
    with raises(Reason.INTEGRITY):
        fresh.find(found_as)
    fresh.close()
    assert store.find("b").label == "b"


def rewrite(folder: Path, change: Callable[[dict[str, Row]], list[Row]]) -> None:
    """Replace all rows by what `change` makes of them, by label."""
    columns = [str(column) for (_, column, *_) in execute(folder, "PRAGMA table_info(stored_key)")]
    rows = [dict(zip(columns, row, strict=True)) for row in execute(folder, "SELECT * FROM stored_key")]
    made = change({str(row["label"]): row for row in rows})
    execute(folder, "DELETE FROM stored_key")
    for row in made:
        marks = ", ".join("?" * len(columns))
        execute(folder, f"INSERT INTO stored_key VALUES ({marks})", *(row[column] for column in columns))


@pytest.mark.parametrize("moved", [["sealed"], ["sealed", "public_key"], ["label"], ["uuid"], ["attributes", "policy"]])
def test_two_rows_cannot_change_places(tmp_path: Path, store: SoftwareKeystore, key: Key, moved: list[str]) -> None:
    store.create(spec_of("secp256r1", "b", attributes=KeyAttributes(sign=True)), None)

    def swap(rows: dict[str, Row]) -> list[Row]:
        a, b = rows["a"], rows["b"]
        return [a | {name: b[name] for name in moved}, b | {name: a[name] for name in moved}]

    rewrite(tmp_path, swap)
    for name in ("a", "b"):
        with raises(Reason.INTEGRITY):
            store.find(name)


def test_a_row_cannot_be_copied(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    rewrite(tmp_path, lambda rows: [rows["a"], rows["a"] | {"label": "copy", "uuid": "u"}])
    assert store.find("a") == key
    with raises(Reason.INTEGRITY):
        store.find("copy")


def test_a_row_of_another_database_under_the_same_sealing_key_is_refused(
    tmp_path: Path, store: SoftwareKeystore, key: Key
) -> None:
    foreign = opened(tmp_path / "other")
    foreign.create(spec_of("secp256r1", "foreign"), None)
    foreign.close()
    (row,) = execute(tmp_path / "other", "SELECT * FROM stored_key")
    execute(tmp_path, f"INSERT INTO stored_key VALUES ({', '.join('?' * len(row))})", *row)
    with raises(Reason.INTEGRITY):
        store.find("foreign")
    assert store.labels() == ["a", "foreign"]  # the list is names only: each use proves


def test_the_purpose_is_sealed_too(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    name, _ = store.attest(b"x")
    execute(tmp_path, "UPDATE stored_key SET purpose = CASE purpose WHEN 'client' THEN 'attestation' ELSE 'client' END")
    for use in (
        lambda: store.find(name),
        lambda: store.find("a"),
        lambda: store.attest(b"x"),
        store.attestation_public_key,
        lambda: sign(store, key),
    ):
        with raises(Reason.INTEGRITY):
            use()


def test_use_counts_are_advisory(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    for count in (7, -1, "many"):
        execute(tmp_path, "UPDATE stored_key SET use_count = ?", count)
        assert store.find("a").use_count == (7 if count == 7 else 0)
        sign(store, store.find("a"))
        store.close()


def test_a_deleted_row_is_not_served_from_memory(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    sign(store, key)
    execute(tmp_path, "DELETE FROM stored_key")
    with raises(Reason.KEY_NOT_FOUND):
        sign(store, key)


def test_decisions_on_an_older_state_of_the_key_do_not_count(store: SoftwareKeystore, key: Key) -> None:
    before = msgspec.structs.replace(key, policy=None)
    with raises(Reason.KEYSTORE):
        sign(store, before)
    with raises(Reason.KEY_NOT_FOUND):
        sign(store, msgspec.structs.replace(key, label="b"))


def test_labels_that_are_no_text_are_told(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    execute(tmp_path, "UPDATE stored_key SET label = x'00ff'")
    with raises(Reason.INTEGRITY):
        store.labels()


# sealing keys and passwords


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path)
    made = [first.create(spec_of(kind, kind), None) for kind in ("secp256r1", "RSA-2048", "ED25519")]
    made.append(first.create(spec_of("secp256r1", "locked", policy=POLICY), "password"))
    first.create(KeySpec("aes", "AES", KeyAttributes(decrypt=True), key_size=128), None)
    sign(first, made[0])
    attestation = first.attestation_public_key()
    first.close()

    second = opened(tmp_path)
    assert second.labels() == ["ED25519", "RSA-2048", "aes", "locked", "secp256r1"]
    assert second.find("secp256r1").use_count == 1
    for key in made:
        assert msgspec.structs.replace(second.find(key.label), use_count=0) == key
    verify(made[0], "SHA256_WITH_ECDSA", b"m", sign(second, made[0]))
    verify(made[3], "SHA256_WITH_ECDSA", b"m", sign(second, made[3], "password"))
    with raises(Reason.KEY_PASSWORD_MISMATCH):
        sign(second, made[3])
    assert second.attestation_public_key() == attestation
    second.close()


@pytest.mark.parametrize("secret", [SealingKey(octets=bytes(32)), Passphrase(text="bytes(range(32))")])
def test_another_sealing_key_is_told_at_the_start(tmp_path: Path, secret: SealingKey | Passphrase) -> None:
    opened(tmp_path).close()
    with pytest.raises(Failure, match="not the key that the database was made with") as caught:
        opened(tmp_path, secret)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "\n" not in str(caught.value)
    opened(tmp_path).close()


PASSPHRASE = Passphrase(text="correct horse battery")


@pytest.fixture(scope="module")
def made_with_a_passphrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("passphrase")
    opened(folder, PASSPHRASE).close()
    return folder


def test_a_passphrase_opens_what_it_made(tmp_path: Path, made_with_a_passphrase: Path) -> None:
    shutil.copytree(made_with_a_passphrase, tmp_path, dirs_exist_ok=True)
    first = opened(tmp_path, PASSPHRASE)
    made = first.create(spec_of("secp256r1", "a"), None)
    first.close()
    for wrong in (Passphrase(text="correct horse batterY"), SECRET):
        with raises(Reason.CONFIG_INVALID):
            opened(tmp_path, wrong)
    second = opened(tmp_path, PASSPHRASE)
    verify(made, "SHA256_WITH_ECDSA", b"m", sign(second, made))
    second.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("kdf = replace(kdf, '17', '30')", Reason.INTEGRITY),  # would take 1 TB
        ("kdf = '{}'", Reason.INTEGRITY),
        ("kdf = 5", Reason.INTEGRITY),
        ("check_value = 'text'", Reason.INTEGRITY),
        ("check_value = x''", Reason.CONFIG_INVALID),
        ("database_id = zeroblob(16)", Reason.CONFIG_INVALID),
    ],
)
def test_what_the_sealing_key_is_checked_against_is_not_trusted(
    tmp_path: Path, made_with_a_passphrase: Path, change: str, reason: Reason
) -> None:
    shutil.copytree(made_with_a_passphrase, tmp_path, dirs_exist_ok=True)
    execute(tmp_path, f"UPDATE keystore SET {change}")
    with raises(reason):
        opened(tmp_path, PASSPHRASE)


def test_keys_without_their_check_value_are_refused(tmp_path: Path) -> None:
    keystore = opened(tmp_path)
    keystore.create(spec_of("secp256r1", "a"), None)
    keystore.close()
    execute(tmp_path, "DELETE FROM keystore")
    with raises(Reason.INTEGRITY):
        opened(tmp_path)


def test_without_the_password_the_sealing_key_does_not_give_the_key(store: SoftwareKeystore) -> None:
    plain = store.create(spec_of("secp256r1", "plain"), None)
    locked = store.create(spec_of("secp256r1", "locked"), "password")

    def unsealed(key: Key) -> bytes:
        row = store._rows.by_uuid(key.uuid)
        assert row is not None
        return store._keys._unseal(row)

    assert unsealed(plain).startswith(b"\x30")  # PKCS#8
    assert not unsealed(locked).startswith(b"\x30\x81")
    with pytest.raises(ValueError, match=r"deserialize|key data"):
        load_der_private_key(unsealed(locked), None)


def test_nothing_secret_stands_in_the_files(tmp_path: Path, store: SoftwareKeystore) -> None:
    made = store.create(spec_of("secp256r1", "a"), "a password of its own")
    secret = store._keys.octets(store._keys.current(made), "a password of its own")
    numbers = load_der_private_key(secret, None).private_numbers()  # type: ignore[union-attr]
    scalar = numbers.private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert made.public_key
    assert made.public_key in everything
    for hidden in (scalar, secret, SECRET.octets, b"a password of its own"):
        assert hidden not in everything


def test_a_used_key_with_a_password_still_asks_for_it(store: SoftwareKeystore) -> None:
    made = store.create(spec_of("secp256r1", "a"), "password")
    for _ in range(2):
        sign(store, made, "password")
        sign(store, made, "password")
        for wrong in ("Password", None):
            with raises(Reason.KEY_PASSWORD_MISMATCH):
                sign(store, made, wrong)


def test_a_guess_costs_its_maker_and_not_the_owner(store: SoftwareKeystore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    stretch = PasswordStretcher.stretch

    def counted(self: PasswordStretcher, password: str, cost: Argon2Cost) -> bytes:
        runs.append(password)
        return stretch(self, password, cost)

    monkeypatch.setattr(PasswordStretcher, "stretch", counted)
    made = store.create(spec_of("secp256r1", "a"), "password")
    sign(store, made, "password")
    runs.clear()
    for _ in range(2):
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            store.unlock(made, "guess")
        sign(store, made, "password")
    assert runs == ["guess", "guess"]


# the attestation key


def test_the_label_of_the_attestation_key_is_taken_before_it_is_made(tmp_path: Path) -> None:
    keystore = opened(tmp_path, name="mine")
    with raises(Reason.KEY_EXISTS):
        keystore.create(spec_of("secp256r1", "mine"), None)
    assert keystore.attest(b"x")[0] == "mine"
    keystore.close()


def test_a_client_key_does_not_become_the_attestation_key(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    other = opened(tmp_path, name="a")
    with pytest.raises(Failure, match="choose another") as caught:
        other.attest(b"x")
    assert caught.value.reason is Reason.CONFIG_INVALID
    other.close()


def test_an_old_attestation_key_is_still_no_key_of_clients(tmp_path: Path, store: SoftwareKeystore) -> None:
    name, _ = store.attest(b"x")
    other = opened(tmp_path, name="new")
    assert other.attest(b"x")[0] == "new"
    assert other.labels() == []
    with raises(Reason.KEY_NOT_FOUND):
        other.find(name)
    with raises(Reason.KEY_EXISTS):
        other.create(spec_of("secp256r1", name), None)
    other.close()


ATTEST = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hsmgate.adapters import sql
from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.software import SoftwareKeystore
database = sql.connect(None, None, None, Path(sys.argv[1]))
store = SoftwareKeystore(database, SealingKey(octets=bytes(range(32))), lambda: 1.0)
print(store.attestation_public_key().hex())
store.close()
"""


def test_first_starts_at_once_end_with_one_attestation_key(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", ATTEST, str(tmp_path / "data")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in started]
    assert [errors for _, errors in said] == [""] * 3
    assert len({keys for keys, _ in said}) == 1
    assert execute(tmp_path / "data", "SELECT count(*) FROM stored_key") == [(1,)]
    assert execute(tmp_path / "data", "SELECT count(*) FROM keystore") == [(1,)]


def test_threads_that_attest_at_once_use_one_key(store: SoftwareKeystore) -> None:
    names = list[bytes]()
    threads = [threading.Thread(target=lambda: names.append(store.attestation_public_key())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert len(set(names)) == 1


# the database behind it


def test_use_counts_are_written_in_the_background(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    for _ in range(5):
        sign(store, key)
    deadline = time.monotonic() + 10
    while execute(tmp_path, "SELECT use_count FROM stored_key") != [(5,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert store.find("a").use_count == 5


def test_use_counts_of_several_processes_add_up(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    other = opened(tmp_path)
    sign(store, key)
    sign(other, key)
    other.close()
    store.close()
    assert execute(tmp_path, "SELECT use_count FROM stored_key") == [(2,)]


def test_a_locked_database_is_no_connectivity(tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    impatient = opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / "hsmgate.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert impatient.find("a") == key  # readers do not wait
        sign(impatient, key)
        with raises(Reason.CONNECTIVITY):
            impatient.create(spec_of("secp256r1", "b"), None)
        with raises(Reason.CONNECTIVITY):
            impatient.delete(key, None)
        impatient.close()  # the use count is not written, and nothing breaks
    assert impatient.find("a").use_count == 1


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, store: SoftwareKeystore, key: Key) -> None:
    with store._database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute(f"PRAGMA max_page_count = {pages}")
        connection.rollback()
    with raises(Reason.CONNECTIVITY):
        for number in range(200):
            store.create(spec_of("secp256r1", f"more{number}", policy=POLICY), None)
    assert store.find("a") == key


@pytest.mark.parametrize("damage", [b"no database at all" * 10, b""], ids=["foreign", "emptied"])
def test_a_damaged_database_is_told(tmp_path: Path, damage: bytes) -> None:
    keystore = opened(tmp_path)
    keystore.create(spec_of("secp256r1", "a"), None)
    keystore.close()
    (tmp_path / "hsmgate.db").write_bytes(damage)
    for use in (lambda: keystore.find("a"), keystore.ping, keystore.labels):
        with raises(Reason.INTEGRITY):
            use()


def test_a_vanished_database_is_no_connectivity(tmp_path: Path, store: SoftwareKeystore) -> None:
    store.close()
    shutil.rmtree(tmp_path)
    for use in (store.ping, lambda: store.find("a"), store.labels):
        with raises(Reason.CONNECTIVITY):
            use()
