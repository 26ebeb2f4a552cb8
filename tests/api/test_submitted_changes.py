"""/v1/unwrap, /v1/modify, /v1/block, /v1/unblock: what they do to keys, when they refuse, when they fail."""

import base64
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from hsmgate.domain.request import PENDING
from hsmgate.errors import Failure, Reason
from support.api import Api, requests_beside
from support.api_keys import P256, b64, have, refused

RULED = {
    "algorithm": "EC",
    "curveOid": P256,
    "attributes": {"sign": True, "destroyable": True},
    "policy": {},
}
PLAIN = {name: value for name, value in RULED.items() if name != "policy"}
WRAPPING = bytes(range(32))
BROUGHT = {"algorithm": "AES", "secretKey": b64(WRAPPING), "attributes": {"unwrap": True, "destroyable": True}}
SECRET = bytes(range(100, 116))
QUORUM = {"tokens": [{"timelock": 0, "timeout": 60, "groups": [{"quorum": 1, "approvals": []}]}]}
LATER = {"tokens": [{"timelock": 60, "timeout": 0}]}
BODIES: dict[str, tuple[str, str, str]] = {  # path: body, its member that names the key, member of the answer
    "/v1/unwrap": ("unwrapKeyRequest", "unwrapKeyName", "unwrapRequestId"),
    "/v1/modify": ("modifyRequest", "modifyKeyName", "modifyKeyRequestId"),
    "/v1/block": ("blockRequest", "blockKeyName", "blockKeyRequestId"),
    "/v1/unblock": ("unblockRequest", "unblockKeyName", "unblockKeyRequestId"),
}
paths = pytest.mark.parametrize("path", BODIES)
CHANGES = [path for path in BODIES if path != "/v1/unwrap"]


def post(api: Api, path: str, label: str, /, **more: Any) -> Any:
    body, name, _ = BODIES[path]
    given: dict[str, Any] = {name: label}
    if path == "/v1/unwrap":
        given |= {"wrappedKey": b64(aes_key_wrap(WRAPPING, SECRET)), "wrapMethod": "AES_WRAP"}
        given |= {"label": f"{label}-arrived", "attributes": {"decrypt": True, "extractable": True, "sensitive": False}}
    if path == "/v1/modify":
        given |= {"policy": {"ruleUse": {"tokens": [{"name": "t", "timelock": 0, "timeout": 0}]}}}
    return api.call("POST", path, {body: given | more, "requestSignature": None})


def ended(api: Api, answer: Any) -> tuple[str, Any]:
    """Status and result at the first poll."""
    assert answer.status == 201, answer.body
    ((_, request_id),) = answer.json.items()
    found = api.call("GET", f"/v1/request/{request_id}").json
    return found["status"], found["result"]


def policy_of(api: Api, label: str) -> Any:
    return api.call("POST", "/v1/key/attributes", {"label": label}).json["json"]["policy"]


def count(api: Api) -> int:
    return len(api.call("POST", "/v1/filteredRequests", {"paging": {"pageSize": 1000}}).json["requests"])


@pytest.fixture
def label(api: Api, request: pytest.FixtureRequest) -> str:
    """A key that the path of the test works on."""
    path = request.node.callspec.params["path"]
    name = f"s-{uuid.uuid4()}"
    if path == "/v1/unwrap":
        assert api.call("POST", "/v1/key/import/plain", {"label": name, **BROUGHT}).status == 201
    else:
        have(api, name, **RULED)
    return name


@paths
def test_it_is_executed_at_the_first_poll_with_an_empty_result(api: Api, path: str, label: str) -> None:
    answer = post(api, path, label)
    assert list(answer.json) == [BODIES[path][2]]
    assert ended(api, answer) == ("EXECUTED", "")


@paths
def test_metadata_stays_with_it_and_the_trail_names_it(api: Api, path: str, label: str) -> None:
    api.audit.lines.clear()
    answer = post(api, path, label, metaData=b64(b'{"type": "x"}'), metaDataSignature=b64(b"theirs"))
    ((_, request_id),) = answer.json.items()
    store = requests_beside(api.ports.keystore)
    assert store is not None
    details = store.details(request_id)
    assert details is not None
    assert (details.meta_data, details.meta_data_signature) == (b'{"type": "x"}', b"theirs")
    assert api.audit.brief() == [("intent", f"POST {path}", ""), ("outcome", f"POST {path}", "ok")]
    assert {line.detail["request"] for line in api.audit.lines} == {request_id}


def test_an_unwrapped_key_is_the_one_that_was_wrapped(api: Api) -> None:
    assert api.call("POST", "/v1/key/import/plain", {"label": "s-brought", **BROUGHT}).status == 201
    assert ended(api, post(api, "/v1/unwrap", "s-brought", password="of the new one"))[0] == "EXECUTED"
    arrived = {"label": "s-brought-arrived", "password": "of the new one"}
    assert base64.b64decode(api.call("POST", "/v1/key/export/plain", arrived).json["secretKey"]) == SECRET
    assert api.ports.keystore.find("s-brought").use_count == 1


@pytest.mark.parametrize(
    "change",
    [
        {"wrappedKey": b64(bytes(24))},
        {"wrappedKey": b64(b"x")},
        {"label": "s-fails"},
    ],
    ids=["not its", "too short", "name in use"],
)
def test_what_does_not_unwrap_is_failed(api: Api, change: dict[str, Any]) -> None:
    if "s-fails" not in api.ports.keystore.labels():
        assert api.call("POST", "/v1/key/import/plain", {"label": "s-fails", **BROUGHT}).status == 201
    before = api.ports.keystore.labels()
    assert ended(api, post(api, "/v1/unwrap", "s-fails", **change)) == ("FAILED", None)
    assert api.ports.keystore.labels() == before


