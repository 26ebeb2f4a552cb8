"""Wrap and unwrap over the application: answers, statuses, flags of what arrives, refusals."""

import base64
from typing import Any

import pytest

from hsmgate.domain.wrapping import WRAP_METHODS
from hsmgate.usecases.ports import CipherRules
from support.api import Api
from support.api_keys import P256, b64, have, refused

# what the Go client's live test gives every key
ALL = dict.fromkeys(("decrypt", "encrypt", "extractable", "sign", "unwrap", "verify", "wrap", "destroyable"), True)
KEYS: dict[str, dict[str, Any]] = {
    "AES": {"algorithm": "AES", "keySize": 256},
    "RSA": {"algorithm": "RSA", "keySize": 2048},
    "EC": {"algorithm": "EC", "curveOid": P256},
    "ED": {"algorithm": "ED", "curveOid": "1.3.101.112"},
    "DSA": {"algorithm": "DSA", "keySize": 1024},
}
GUARD = {"wrap": True, "unwrap": True}
METHODS = [row for row in WRAP_METHODS if not row.absent]


def wrap(api: Api, label: str, by: str, method: str, **more: Any) -> Any:
    inner = {"keyToBeWrapped": label, "wrapKeyName": by, "wrapMethod": method} | more
    return api.call("POST", "/v1/wrap", {"wrapKeyRequest": inner})


def unwrap(api: Api, wrapped: str, by: str, method: str, label: str, attributes: Any = ALL, **more: Any) -> Any:
    inner = {"wrappedKey": wrapped, "label": label, "attributes": attributes, "unwrapKeyName": by, "wrapMethod": method}
    return api.call("POST", "/v1/synchronousUnwrap", {"unwrapKeyRequest": inner | {"policy": None} | more})


def ready(api: Api, *names: str) -> None:
    for name in names:
        have(api, f"w-{name}", attributes=ALL, **KEYS[name])


def wrapped_by(api: Api, label: str, by: str, method: str) -> str:
    answer = wrap(api, label, by, method)
    assert (answer.status, list(answer.json)) == (200, ["wrappedKey"]), answer.body
    return str(answer.json["wrappedKey"])


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.name)
def test_every_method_there_and_back(api: Api, row: Any) -> None:
    source = row.wraps or "AES"
    ready(api, source, row.key)
    wrapped = wrapped_by(api, f"w-{source}", f"w-{row.key}", row.name)
    answer = unwrap(api, wrapped, f"w-{row.key}", row.name, f"w-{row.name}")
    assert answer.status == 201, answer.body
    made, first = answer.json["json"], api.call("POST", "/v1/key/attributes", {"label": f"w-{source}"}).json["json"]
    for name in ("algorithm", "algorithmOid", "curveOid", "keySize", "publicKey", "policy"):
        assert made[name] == first[name], name
    assert made["attributes"]["extractable"]
    assert not made["attributes"]["sensitive"]
    assert not made["attributes"]["alwaysSensitive"]
    assert not made["attributes"]["neverExtractable"]
    assert 'creation="imported"' in answer.json["xml"]
    exports = [
        api.call("POST", "/v1/key/export/plain", {"label": name}).json for name in (f"w-{source}", f"w-{row.name}")
    ]
    assert exports[0]["privateKey"] == exports[1]["privateKey"]
    assert exports[0]["secretKey"] == exports[1]["secretKey"]
    assert exports[0]["privateKey"] or exports[0]["secretKey"]
    assert api.call("POST", "/v1/key/deleteKey", {"label": f"w-{row.name}"}).status == 200


@pytest.mark.parametrize("name", ["ML-KEM-512", "ML-KEM-768", "ML-KEM-1024", "AES_WRAP_X", "aes_wrap", ""])
def test_methods_that_are_refused(api: Api, name: str) -> None:
    ready(api, "AES")
    assert refused(wrap(api, "w-AES", "w-AES", name)) == (400, 600)
    assert refused(unwrap(api, "AAAA", "w-AES", name, "w-x")) == (400, 600)


@pytest.mark.parametrize(
    ("label", "by", "method", "expected"),
    [
        ("w-AES", "w-RSA", "AES_WRAP", (400, 607)),
        ("w-AES", "w-AES", "RSA_WRAP_OAEP", (400, 607)),
        ("w-AES", "w-AES", "AES_WRAP_RSA", (400, 607)),
        ("w-RSA", "w-AES", "AES_WRAP", (400, 607)),
        ("w-RSA", "w-AES", "AES_WRAP_EC", (400, 607)),
        ("w-RSA", "w-RSA", "RSA_WRAP_OAEP", (400, 607)),
        ("w-AES", "w-AES", "AES_WRAP_BLS", (501, 101)),
        ("w-none", "w-AES", "AES_WRAP", (404, 650)),
        ("w-AES", "w-none", "AES_WRAP", (404, 650)),
    ],
)
def test_what_wrap_refuses(api: Api, label: str, by: str, method: str, expected: tuple[int, int]) -> None:
    ready(api, "AES", "RSA")
    assert refused(wrap(api, label, by, method)) == expected


