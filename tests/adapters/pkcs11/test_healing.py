"""Sessions, logins, handles and whole modules that are lost, and what comes back by itself. The stub makes them so."""

import dataclasses
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsmgate.adapters.pkcs11 import token as tokens
from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.adapters.pkcs11.library import Library
from hsmgate.adapters.pkcs11.objects import OWN_ID
from hsmgate.adapters.pkcs11.token import LIST_SECONDS
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.domain.material import secret_material
from hsmgate.domain.verification import verify
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra, Locked
from support.hsm_tokens import SOFTHSM, Place, open_keystore, open_token, softhsm
from support.keystore_contract import NO_EXTRA, label, raises, spec_of
from support.stub import FOREVER, Stub, needs_compiler

pytestmark = needs_compiler
PATIENCE = 30.0  # seconds; a bound for a noisy machine, never the expected time
CALL_SECONDS = 2.0
SESSION_HANDLE_INVALID, USER_NOT_LOGGED_IN, DEVICE_ERROR, GENERAL_ERROR = 0xB3, 0x101, 0x30, 0x5
TEMPLATE_INCONSISTENT = 0xD1
OPENS = KeyAttributes(decrypt=True, unwrap=True, extractable=True)
ALGORITHM = "SHA256_WITH_ECDSA"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Stub:
    folder = tmp_path_factory.mktemp("stub")
    return Stub(softhsm(folder), folder)


@pytest.fixture(scope="module")
def opened(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenKeystore]:
    token = open_token(stub.place, sessions=2, call_seconds=CALL_SECONDS)
    keystore = open_keystore(stub.place, tmp_path_factory.mktemp("data"), token)
    yield keystore
    stub.release()
    keystore.close()


@pytest.fixture(scope="module")
def key(opened: TokenKeystore) -> Key:
    return opened.create(spec_of("secp256r1", label()), None)


@pytest.fixture(scope="module")
def secret(opened: TokenKeystore) -> Key:
    return opened.create(KeySpec(label(), "AES", OPENS, key_size=256), None)


@pytest.fixture
def store(opened: TokenKeystore, stub: Stub) -> Iterator[TokenKeystore]:
    stub.place.log.seek(0)
    stub.place.log.truncate()
    yield opened
    stub.release()
    stub.swap(0, 0)
    stub.show_twice(on=False)
    waited(lambda: opened.token.is_up and opened.token.hung == 0)


