"""The one-way rules over a token: what the use cases decide, the token's own attributes say too."""

from collections.abc import Iterator

import msgspec
import pytest
from pkcs11 import Attribute

from hsmgate.adapters.pkcs11.keystore import TokenKeystore
from hsmgate.domain.key import Key, KeyAttributes, KeySpec
from hsmgate.errors import Reason
from hsmgate.usecases import bring_in, wrap
from hsmgate.usecases.ports import Audit, Locked, Ports
from support.hsm_tokens import NOW, open_keystore, softhsm
from support.keystore_contract import TRAVELS, label, raises

GUARD = KeyAttributes(unwrap=True)
SECRET = KeyAttributes(decrypt=True, unwrap=True, extractable=True)  # sensitive, and may leave under a guard


class NoAudit:
    """Use cases that are called here write nothing."""

    def append(self, event: object) -> None:
        raise AssertionError(event)

    def recent(self, most: int) -> bytes:
        raise AssertionError(most)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenKeystore]:
    folder = tmp_path_factory.mktemp("softhsm")
    keystore = open_keystore(softhsm(folder), folder)
    yield keystore
    keystore.close()


@pytest.fixture(scope="module")
def ports(store: TokenKeystore) -> Ports:
    audit: Audit = NoAudit()
    return Ports(store, audit, lambda: NOW, (), "")


def made(store: TokenKeystore, flags: KeyAttributes, algorithm: str = "AES", size: int = 256) -> Key:
    return store.create(KeySpec(label(), algorithm, flags, key_size=size), None)


def told(store: TokenKeystore, key: Key) -> tuple[bool, bool]:
    """CKA_SENSITIVE and CKA_EXTRACTABLE, as the token has them."""
    names = (Attribute.SENSITIVE, Attribute.EXTRACTABLE)
    sensitive, extractable = store.token.run(lambda seat: [bool(store.located(seat, key)[name]) for name in names])
    return sensitive, extractable


@pytest.mark.parametrize("guard", [("AES", 256, "AES_WRAP"), ("RSA", 2048, "RSA_WRAP_OAEP")], ids=["aes", "rsa"])
def test_a_sensitive_key_leaves_under_a_guard_only_and_stays_sensitive(
    store: TokenKeystore, ports: Ports, guard: tuple[str, int, str]
) -> None:
    algorithm, size, method = guard
    key, keeper = made(store, SECRET), made(store, GUARD, algorithm, size)
    for weak in (msgspec.structs.replace(GUARD, decrypt=True), msgspec.structs.replace(GUARD, extractable=True)):
        with raises(Reason.KEY_FORBIDS):
            wrap.wrap(ports, wrap.Wrap(key.label, made(store, weak, algorithm, size).label, method))
    wrapped = wrap.wrap(ports, wrap.Wrap(key.label, keeper.label, method))
    asked = KeyAttributes(decrypt=True, extractable=True, sensitive=False)
    with raises(Reason.KEY_FORBIDS):
        wrap.unwrap(ports, wrap.Unwrap(wrapped, keeper.label, method, label(), asked, sensitive_said=True))
    again = wrap.unwrap(ports, wrap.Unwrap(wrapped, keeper.label, method, label(), asked)).key
    assert again.attributes.sensitive
    assert not again.attributes.always_sensitive
    assert told(store, again) == (True, True)
    with raises(Reason.KEY_FORBIDS):
        bring_in.take_out(ports, again.label, None)


def test_what_may_not_leave_the_token_itself_keeps(store: TokenKeystore) -> None:
    wrapping, kept = made(store, GUARD), made(store, msgspec.structs.replace(SECRET, extractable=False))
    assert told(store, kept) == (True, False)
    with raises(Reason.KEY_FORBIDS):
        store.wrap(Locked(kept), Locked(wrapping), "AES_WRAP")
    with raises(Reason.KEYSTORE):
        store.take_out(kept, None)


def test_imported_keys_are_what_was_asked_for(store: TokenKeystore, ports: Ports) -> None:
    open_one = bring_in.bring_in(ports, bring_in.ImportKey(label(), "AES", TRAVELS, secret=bytes(range(32)))).signed.key
    assert told(store, open_one) == (False, True)
    assert bring_in.take_out(ports, open_one.label, None).material.secret == bytes(range(32))
    shut = bring_in.bring_in(ports, bring_in.ImportKey(label(), "AES", GUARD, secret=bytes(range(32)))).signed.key
    assert told(store, shut) == (True, False)
    with raises(Reason.KEY_FORBIDS):  # it was outside: it guards nothing
        wrap.wrap(ports, wrap.Wrap(made(store, SECRET).label, shut.label, "AES_WRAP"))


def test_a_key_that_is_taken_in_under_a_taken_label_leaves_nothing(store: TokenKeystore, ports: Ports) -> None:
    key = made(store, SECRET)
    with raises(Reason.KEY_EXISTS):
        bring_in.bring_in(ports, bring_in.ImportKey(key.label, "AES", TRAVELS, secret=bytes(range(32))))
    with raises(Reason.NOT_IMPLEMENTED):  # SoftHSM2 uses no key that is shorter than the code
        bring_in.bring_in(ports, bring_in.ImportKey(label(), "HMACSHA256", TRAVELS, secret=bytes(range(16))))
    assert not any("no record" in remark for remark in store.remarks())
