"""The one-way rules, by every combination of flags that bears on them."""

import itertools

import msgspec
import pytest

from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.domain.policy import Policy
from hsmgate.domain.protection import brought_in, check_export, check_unwrap, check_wrap, guards, unwrapped_with
from hsmgate.domain.usage import may
from hsmgate.domain.wrapping import wrap_method
from hsmgate.errors import Failure, Reason
from support.keystore_contract import raises

KW, PKCS1, OAEP = (wrap_method(name) for name in ("AES_WRAP", "RSA_WRAP_PAD", "RSA_WRAP_OAEP"))
GUARD = KeyAttributes(unwrap=True, wrap=True)


def key(flags: KeyAttributes, algorithm: str = "AES", **more: object) -> Key:
    fields = {"uuid": "", "label": "k", "algorithm": algorithm, "attributes": flags, "created": 0} | more
    return Key(**fields)  # type: ignore[arg-type]


def every_flags() -> list[KeyAttributes]:
    flags = ("sensitive", "always_sensitive", "extractable", "never_extractable", "decrypt", "wrap")
    return [
        msgspec.structs.replace(GUARD, **dict(zip(flags, values, strict=True)))
        for values in itertools.product((False, True), repeat=len(flags))
    ]


def test_of_all_combinations_one_guards() -> None:
    assert [flags for flags in every_flags() if guards(key(flags))] == [GUARD]


@pytest.mark.parametrize("flags", every_flags())
def test_what_was_outside_guards_nothing(flags: KeyAttributes) -> None:
    assert not guards(key(brought_in(flags), origin="imported"))
    assert not guards(
        key(unwrapped_with(key(GUARD), msgspec.structs.replace(flags, sensitive=True), sensitive_said=True))
    )


@pytest.mark.parametrize("wrapping", every_flags())
@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize("extractable", [False, True])
def test_a_key_leaves_only_if_it_may(wrapping: KeyAttributes, sensitive: bool, extractable: bool) -> None:
    leaving = key(KeyAttributes(sensitive=sensitive, extractable=extractable))
    if extractable and (not sensitive or guards(key(wrapping))):
        check_wrap(leaving, key(wrapping), KW)
    else:
        with raises(Reason.KEY_FORBIDS):
            check_wrap(leaving, key(wrapping), KW)


def test_what_has_a_policy_or_no_private_part_does_not_leave() -> None:
    leaves = KeyAttributes(sensitive=False, extractable=True)
    with raises(Reason.KEY_FORBIDS):
        check_wrap(key(leaves, "RSA", policy=Policy()), key(GUARD), KW)
    with raises(Reason.INVALID_KEY_TYPE):
        check_wrap(key(leaves, "RSA", origin="public"), key(GUARD), KW)
    check_export(key(KeyAttributes(), "RSA", origin="public"))
    with raises(Reason.KEY_FORBIDS):
        check_export(key(leaves, "RSA", policy=Policy()))


@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize("extractable", [False, True])
def test_export_wants_both_flags(sensitive: bool, extractable: bool) -> None:
    try:
        check_export(key(KeyAttributes(sensitive=sensitive, extractable=extractable)))
        left = True
    except Failure:
        left = False
    assert left == (extractable and not sensitive)


def test_what_guards_does_not_take_part_in_the_oracle_of_pkcs1() -> None:
    guard = key(GUARD, "RSA")
    sensitive = key(KeyAttributes(sensitive=True, extractable=True))
    with raises(Reason.KEY_FORBIDS):
        check_unwrap(guard, PKCS1)
    with raises(Reason.KEY_FORBIDS):
        check_wrap(sensitive, guard, PKCS1)
    check_unwrap(guard, OAEP)
    check_wrap(sensitive, guard, OAEP)
    check_unwrap(key(msgspec.structs.replace(GUARD, wrap=False), "RSA"), PKCS1)
    check_unwrap(key(msgspec.structs.replace(GUARD, decrypt=True), "RSA"), PKCS1)


@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize("sensitive", [False, True])
def test_what_a_guard_unwraps_is_sensitive(said: bool, sensitive: bool) -> None:
    wish = KeyAttributes(sensitive=sensitive, extractable=True)
    if said and not sensitive:
        with raises(Reason.KEY_FORBIDS):
            unwrapped_with(key(GUARD), wish, sensitive_said=said)
    else:
        made = unwrapped_with(key(GUARD), wish, sensitive_said=said)
        assert (made.sensitive, made.always_sensitive, made.never_extractable) == (True, False, False)
    other = unwrapped_with(key(msgspec.structs.replace(GUARD, decrypt=True)), wish, sensitive_said=said)
    assert (other.sensitive, other.always_sensitive, other.never_extractable) == (sensitive, False, False)


@pytest.mark.parametrize(("use", "same"), [("encrypt", "decrypt"), ("verify", "sign"), ("wrap", "unwrap")])
def test_what_a_secret_key_was_not_told_follows_the_other_direction(use: str, same: str) -> None:
    for given in (False, True):
        flags = KeyAttributes(**{same: given})
        assert may(key(flags), use) is given  # type: ignore[arg-type]
        assert may(key(flags, "RSA"), use)  # type: ignore[arg-type]
        for said in (False, True):
            told = msgspec.structs.replace(flags, **{use: said})
            assert may(key(told), use) is may(key(told, "RSA"), use) is said  # type: ignore[arg-type]