def waited(so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


def signs(store: TokenKeystore, key: Key) -> None:
    payload = os.urandom(9)
    verify(key, ALGORITHM, payload, store.sign(key, None, ALGORITHM, payload, NO_EXTRA))


def encrypts(store: TokenKeystore, key: Key) -> None:
    payload = os.urandom(9)
    made = store.encrypt(key, None, "AES_GCM", payload, CipherExtra(tag_bits=128))
    sealed = made.ciphertext + (made.tag or b"")
    assert store.decrypt(key, None, "AES_GCM", sealed, CipherExtra(made.iv, tag_bits=128)) == payload


def is_refused(store: TokenKeystore, key: Key) -> None:
    with raises(Reason.CONNECTIVITY):
        store.sign(key, None, ALGORITHM, b"m", NO_EXTRA)


# what nobody notices


@pytest.mark.parametrize("function", ["C_SignInit", "C_Sign"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(SESSION_HANDLE_INVALID, id="session-handle-invalid"),
        pytest.param(0xB0, id="session-closed"),
        pytest.param(USER_NOT_LOGGED_IN, id="user-not-logged-in"),
        pytest.param(0x60, id="key-handle-invalid"),
        pytest.param(0x82, id="object-handle-invalid"),
        pytest.param(0x90, id="operation-active"),
        pytest.param(DEVICE_ERROR, id="device-error"),
        pytest.param(0x32, id="device-removed"),
        pytest.param(0x190, id="not-initialised"),
        pytest.param(0x80000001, id="vendor-defined"),
    ],
)
def test_a_call_that_fails_once_is_repeated_in_a_new_session(
    store: TokenKeystore, stub: Stub, key: Key, function: str, value: int
) -> None:
    signs(store, key)
    before = stub.calls("C_OpenSession")
    stub.fail(function, value)
    signs(store, key)
    assert stub.calls("C_OpenSession") == before + 1
    assert not stub.place.events("token.lost")


def test_a_logout_behind_our_back_is_followed_by_a_login(store: TokenKeystore, stub: Stub, key: Key) -> None:
    for _ in range(2):
        before = stub.calls("C_Login")
        assert store.token._keeper is not None
        store.token._keeper.close()  # logs the whole process out
        signs(store, key)
        assert stub.calls("C_Login") == before + 1
    assert not stub.place.events("token.lost")


def test_after_a_logout_keys_are_not_taken_for_absent(store: TokenKeystore, key: Key) -> None:
    for ask in (store.labels, store.remarks, lambda: store.create(spec_of("secp256r1", label()), None)):
        signs(store, key)
        assert store.token._keeper is not None
        store.token._keeper.close()
        ask()
    assert key.label in store.labels()


def test_another_initialisation_of_the_module_is_noticed(store: TokenKeystore, stub: Stub, key: Key) -> None:
    signs(store, key)
    store.token._library.finalize()
    store.token._library.initialize()
    signs(store, key)
    assert not stub.place.events("token.lost")


# the token is away


def test_a_lost_token_is_refused_at_once_and_comes_back(store: TokenKeystore, stub: Stub, key: Key) -> None:
    stub.fail("C_SignInit", DEVICE_ERROR, count=FOREVER)
    is_refused(store, key)
    before = stub.calls("C_SignInit")
    for _ in range(50):
        is_refused(store, key)
        with raises(Reason.CONNECTIVITY):
            store.ping()
        with raises(Reason.CONNECTIVITY):
            store.labels()
    assert stub.calls("C_SignInit") - before < 50  # probes only
    assert store.find(key.label).label == key.label
    waited(lambda: stub.calls("C_Initialize") > 1)
    stub.release()
    waited(lambda: store.token.is_up)
    signs(store, key)
    store.ping()
    assert len(stub.place.events("token.lost")) == 1
    assert len(stub.place.events("token.back")) == 1


def test_a_module_that_was_finalised_is_initialised(store: TokenKeystore, stub: Stub, key: Key) -> None:
    before = stub.calls("C_Initialize")
    store.token._library.finalize()
    with pytest.raises(Failure):
        store.sign(key, None, ALGORITHM, b"m", NO_EXTRA)
    waited(lambda: store.token.is_up)
    signs(store, key)
    assert stub.calls("C_Initialize") == before + 1


@pytest.mark.parametrize("function", ["C_OpenSession", "C_GetSlotList", "C_Initialize", "C_FindObjectsInit"])
def test_whatever_fails_while_it_is_away_is_tried_again(
    store: TokenKeystore, stub: Stub, key: Key, function: str
) -> None:
    stub.fail(function, DEVICE_ERROR, count=FOREVER)
    stub.fail("C_SignInit", DEVICE_ERROR, count=FOREVER)
    is_refused(store, key)
    before = stub.calls(function)
    waited(lambda: stub.calls(function) >= before + 2)
    assert not store.token.is_up
    stub.release()
    waited(lambda: store.token.is_up)
    signs(store, key)


def test_a_folder_that_was_taken_away_and_brought_back(store: TokenKeystore, stub: Stub, key: Key) -> None:
    tokens = Path(stub.place.environment["SOFTHSM2_CONF"]).with_name("tokens")
    signs(store, key)
    tokens.rename(tokens.with_name("away"))
    try:
        is_refused(store, key)
        is_refused(store, key)
        with raises(Reason.CONNECTIVITY):
            store.create(spec_of("secp256r1", label()), None)
    finally:
        tokens.with_name("away").rename(tokens)
    waited(lambda: store.token.is_up)
    signs(store, key)
    assert len(stub.place.events("token.lost")) == 1


def test_a_request_that_the_token_cannot_bear_is_no_reason_to_refuse_others(
    store: TokenKeystore, stub: Stub, key: Key
) -> None:
    before = stub.calls("C_Initialize")
    stub.fail("C_Sign", GENERAL_ERROR, count=2)  # twice at this request; the check after it passes
    with raises(Reason.KEYSTORE):
        store.sign(key, None, ALGORITHM, b"m", NO_EXTRA)
    assert store.token.is_up
    signs(store, key)
    assert stub.calls("C_Initialize") == before
    assert not stub.place.events("token.lost")


# calls that hang


def test_one_call_that_hangs_costs_a_thread_and_the_token_goes_on(store: TokenKeystore, stub: Stub, key: Key) -> None:
    stub.hang("C_Sign")
    began = time.monotonic()
    is_refused(store, key)
    assert CALL_SECONDS <= time.monotonic() - began < PATIENCE
    waited(lambda: store.token.is_up)  # in new sessions, for under this call nothing can be initialised
    assert store.token.hung == 1
    for _ in range(5):
        signs(store, key)
    stub.release()
    waited(lambda: store.token.hung == 0)
    for _ in range(5):
        signs(store, key)


def test_a_token_that_hangs_does_not_hang_the_service(store: TokenKeystore, stub: Stub, key: Key) -> None:
    stub.hang("C_SignInit", count=FOREVER)
    is_refused(store, key)
    began = time.monotonic()
    for _ in range(100):
        is_refused(store, key)
        with raises(Reason.CONNECTIVITY):
            store.ping()
    assert time.monotonic() - began < CALL_SECONDS
    stub.release()
    waited(lambda: store.token.is_up)
    signs(store, key)


def test_whoever_waits_longer_for_a_token_that_hangs_is_told_too(store: TokenKeystore, stub: Stub, key: Key) -> None:
    outcomes = list[Reason]()

    def ask() -> None:
        with pytest.raises(Failure) as told:
            store.labels()  # may take its time
        outcomes.append(told.value.reason)

    stub.hang("C_FindObjects", count=FOREVER)
    stub.hang("C_SignInit", count=FOREVER)
    asking = threading.Thread(target=ask)
    asking.start()
    is_refused(store, key)
    asking.join(LIST_SECONDS / 2)
    assert outcomes == [Reason.CONNECTIVITY]


def test_making_a_key_that_needs_no_primes_is_not_waited_for_long(store: TokenKeystore, stub: Stub, key: Key) -> None:
    stub.hang("C_GenerateKeyPair")
    began = time.monotonic()
    with raises(Reason.CONNECTIVITY):
        store.create(spec_of("secp256r1", label()), None)
    assert time.monotonic() - began < LIST_SECONDS
    waited(lambda: store.token.is_up)
    stub.release()
    waited(lambda: store.token.hung == 0)
    signs(store, key)


def test_by_way_of_p11_kit_it_heals_too(tmp_path: Path, stub: Stub) -> None:
    proxy = next(Path("/usr/lib").glob("*/p11-kit-proxy.so"))
    place = dataclasses.replace(softhsm(tmp_path), module=proxy)
    store = open_keystore(place, tmp_path)
    try:
        made = store.create(spec_of("secp256r1", label()), None)
        signs(store, made)
        assert store.token._keeper is not None
        store.token._keeper.close()  # logs out
        signs(store, made)
        tokens = tmp_path / "tokens"
        tokens.rename(tmp_path / "away")
        is_refused(store, made)
        (tmp_path / "away").rename(tokens)
        waited(lambda: store.token.is_up)
        signs(store, made)
    finally:
        store.close()
        os.environ.update(stub.place.environment)


# handles that name other keys


def test_handles_that_came_to_name_other_keys_release_no_signature(store: TokenKeystore, stub: Stub, key: Key) -> None:
    other = store.create(spec_of("secp256r1", label()), None)
    signs(store, key)
    one, two = (int(store.token.run(lambda seat, k=k: store.located(seat, k)).handle) for k in (key, other))  # type: ignore[misc]
    stub.swap(one, two)
    for _ in range(5):
        signs(store, key)
        signs(store, other)
    assert stub.place.events("token.wrong-signature")


def test_a_signature_that_does_not_verify_is_never_released(store: TokenKeystore, stub: Stub, key: Key) -> None:
    stub.spoil(count=FOREVER)
    with raises(Reason.KEYSTORE):
        store.sign(key, None, ALGORITHM, b"m", NO_EXTRA)
    with raises(Reason.KEYSTORE):
        store.attest(b"m")
    stub.release()
    stub.spoil()
    signs(store, key)  # the second one is good


def test_handles_that_came_to_name_other_secrets_encrypt_nothing(store: TokenKeystore, stub: Stub, secret: Key) -> None:
    other = store.create(KeySpec(label(), "AES", OPENS, key_size=256), None)
    encrypts(store, secret)
    one, two = (int(store.token.run(lambda seat, k=k: store.located(seat, k)).handle) for k in (secret, other))  # type: ignore[misc]
    sealed = store.encrypt(secret, None, "AES_ECB", bytes(16), CipherExtra())
    different = store.encrypt(other, None, "AES_ECB", bytes(16), CipherExtra())
    stub.swap(one, two)
    for _ in range(5):
        assert store.encrypt(secret, None, "AES_ECB", bytes(16), CipherExtra()) == sealed
        assert store.encrypt(other, None, "AES_ECB", bytes(16), CipherExtra()) == different


# ciphers


@pytest.mark.parametrize("value", [SESSION_HANDLE_INVALID, USER_NOT_LOGGED_IN, DEVICE_ERROR], ids=hex)
@pytest.mark.parametrize("function", ["C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt"])
def test_ciphers_are_repeated_in_a_new_session(
    store: TokenKeystore, stub: Stub, secret: Key, function: str, value: int
) -> None:
    encrypts(store, secret)
    before = stub.calls("C_OpenSession")
    stub.fail(function, value)
    encrypts(store, secret)
    assert stub.calls("C_OpenSession") == before + 1
    assert not stub.place.events("token.lost")


def test_a_general_error_of_a_decryption_is_the_ciphertexts_fault_while_the_token_computes(
    store: TokenKeystore, stub: Stub
) -> None:
    key = store.create(KeySpec(label(), "RSA", OPENS, key_size=2048), None)
    sealed = store.encrypt(key, None, "RSA_PADDING_PKCS", b"payload", CipherExtra()).ciphertext
    wrong = bytes(255) + b"\2"  # SoftHSM2 says CKR_GENERAL_ERROR of its padding
    assert store.decrypt(key, None, "RSA_PADDING_PKCS", sealed, CipherExtra()) == b"payload"
    before = stub.calls("C_OpenSession")
    for _ in range(3):
        with raises(Reason.DECRYPT_FAILED):
            store.decrypt(key, None, "RSA_PADDING_PKCS", wrong, CipherExtra())
    assert stub.calls("C_OpenSession") <= before + 1  # of a thread that had none yet
    stub.fail("C_SignInit", GENERAL_ERROR, count=FOREVER)
    with raises(Reason.CONNECTIVITY):
        store.decrypt(key, None, "RSA_PADDING_PKCS", wrong, CipherExtra())
    stub.release()
    waited(lambda: store.token.is_up)
    assert store.decrypt(key, None, "RSA_PADDING_PKCS", sealed, CipherExtra()) == b"payload"


@pytest.mark.parametrize("value", [SESSION_HANDLE_INVALID, DEVICE_ERROR], ids=hex)
@pytest.mark.parametrize("function", ["C_WrapKey", "C_UnwrapKey"])
def test_wrapping_is_repeated_and_leaves_nothing_behind(
    store: TokenKeystore, stub: Stub, secret: Key, function: str, value: int
) -> None:
    before = set(store.remarks())
    stub.fail(function, value)
    wrapped = store.wrap(Locked(secret), Locked(secret), "AES_WRAP")
    made = store.unwrap(Locked(secret), "AES_WRAP", wrapped, KeySpec(label(), "AES", OPENS), None)
    assert made.key_size == 256
    with raises(Reason.UNWRAP_FAILED):
        store.unwrap(Locked(secret), "AES_WRAP", bytes(len(wrapped)), KeySpec(label(), "AES", OPENS), None)
    assert set(store.remarks()) <= before, "an object without a record is left"


# PINs


def test_a_pin_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    stub = Stub(softhsm(tmp_path), tmp_path)
    store = open_keystore(stub.place, tmp_path, open_token(stub.place, sessions=2))
    key = store.create(spec_of("secp256r1", label()), None)
    stub.fail("C_Login", 0xA0, count=FOREVER)
    assert store.token._keeper is not None
    store.token._keeper.close()
    before = stub.calls("C_Login")
    for _ in range(20):
        is_refused(store, key)
    assert stub.calls("C_Login") == before + 1
    assert len(stub.place.events("token.pin-refused")) == 1
    store.close()


def test_a_wrong_pin_at_the_start_refuses_to_start_after_one_try(tmp_path: Path) -> None:
    stub = Stub(softhsm(tmp_path), tmp_path)
    with raises(Reason.CONFIG_INVALID):
        open_token(stub.place, pin="4321")
    assert stub.calls("C_Login") == 1


@pytest.mark.parametrize("function", ["C_GetTokenInfo", "C_OpenSession", "C_Login"])
def test_a_token_that_is_busy_at_the_start_is_waited_for(tmp_path: Path, function: str) -> None:
    """As SoftHSM is where other processes start over it."""
    stub = Stub(softhsm(tmp_path), tmp_path)
    stub.fail(function, GENERAL_ERROR, count=6)
    token = open_token(stub.place)
    try:
        assert token.is_up
        token.ping()
    finally:
        token.close()


def test_a_token_that_does_not_answer_at_the_start_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_BEGIN_SECONDS", 0.3)
    stub = Stub(softhsm(tmp_path), tmp_path)
    stub.fail("C_OpenSession", GENERAL_ERROR, count=FOREVER)
    with raises(Reason.CONNECTIVITY):
        open_token(stub.place)
    stub.release()


# what cannot be opened


def test_what_is_no_module_and_no_token_is_told(tmp_path: Path, stub: Stub, opened: TokenKeystore) -> None:
    text = tmp_path / "text.so"
    text.write_text("no module")
    for path in (tmp_path / "absent.so", text, Path("/usr/lib/x86_64-linux-gnu/libc.so.6")):
        with raises(Reason.CONFIG_INVALID):
            Library(path)
    place = softhsm(tmp_path / "other")
    with raises(Reason.CONNECTIVITY):
        open_token(Place(place.module, place.environment, label="another"))
    place.run("softhsm2-util", "--init-token", "--free", "--label", "lab", "--so-pin", "1234", "--pin", "1234")
    with raises(Reason.CONFIG_INVALID):
        open_token(place)
    os.environ.update(stub.place.environment)


def test_a_module_is_not_carried_over_a_fork(store: TokenKeystore, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        with raises(Reason.INTERNAL):
            store.sign(key, None, ALGORITHM, b"m", NO_EXTRA)
    signs(store, key)


# what SoftHSM does now and then, where several processes store objects in one token


def test_a_key_that_the_token_shows_twice_is_used(store: TokenKeystore, stub: Stub, key: Key, secret: Key) -> None:
    store.token.renew()
    stub.show_twice(on=True)
    signs(store, key)
    encrypts(store, secret)


def test_a_key_that_the_token_shows_twice_is_destroyed_whole(store: TokenKeystore, stub: Stub) -> None:
    stub.show_twice(on=True)
    for spec in (spec_of("secp256r1", label()), KeySpec(label(), "AES", OPENS, key_size=128)):
        made = store.create(spec, None)
        assert made.label.encode() in stub.place.tool("--list-objects", module=SOFTHSM)
        store.delete(made, None)
        assert made.label.encode() not in stub.place.tool("--list-objects", module=SOFTHSM)
    stub.show_twice(on=False)


def test_two_secrets_of_one_identifier_are_not_taken_for_one(store: TokenKeystore, stub: Stub) -> None:
    made = store.create(KeySpec(label(), "AES", OPENS, key_size=128), None)
    identifier = (OWN_ID + uuid.UUID(made.uuid).bytes).hex()
    other = stub.place.module.with_name("other")
    other.write_bytes(bytes(range(16)))
    stub.place.tool(
        *("--write-object", str(other), "--type", "secrkey", "--key-type", "AES:16", "--label", made.label),
        *("--id", identifier),
        module=SOFTHSM,
    )
    store.token.renew()
    with raises(Reason.KEYSTORE):
        store.encrypt(made, None, "AES_GCM", b"m", CipherExtra(tag_bits=128))


@pytest.mark.parametrize("value", [TEMPLATE_INCONSISTENT, 0xD0], ids=["template-inconsistent", "template-incomplete"])
def test_making_that_is_refused_once_is_tried_again(store: TokenKeystore, stub: Stub, value: int) -> None:
    stub.fail("C_GenerateKeyPair", value)
    signs(store, store.create(spec_of("secp256r1", label()), None))
    wrapping = store.create(KeySpec(label(), "AES", OPENS, key_size=128), None)
    octets = os.urandom(16)
    wrapped = store.wrap(Locked(_imported(store, octets), None), Locked(wrapping, None), "AES_WRAP")
    stub.fail("C_UnwrapKey", value)
    made = store.unwrap(Locked(wrapping, None), "AES_WRAP", wrapped, KeySpec(label(), "AES", OPENS), None)
    encrypts(store, made)


def test_making_that_is_refused_twice_is_refused(store: TokenKeystore, stub: Stub) -> None:
    stub.fail("C_GenerateKeyPair", TEMPLATE_INCONSISTENT, count=2)
    with raises(Reason.KEYSTORE):
        store.create(spec_of("secp256r1", label()), None)


def _imported(store: TokenKeystore, octets: bytes) -> Key:
    return store.bring_in(KeySpec(label(), "AES", OPENS), secret_material("AES", octets), None)
