"""What changes about keys that exist: passwords, blocking, policies; and MACs beside them."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from support.api import Api
from support.api_keys import P256, b64, have, refused

EC = {"algorithm": "EC", "curveOid": P256, "attributes": {"sign": True, "destroyable": True}}
LATER = {"tokens": [{"timelock": 60, "timeout": 0}]}
QUORUM = {"tokens": [{"timelock": 0, "timeout": 60, "groups": [{"quorum": 1, "approvals": []}]}]}


def sign(api: Api, label: str, password: Any = None) -> Any:
    inner = {
        "payload": b64(b"x"),
        "signKeyName": label,
        "signatureAlgorithm": "SHA256_WITH_ECDSA",
        "keyPassword": password,
    }
    return api.call("POST", "/v1/synchronousSign", {"signRequest": inner})


def change(api: Api, label: str, **passwords: Any) -> Any:
    return api.call("POST", "/v1/key/changePassword", {"label": label, **passwords})


def block(api: Api, label: str, **more: Any) -> Any:
    return api.call("POST", "/v1/synchronousBlock", {"blockRequest": {"blockKeyName": label, **more}})


def unblock(api: Api, label: str, **more: Any) -> Any:
    return api.call("POST", "/v1/synchronousUnblock", {"unblockRequest": {"unblockKeyName": label, **more}})


def modify(api: Api, label: str, policy: Any, **more: Any) -> Any:
    return api.call(
        "POST", "/v1/synchronousModify", {"modifyRequest": {"modifyKeyName": label, "policy": policy, **more}}
    )


def free(api: Api, label: str, **more: Any) -> Any:
    return modify(api, label, {}, **more)


def policy_of(api: Api, label: str, **more: Any) -> Any:
    return api.call("POST", "/v1/key/attributes", {"label": label, **more}).json["json"]["policy"]


# passwords


def test_a_password_comes_changes_and_goes(api: Api) -> None:
    have(api, "p-turns", **EC)
    before = api.call("POST", "/v1/key/attributes", {"label": "p-turns"}).json["json"]
    steps: list[tuple[Any, Any]] = [
        (None, "one"),
        (list("one"), ["t", "w", "o"]),
        ("two", "two"),
        ("two", None),
        ([], ""),
    ]
    for old, new in steps:
        answer = change(api, "p-turns", password=old, newPassword=new)
        assert (answer.status, answer.json) == (200, {}), (old, new)
        assert sign(api, "p-turns", new).status == 200
        for wrong in {"one", "two", "three"} - {"".join(new or "")}:
            assert refused(sign(api, "p-turns", wrong)) == (400, 620)
            api.forget_guesses()
        assert refused(sign(api, "p-turns")) == (400, 620) if new else sign(api, "p-turns").status == 200
    after = api.call("POST", "/v1/key/attributes", {"label": "p-turns"}).json["json"]
    assert after | {"attestTime": 0, "keyUsageCount": 0} == before | {"attestTime": 0, "keyUsageCount": 0}


def test_a_wrong_old_password_changes_nothing(api: Api) -> None:
    have(api, "p-keeps", password="mine", **EC)
    for wrong in (None, "", "Mine", "min", list("mine "), []):
        assert refused(change(api, "p-keeps", password=wrong, newPassword="yours")) == (400, 620)
    assert sign(api, "p-keeps", "mine").status == 200
    assert refused(change(api, "p-none", newPassword="x")) == (404, 650)
    assert refused(change(api, "p-keeps", password="mine", newPassword=["ab"])) == (400, 600)


def test_absent_and_wrong_passwords_have_one_answer(api: Api) -> None:
    have(api, "p-same", password="mine", **EC)
    have(api, "p-without", **EC)
    answers = {sign(api, "p-same", wrong).body for wrong in (None, "", "x")} | {sign(api, "p-without", "x").body}
    assert len(answers) == 1


# blocking


def test_block_and_unblock(api: Api) -> None:
    have(api, "b-free", policy={}, **EC)
    for turn in (block, block, unblock, unblock, block):
        answer = turn(api, "b-free")
        assert (answer.status, answer.json) == (200, {})
        blocked = turn is block
        assert policy_of(api, "b-free")["keyStatus"] == {"blocked": blocked}
        assert sign(api, "b-free").status == (500 if blocked else 200)
    assert refused(sign(api, "b-free")) == (500, 701)


def test_rules_guard_blocking(api: Api) -> None:
    have(api, "b-block", policy={"ruleBlock": LATER}, **EC)
    have(api, "b-unblock", policy={"ruleUnblock": QUORUM}, **EC)
    assert refused(block(api, "b-block")) == (500, 701)
    assert block(api, "b-unblock").status == 200
    assert refused(unblock(api, "b-unblock")) == (500, 701)
    assert policy_of(api, "b-unblock")["keyStatus"] == {"blocked": True}


def test_what_blocking_and_modifying_refuse(api: Api) -> None:
    have(api, "b-plain", **EC)
    have(api, "b-locked", password="pw", policy={}, **EC)
    for turn in (block, unblock, free):
        assert refused(turn(api, "b-plain")) == (400, 611)
        assert refused(turn(api, "b-none")) == (404, 650)
        assert refused(turn(api, "b-locked")) == (400, 620)
        assert refused(turn(api, "b-locked", signedApprovals=["YQ=="])) == (501, 101)
        assert turn(api, "b-locked", keyPassword=["p", "w"]).status == 200


# modifying


def test_rules_that_are_not_named_stay_and_null_frees(api: Api) -> None:
    have(api, "m-rules", policy={"ruleUse": LATER, "ruleBlock": QUORUM}, **EC)
    assert refused(sign(api, "m-rules")) == (500, 701)
    assert modify(api, "m-rules", {"ruleUse": None, "keyStatus": {"blocked": True}}).json == {}
    now = policy_of(api, "m-rules")
    assert (now["ruleUse"], now["ruleModify"], now["keyStatus"]) == (None, None, {"blocked": False})
    assert now["ruleBlock"]["tokens"][0]["groups"][0]["quorum"] == 1
    assert sign(api, "m-rules").status == 200
    assert modify(api, "m-rules", {"ruleUse": LATER}).status == 200
    assert refused(sign(api, "m-rules")) == (500, 701)
    assert modify(api, "m-rules", {"ruleUse": {"tokens": None}}).status == 200  # the Go client's zero rule
    assert sign(api, "m-rules").status == 200


def test_a_rule_for_modifying_binds_from_then_on(api: Api) -> None:
    have(api, "m-last", policy={}, **EC)
    assert modify(api, "m-last", {"ruleModify": LATER}).status == 200
    assert refused(modify(api, "m-last", {"ruleModify": None})) == (500, 701)
    assert refused(modify(api, "m-last", {})) == (500, 701)


@pytest.mark.parametrize(
    "policy",
    [
        {"ruleUse": QUORUM},  # no approver: nobody could ever use the key
        {"ruleUse": {"tokens": [{"timelock": 59, "timeout": 60}]}},
        {"ruleUse": {"tokens": [{"timelock": 0}]}},
        {"ruleUse": []},
        None,
    ],
)
def test_policies_are_checked_as_at_creation(api: Api, policy: Any) -> None:
    have(api, "m-checked", policy={}, **EC)
    assert refused(modify(api, "m-checked", policy)) == (400, 600)
    assert policy_of(api, "m-checked")["ruleUse"] is None


# MACs

VECTOR = ("key", b"what do ya want for nothing?")


@pytest.mark.parametrize("digest", ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"])
def test_macs_are_those_of_the_standard_library(api: Api, digest: str) -> None:
    label, secret = f"h-{digest}", bytes(range(20))
    body = {"label": label, "algorithm": f"HMAC{digest}", "secretKey": b64(secret), "attributes": {"sign": True}}
    assert api.call("POST", "/v1/key/import/plain", body).status == 201
    for payload in (b"", VECTOR[1], bytes(65536)):
        made = mac(api, label, payload)
        assert made.json == {"keyedHash": b64(hmac.new(secret, payload, getattr(hashlib, digest.lower())).digest())}
        code = base64.b64decode(made.json["keyedHash"])
        assert checked(api, label, payload, code).json == {"signatureValid": True}
        wrong = (b"", code[:-1], code + b"\0", code[:-1] + bytes([code[-1] ^ 1]), bytes(len(code)))
        for other in wrong:
            assert checked(api, label, payload, other).json == {"signatureValid": False}


def mac(api: Api, label: str, payload: bytes, **more: Any) -> Any:
    return api.call("POST", "/v1/synchronousHmac", {"hmacRequest": {"keyName": label, "payload": b64(payload), **more}})


def checked(api: Api, label: str, payload: bytes, code: bytes, **more: Any) -> Any:
    inner = {"keyName": label, "payload": b64(payload), "signature": b64(code), **more}
    return api.call("POST", "/v1/verify", {"verifyHmacRequest": inner})


def test_keys_for_macs_are_made_without_a_size(api: Api) -> None:
    for size in ({}, {"keySize": 0}, {"keySize": 256}):
        have(api, f"h-{len(size)}{size.get('keySize')}", algorithm="HMACSHA256", attributes={"sign": True}, **size)
    body = {"label": "h-x", "algorithm": "HMACSHA256", "attributes": {"sign": True}, "keySize": 128}
    assert refused(api.call("POST", "/v1/key", body)) == (400, 603)


def test_what_macs_refuse(api: Api) -> None:
    have(api, "h-makes", algorithm="HMACSHA256", attributes={"sign": True, "verify": False})
    have(api, "h-checks", algorithm="HMACSHA256", attributes={"decrypt": True, "verify": True})
    have(api, "h-ec", **EC)
    have(api, "h-locked", password="pw", algorithm="HMACSHA256", attributes={"sign": True})
    assert refused(mac(api, "h-checks", b"x")) == (400, 614)
    assert refused(checked(api, "h-makes", b"x", bytes(32))) == (400, 614)
    assert refused(mac(api, "h-ec", b"x")) == (400, 613)
    assert refused(mac(api, "h-none", b"x")) == (404, 650)
    assert refused(mac(api, "h-locked", b"x")) == (400, 620)
    assert refused(checked(api, "h-locked", b"x", bytes(32))) == (400, 620)
    assert checked(api, "h-locked", b"x", bytes(32), keyPassword=list("pw")).json == {"signatureValid": False}
    assert refused(mac(api, "h-makes", bytes(65537))) == (400, 612)
    both = {"verifyHmacRequest": {"keyName": "h-ec", "payload": "", "signature": ""}}
    both["verifySignatureRequest"] = {
        "signKeyName": "h-ec",
        "signatureAlgorithm": "EDDSA",
        "payload": "",
        "signature": "",
    }
    assert refused(api.call("POST", "/v1/verify", both)) == (400, 600)


def test_checking_a_mac_uses_a_secret_so_an_intent_is_audited(api: Api) -> None:
    have(api, "h-audit", algorithm="HMACSHA256", attributes={"sign": True})
    checked(api, "h-audit", b"x", bytes(32))
    assert [line.phase for line in api.audit.lines[-2:]] == ["intent", "outcome"]