def test_a_key_is_blocked_modified_and_unblocked(api: Api) -> None:
    have(api, "s-turns", **RULED)
    wish = {"payload": b64(b"x"), "signKeyName": "s-turns", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    for path, blocked in (("/v1/block", True), ("/v1/block", True), ("/v1/modify", True), ("/v1/unblock", False)):
        assert ended(api, post(api, path, "s-turns")) == ("EXECUTED", "")
        assert policy_of(api, "s-turns")["keyStatus"] == {"blocked": blocked}
        used = api.call("POST", "/v1/synchronousSign", {"signRequest": wish})
        assert used.status == (500 if blocked else 200)
    assert policy_of(api, "s-turns")["ruleUse"]["tokens"][0]["name"] == "t"


def test_rules_that_are_not_named_stay(api: Api) -> None:
    have(api, "s-stays", **RULED | {"policy": {"ruleBlock": LATER, "ruleUnblock": LATER}})
    assert ended(api, post(api, "/v1/modify", "s-stays", policy={"ruleUnblock": None}))[0] == "EXECUTED"
    assert policy_of(api, "s-stays")["ruleUnblock"] is None
    assert policy_of(api, "s-stays")["ruleBlock"]["tokens"][0]["timelock"] == 60


@pytest.mark.parametrize("rule", [QUORUM, LATER], ids=["quorum", "timelock"])
@pytest.mark.parametrize("path", CHANGES)
def test_what_needs_approvals_is_refused_and_changes_nothing(api: Api, path: str, rule: dict[str, Any]) -> None:
    name = f"s-guarded-{path[4:]}-{rule is LATER}"
    policy = {f"rule{path[4:].capitalize()}": rule, "keyStatus": {"blocked": path == "/v1/unblock"}}
    have(api, name, **RULED | {"policy": policy})
    before, requests = policy_of(api, name), count(api)
    assert refused(post(api, path, name)) == (500, 701)
    assert (policy_of(api, name), count(api)) == (before, requests)


@pytest.mark.parametrize("path", CHANGES)
def test_a_key_without_a_policy_can_never_get_one(api: Api, path: str) -> None:
    have(api, f"s-plain-{path[4:]}", **PLAIN)
    assert refused(post(api, path, f"s-plain-{path[4:]}")) == (400, 611)


@pytest.mark.parametrize(
    ("path", "change", "answer"),
    [
        ("/v1/unwrap", {"wrapMethod": "RSA_WRAP_OAEP"}, (400, 607)),
        ("/v1/unwrap", {"wrapMethod": "NONE"}, (400, 600)),
        ("/v1/unwrap", {"wrappedKey": "*"}, (400, 635)),
        ("/v1/unwrap", {"label": ""}, (400, 610)),
        ("/v1/unwrap", {"attributes": {}}, (400, 606)),
        ("/v1/unwrap", {"policy": {}, "attributes": {"decrypt": True}}, (500, 701)),
        ("/v1/unwrap", {"unwrapKeyPassword": "none is set"}, (400, 620)),
        ("/v1/unwrap", {"metaData": "*"}, (400, 635)),
        ("/v1/unwrap", {"signedApprovals": ["eA=="]}, (501, 101)),
        ("/v1/modify", {"policy": {"ruleUse": {"tokens": [{"timelock": 61, "timeout": 0}]}}}, (400, 600)),
        ("/v1/modify", {"policy": None}, (400, 600)),
        ("/v1/modify", {"keyPassword": "none is set"}, (400, 620)),
        ("/v1/modify", {"metaDataSignature": "*"}, (400, 635)),
        ("/v1/modify", {"signedApprovals": ["eA=="]}, (501, 101)),
        ("/v1/block", {"blockKeyName": "s-nowhere"}, (404, 650)),
        ("/v1/block", {"keyPassword": "none is set"}, (400, 620)),
        ("/v1/block", {"signedApprovals": ["eA=="]}, (501, 101)),
        ("/v1/unblock", {"keyPassword": "none is set"}, (400, 620)),
        ("/v1/unblock", {"metaData": 7}, (400, 600)),
        ("/v1/unblock", {"signedApprovals": ["eA=="]}, (501, 101)),
    ],
)
def test_what_is_wrong_is_refused_at_once_and_leaves_nothing(
    api: Api, label: str, path: str, change: dict[str, Any], answer: tuple[int, int]
) -> None:
    before = count(api)
    assert refused(post(api, path, label, **change)) == answer
    assert count(api) == before


def test_wrong_passwords_are_slowed_down_on_this_way_too(api: Api) -> None:
    api.forget_guesses()
    have(api, "s-guessed", **PLAIN, password="right")
    wish = {"payload": b64(b"x"), "signKeyName": "s-guessed", "signatureAlgorithm": "SHA256_WITH_ECDSA"}
    answers = [
        api.call("POST", "/v1/sign", {"signRequest": {**wish, "keyPassword": f"wrong {number}"}}).status
        for number in range(12)
    ]
    assert answers == [400] * 11 + [429]
    api.forget_guesses()


@pytest.mark.parametrize("path", CHANGES)
def test_a_key_that_was_changed_meanwhile_fails_the_request(
    api: Api, label: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise Failure(Reason.KEYSTORE, "the key was changed meanwhile: repeat the request")

    for method in ("change_policy", "unlock"):
        monkeypatch.setattr(type(api.ports.keystore), method, late)
    assert ended(api, post(api, path, label)) == ("FAILED", None)
    monkeypatch.undo()
    assert not [one for one in api.requests.page((PENDING,), newest_first=True, offset=0, most=9) if one.label == label]