def test_flags_decide(api: Api) -> None:
    ready(api, "AES")
    have(api, "w-stays", attributes={"decrypt": True}, **KEYS["AES"])
    assert refused(wrap(api, "w-stays", "w-AES", "AES_WRAP")) == (400, 614)
    have(api, "w-no-wrap", attributes={"decrypt": True, "unwrap": True, "wrap": False}, **KEYS["AES"])
    assert refused(wrap(api, "w-AES", "w-no-wrap", "AES_WRAP")) == (400, 614)
    have(api, "w-no-unwrap", attributes={"decrypt": True, "wrap": True}, **KEYS["AES"])
    wrapped = wrapped_by(api, "w-AES", "w-no-unwrap", "AES_WRAP")
    assert refused(unwrap(api, wrapped, "w-no-unwrap", "AES_WRAP", "w-y")) == (400, 614)


def test_a_sensitive_key_leaves_only_under_a_guard(api: Api) -> None:
    ready(api, "AES", "RSA")
    have(api, "w-secret", attributes={"decrypt": True, "extractable": True, "sensitive": True}, **KEYS["AES"])
    have(api, "w-guard", attributes=GUARD, **KEYS["AES"])
    have(api, "w-rsa-guard", attributes=GUARD, **KEYS["RSA"])
    assert refused(wrap(api, "w-secret", "w-AES", "AES_WRAP")) == (400, 614)
    assert refused(wrap(api, "w-secret", "w-RSA", "RSA_WRAP_OAEP")) == (400, 614)
    assert refused(wrap(api, "w-secret", "w-rsa-guard", "RSA_WRAP_PAD")) == (400, 614)
    for by, method in (("w-guard", "AES_WRAP"), ("w-rsa-guard", "RSA_WRAP_OAEP")):
        wrapped = wrapped_by(api, "w-secret", by, method)
        wish = {"decrypt": True, "extractable": True, "destroyable": True}
        assert refused(unwrap(api, wrapped, by, method, "w-open", wish | {"sensitive": False})) == (400, 614)
        made = unwrap(api, wrapped, by, method, "w-open", wish)
        assert made.status == 201
        assert made.json["json"]["attributes"]["sensitive"]
        assert refused(api.call("POST", "/v1/key/export/plain", {"label": "w-open"})) == (400, 614)
        assert refused(wrap(api, "w-open", "w-AES", "AES_WRAP")) == (400, 614)
        assert api.call("POST", "/v1/key/deleteKey", {"label": "w-open"}).status == 200


def test_a_guard_does_not_unwrap_by_pkcs1(api: Api) -> None:
    have(api, "w-rsa-guard", attributes=GUARD, **KEYS["RSA"])
    assert refused(unwrap(api, b64(bytes(256)), "w-rsa-guard", "RSA_WRAP_PAD", "w-z", {"decrypt": True})) == (400, 614)
    have(api, "w-rsa-takes", attributes={"unwrap": True, "wrap": False}, **KEYS["RSA"])
    answer = unwrap(api, b64(bytes(256)), "w-rsa-takes", "RSA_WRAP_PAD", "w-z", {"decrypt": True})
    assert refused(answer) == (500, 701)
    api.ports.__dict__["rules"] = CipherRules(rsa_legacy=False)
    answer = unwrap(api, b64(bytes(256)), "w-rsa-takes", "RSA_WRAP_PAD", "w-z", {"decrypt": True})
    assert refused(answer) == (501, 101)


def test_an_imported_key_guards_nothing(api: Api) -> None:
    have(api, "w-secret", attributes={"decrypt": True, "extractable": True, "sensitive": True}, **KEYS["AES"])
    body = {"label": "w-known", "algorithm": "AES", "secretKey": b64(bytes(32)), "attributes": GUARD}
    assert api.call("POST", "/v1/key/import/plain", body).status == 201
    assert refused(wrap(api, "w-secret", "w-known", "AES_WRAP")) == (400, 614)


def test_whatever_is_wrong_with_a_wrapped_key_has_one_answer(api: Api) -> None:
    ready(api, "AES", "RSA", "EC")
    wrapped = wrapped_by(api, "w-AES", "w-AES", "AES_WRAP")
    locked = wrapped_by(api, "w-EC", "w-AES", "AES_WRAP_PAD_EC")
    broken = b64(base64.b64decode(wrapped)[:-1] + b"\0")
    answers = [
        unwrap(api, broken, "w-AES", "AES_WRAP", "w-new"),
        unwrap(api, wrapped, "w-AES", "AES_WRAP", "w-AES"),  # the name is in use
        unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-new"),
        unwrap(api, locked, "w-AES", "AES_WRAP_PAD", "w-new"),
        unwrap(api, wrapped, "w-AES", "AES_WRAP_PAD", "w-new"),
        unwrap(api, wrapped, "w-AES", "AES_WRAP", "w-new", {"decrypt": True}, policy={}),  # a secret key has none
        unwrap(api, wrapped, "w-AES", "AES_WRAP", "w-new", algorithm="TDEA"),
        unwrap(api, wrapped, "w-RSA", "RSA_WRAP_OAEP", "w-new"),
        unwrap(api, b64(bytes(256)), "w-RSA", "RSA_WRAP_PAD", "w-new"),
        unwrap(api, "", "w-AES", "AES_WRAP", "w-new"),
    ]
    assert {answer.status for answer in answers} == {500}
    assert {answer.body for answer in answers} == {
        b'{"errorCode":701,"reason":"res.error.in.hsm","message":"Error unwrapping key"}'
    }


def test_secret_keys_of_other_types_say_what_they_are(api: Api) -> None:
    ready(api, "AES")
    have(api, "w-chacha", algorithm="ChaCha20", keySize=256, attributes=ALL)
    wrapped = wrapped_by(api, "w-chacha", "w-AES", "AES_WRAP")
    made = unwrap(api, wrapped, "w-AES", "AES_WRAP", "w-chacha-2", algorithm="ChaCha20")
    assert (made.status, made.json["json"]["algorithm"]) == (201, "ChaCha20")
    for wrong, expected in (("RSA", (400, 600)), ("X", (400, 600)), ("BLS", (501, 101))):
        assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP", "w-chacha-3", algorithm=wrong)) == expected
    assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-chacha-3", algorithm="ED")) == (400, 600)


def test_passwords_of_all_three_keys(api: Api) -> None:
    have(api, "w-locked", password="one", attributes=ALL, **KEYS["AES"])
    have(api, "w-locker", password="two", attributes=ALL, **KEYS["AES"])
    for mine, theirs in ((None, None), ("one", None), (None, "two"), ("two", "one")):
        answer = wrap(api, "w-locked", "w-locker", "AES_WRAP", keyToBeWrappedPassword=mine, wrapKeyPassword=theirs)
        assert refused(answer) == (400, 620)
    given = {"keyToBeWrappedPassword": list("one"), "wrapKeyPassword": "two"}
    wrapped = wrap(api, "w-locked", "w-locker", "AES_WRAP", **given).json["wrappedKey"]
    assert refused(unwrap(api, wrapped, "w-locker", "AES_WRAP", "w-relocked")) == (400, 620)
    made = unwrap(api, wrapped, "w-locker", "AES_WRAP", "w-relocked", unwrapKeyPassword="two", password=list("three"))
    assert made.status == 201
    assert refused(api.call("POST", "/v1/key/export/plain", {"label": "w-relocked"})) == (400, 620)
    answer = api.call("POST", "/v1/key/export/plain", {"label": "w-relocked", "password": "three"})
    assert answer.status == 200


def test_policies_of_wrapping_and_unwrapped_keys(api: Api) -> None:
    ready(api, "AES", "EC")
    later = {"ruleUse": {"tokens": [{"timelock": 60, "timeout": 60}]}}
    have(api, "w-ruled", attributes={"unwrap": True}, policy=later, **KEYS["RSA"])
    wrapped = wrapped_by(api, "w-AES", "w-ruled", "RSA_WRAP_OAEP")  # with the public half
    assert refused(unwrap(api, wrapped, "w-ruled", "RSA_WRAP_OAEP", "w-p", {"decrypt": True})) == (500, 701)
    wrapped = wrapped_by(api, "w-EC", "w-AES", "AES_WRAP_EC")
    assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-p", ALL, policy=later)) == (400, 606)
    made = unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-p", {"sign": True}, policy=later)
    assert (made.status, made.json["json"]["policy"]["ruleUse"]["tokens"][0]["timelock"]) == (201, 60)
    assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-q", {"verify": True})) == (400, 606)
    assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "a/b", {"sign": True})) == (400, 610)
    assert refused(unwrap(api, wrapped, "w-AES", "AES_WRAP_EC", "w-q", {"sign": True}, signedApprovals=["YQ=="])) == (
        501,
        101,
    )


def test_the_audit_names_both_keys(api: Api) -> None:
    ready(api, "AES")
    wrapped_by(api, "w-AES", "w-AES", "AES_WRAP")
    assert [line.phase for line in api.audit.lines[-2:]] == ["intent", "outcome"]
    detail = api.audit.lines[-1].detail
    assert (detail["key"], detail["wrappingKey"], detail["algorithm"]) == ("w-AES", "w-AES", "AES_WRAP")
