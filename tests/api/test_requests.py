"""/v1/sign, /v1/decrypt, /v1/request/{id}, /v1/filteredRequests: what a client submits, polls, cancels."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.api.openapi.words import Example
from hsmgate.api.routes import Route
from hsmgate.domain.request import PENDING, Details, Request
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.requests import CLAIM_SECONDS, forget
from support.api import NOW, Api, error, requests_beside
from support.asgi_client import Response
from support.described import examples

PAYLOAD = base64.b64encode(b"pay 10 to Alice").decode()
EC = {"algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": {"sign": True, "destroyable": True}}
SIGNER = rsa.generate_private_key(65537, 2048)
SPKI = base64.b64encode(SIGNER.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@pytest.fixture
def label(api: Api) -> str:
    name = f"key-{uuid.uuid4()}"
    assert api.call("POST", "/v1/key", {"label": name, **EC}).status == 201
    return name


def wish(label: str, **more: object) -> dict[str, Any]:
    return {"payload": PAYLOAD, "signKeyName": label, "signatureAlgorithm": "SHA256_WITH_ECDSA", **more}


def submit(api: Api, label: str, **more: object) -> str:
    response = api.call("POST", "/v1/sign", {"signRequest": wish(label, **more)})
    assert response.status == 201, response.json
    assert list(response.json) == ["signRequestId"]
    return str(response.json["signRequestId"])


def polled(api: Api, request_id: str) -> dict[str, Any]:
    response = api.call("GET", f"/v1/request/{request_id}")
    assert response.status == 200, response.json
    found: dict[str, Any] = response.json
    return found


def valid(api: Api, label: str, signature: str) -> bool:
    body = {"verifySignatureRequest": {**wish(label), "signature": signature}}
    verdict: bool = api.call("POST", "/v1/verify", body).json["signatureValid"]
    return verdict


def test_a_signature_is_there_at_the_first_poll(api: Api, label: str) -> None:
    request_id = submit(api, label)
    found = polled(api, request_id)
    result = found.pop("result")
    assert found == {
        "id": request_id,
        "status": "EXECUTED",
        "executionTime": "2024-01-23T10:54:43Z",
        "approvedBy": [],
        "notYetApprovedBy": [],
        "rejectedBy": [],
    }
    assert valid(api, label, result)
    assert polled(api, request_id)["result"] == result, "and stays"


def test_the_audit_trail_names_the_request_before_the_key_is_touched(api: Api, label: str) -> None:
    api.audit.lines.clear()
    request_id = submit(api, label)
    polled(api, request_id)
    assert api.audit.brief() == [
        ("intent", "POST /v1/sign", ""),
        ("outcome", "POST /v1/sign", "ok"),
        ("event", "GET /v1/request/{id}", "ok"),
    ]
    assert {line.detail["request"] for line in api.audit.lines} == {request_id}
    assert api.audit.lines[0].detail["key"] == label


def test_a_signature_runs_once(api: Api, label: str) -> None:
    before = api.ports.keystore.find(label).use_count
    request_id = submit(api, label)
    for _ in range(3):
        polled(api, request_id)
    assert api.ports.keystore.find(label).use_count == before + 1


def test_no_rule_and_free_rules_are_executed_at_once(api: Api) -> None:
    free = {"tokens": None}
    for policy in (
        {},
        {"ruleUse": None, "ruleBlock": None},
        {"ruleUse": free, "ruleBlock": free, "ruleUnblock": free, "ruleModify": free},
        {"ruleUse": {"tokens": [{"name": "t", "timelock": 0, "timeout": 0, "groups": None}]}},
    ):
        name = f"key-{uuid.uuid4()}"
        assert api.call("POST", "/v1/key", {"label": name, **EC, "policy": policy}).status == 201
        assert polled(api, submit(api, name))["status"] == "EXECUTED"


APPROVER = {"type": "public_key", "name": "alice", "value": SPKI}
GUARDED: list[dict[str, Any]] = [
    {"name": "t", "timelock": 0, "timeout": 0, "groups": [{"name": "g", "quorum": 1, "approvals": [APPROVER]}]},
    {"name": "t", "timelock": 60, "timeout": 0, "groups": []},
]


@pytest.mark.parametrize("token", GUARDED, ids=["quorum", "timelock"])
def test_a_key_that_needs_approvals_is_never_used(api: Api, token: dict[str, Any]) -> None:
    name = f"key-{uuid.uuid4()}"
    policy = {"ruleUse": {"tokens": [token]}}
    assert api.call("POST", "/v1/key", {"label": name, **EC, "policy": policy}).status == 201
    response = api.call("POST", "/v1/sign", {"signRequest": wish(name)})
    assert (response.status, response.json) == (
        500,
        error(701, "in.hsm", f"The policy of the key '{name}' needs approvals."),
    )
    assert api.ports.keystore.find(name).use_count == 0
    assert not [one for one in everything(api) if one["status"] == PENDING]


def everything(api: Api, **filters: object) -> list[dict[str, Any]]:
    response = api.call("POST", "/v1/filteredRequests", {"paging": {"pageSize": 1000}, **filters})
    assert response.status == 200, response.json
    assert list(response.json) == ["requests"]
    found: list[dict[str, Any]] = response.json["requests"]
    return found


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signKeyName": "no-such-key"}, 404, 650),
        ({"signatureAlgorithm": "SHA256_WITH_RSA"}, 400, 607),
        ({"signatureAlgorithm": "NONSENSE"}, 400, 600),
        ({"payload": "***"}, 400, 612),
        ({"payload": base64.b64encode(bytes(65537)).decode()}, 400, 612),
        ({"keyPassword": "none is set"}, 400, 620),
        ({"metaData": "***"}, 400, 635),
        ({"metaDataSignature": "***"}, 400, 635),
        ({"signedApprovals": ["eA=="]}, 501, 101),
        ({"context": "eA=="}, 501, 101),
        ({"signatureType": "PEM"}, 400, 600),
    ],
)
def test_what_is_wrong_is_refused_at_once_and_leaves_nothing(
    api: Api, label: str, change: dict[str, Any], status: int, code: int
) -> None:
    before = everything(api)
    response = api.call("POST", "/v1/sign", {"signRequest": wish(label, **change)})
    assert (response.status, response.json["errorCode"]) == (status, code)
    assert everything(api) == before


def test_a_password_is_needed_and_kept_nowhere(api: Api) -> None:
    name = f"key-{uuid.uuid4()}"
    assert api.call("POST", "/v1/key", {"label": name, **EC, "password": list("secret word")}).status == 201
    for wrong in ({}, {"keyPassword": list("other word")}):
        response = api.call("POST", "/v1/sign", {"signRequest": wish(name, **wrong)})
        assert (response.status, response.json["errorCode"]) == (400, 620)
    assert polled(api, submit(api, name, keyPassword=list("secret word")))["status"] == "EXECUTED"
    assert "secret word" not in repr(api.audit.lines)


def signed(label: str, *, meta: bytes | None = None, indent: int | None = None, **change: object) -> bytes:
    """A body of the Go client: the signature is over the compact text of the inner object."""
    inner = wish(label)
    if meta is not None:
        inner["metaData"] = base64.b64encode(meta).decode()
        inner["metaDataSignature"] = base64.b64encode(made(meta)).decode()
    inner |= change
    tight = json.dumps(inner, separators=(",", ":")).encode()
    spread = json.dumps(inner, indent=indent)
    signature = {
        "signature": base64.b64encode(made(tight)).decode(),
        "digestAlgorithm": "SHA-256",
        "publicKey": SPKI,
    }
    return f'{{"requestSignature": {json.dumps(signature)},\n "signRequest" : {spread}}}'.encode()


def made(data: bytes) -> bytes:
    return SIGNER.sign(data, padding.PKCS1v15(), hashes.SHA256())


def post(api: Api, raw: bytes) -> Response:
    return api.call("POST", "/v1/sign", raw=raw)


def test_a_request_signature_holds_over_the_octets_that_were_sent(api: Api, label: str) -> None:
    for raw in (
        signed(label, meta=b'{"app": "orders"}'),
        signed(label, indent=2),
        signed(label, indent=2).replace(b"\n", b"\r\n\t"),
        signed(label, unknown={"b": 1.0, "a": "\u00e4 / \\"}),  # numbers, escapes, order as they are
    ):
        assert post(api, raw).status == 201, raw
    assert len({line.detail["signer"] for line in api.audit.lines if "signer" in line.detail}) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(PAYLOAD.encode(), b"cGF5IDExIHRvIEFsaWNl"),
        lambda raw: raw.replace(b"SHA256_WITH_ECDSA", b"SHA384_WITH_ECDSA"),
        lambda raw: raw.replace(b"SHA256_WITH_ECDSA", b"SHA256\\u005fWITH_ECDSA"),  # the same value, other octets
        lambda raw: re.sub(rb'("payload": "[^"]*"), ("signKeyName": "[^"]*")', rb"\2, \1", raw),
        lambda raw: raw.replace(b'"signRequest" : {', b'"signRequest" : {"payloadType": "UNSPECIFIED", '),
        lambda raw: raw[:-1] + b', "signRequest": ' + json.dumps(wish("other-key")).encode() + b"}",  # named twice
        lambda raw: raw.replace(b"SHA-256", b"SHA-512"),
        lambda raw: re.sub(rb'"signature": "[^"]*"', b'"signature": ""', raw),
    ],
)
def test_another_request_than_was_signed(api: Api, label: str, change: Callable[[bytes], bytes]) -> None:
    raw = change(signed(label))
    assert raw != signed(label)
    before = api.ports.keystore.find(label).use_count
    response = post(api, raw)
    assert (response.status, response.json["errorCode"]) == (400, 403), response.json
    assert response.json["reason"] == "res.error.input.invalid.signature"
    assert api.ports.keystore.find(label).use_count == before


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ({}, 600),
        ("", 600),
        ({"signature": "eA==", "digestAlgorithm": "SHA-256"}, 600),
        ({"signature": "eA==", "digestAlgorithm": "SHA-1", "publicKey": SPKI}, 600),
        ({"signature": "*", "digestAlgorithm": "SHA-256", "publicKey": SPKI}, 635),
        ({"signature": "eA==", "digestAlgorithm": "SHA-256", "publicKey": "eA=="}, 402),
        ({"signature": "eA==", "digestAlgorithm": "SHA-256", "publicKey": SPKI}, 403),
    ],
)
def test_a_request_signature_that_is_none(api: Api, label: str, signature: object, code: int) -> None:
    response = api.call("POST", "/v1/sign", {"signRequest": wish(label), "requestSignature": signature})
    assert (response.status, response.json["errorCode"]) == (400, code)


def test_no_request_signature(api: Api, label: str) -> None:
    assert api.call("POST", "/v1/sign", {"signRequest": wish(label), "requestSignature": None}).status == 201


def test_metadata_is_kept_and_a_signature_over_it_that_fails_is_only_noted(api: Api, label: str) -> None:
    meta = b'{"time": "now"}'
    request_id = str(post(api, signed(label, meta=meta)).json["signRequestId"])
    store = requests_beside(api.ports.keystore)
    assert store is not None
    details = store.details(request_id)
    assert details is not None
    assert (details.meta_data, details.meta_data_signature) == (meta, made(meta))
    assert api.audit.lines[-1].detail["metaDataSigned"] is True
    assert post(api, signed(label, meta=meta, metaDataSignature="MTIzNA==")).status == 201
    assert api.audit.lines[-1].detail["metaDataSigned"] is False


class Failing:
    """A keystore whose token refuses to sign."""

    def __init__(self, keystore: Any, failure: Exception) -> None:
        self._keystore, self._failure = keystore, failure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keystore, name)

    def sign(self, *_: object) -> bytes:
        raise self._failure


def test_what_the_token_refuses_is_failed(api: Api, label: str) -> None:
    api.ports.__dict__["keystore"] = Failing(api.ports.keystore, Failure(Reason.KEYSTORE, "CKR_DEVICE_ERROR"))
    found = polled(api, submit(api, label))
    assert (found["status"], found["result"]) == ("FAILED", None)
    (remark,) = [fields for _, event, fields in api.log.lines if event == "request.remark"]
    assert remark["detail"] == "FAILED: CKR_DEVICE_ERROR"


def test_a_token_that_is_away_leaves_no_request(api: Api, label: str) -> None:
    before = everything(api)
    api.ports.__dict__["keystore"] = Failing(api.ports.keystore, Failure(Reason.CONNECTIVITY, "away"))
    assert api.call("POST", "/v1/sign", {"signRequest": wish(label)}).status == 503
    assert everything(api) == before


def test_a_bug_leaves_a_failed_request(api: Api, label: str) -> None:
    api.ports.__dict__["keystore"] = Failing(api.ports.keystore, ZeroDivisionError("a bug"))
    before = {one["id"] for one in everything(api)}
    response = api.call("POST", "/v1/sign", {"signRequest": wish(label)})
    assert (response.status, response.json["errorCode"]) == (500, 1)
    (new,) = [one for one in everything(api) if one["id"] not in before]
    assert new["status"] == "FAILED"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("request_id", ["none", "x" * 300, "..%2Fkey", str(uuid.UUID(int=7)), "%27%20OR%201=1"])
def test_an_unknown_request(api: Api, method: str, request_id: str) -> None:
    response = api.call(method, f"/v1/request/{request_id}")
    assert (response.status, response.json) == (
        404,
        error(651, "request.not.existent", "There is no request with this id."),
    )


def test_a_finished_request_is_removed(api: Api, label: str) -> None:
    request_id = submit(api, label)
    response = api.call("DELETE", f"/v1/request/{request_id}")
    assert (response.status, response.json) == (200, {})
    assert api.call("DELETE", f"/v1/request/{request_id}").status == 404
    assert api.call("GET", f"/v1/request/{request_id}").status == 404


def begun(api: Api, created: float = NOW, label: str = "orders") -> str:
    """A request that somebody is executing."""
    request = Request(str(uuid.uuid4()), "sign", label, PENDING, created, created)
    api.requests.begin(request, Details(), created + CLAIM_SECONDS)
    return request.id


def test_an_open_request_is_cancelled(api: Api) -> None:
    request_id = begun(api)
    assert polled(api, request_id)["status"] == "PENDING"
    assert polled(api, request_id)["executionTime"] == "2024-01-23T10:54:43Z", "never null"
    assert api.call("DELETE", f"/v1/request/{request_id}").json == {}
    assert polled(api, request_id)["status"] == "CANCELLED"


def test_deleting_the_key_cancels_what_is_open(api: Api, label: str) -> None:
    request_id = begun(api, label=label)
    done = submit(api, label)
    assert api.call("DELETE", f"/v1/key/{label}").status == 200
    assert polled(api, request_id)["status"] == "CANCELLED"
    assert polled(api, done)["status"] == "EXECUTED"


def test_a_request_whose_process_died_is_failed_for_all_to_see(api: Api) -> None:
    request_id = begun(api, created=NOW - CLAIM_SECONDS - 1)
    api.audit.lines.clear()
    found = polled(api, request_id)
    assert (found["status"], found["result"]) == ("FAILED", None)
    failed = [line for line in api.audit.lines if line.action == "request.failed"]
    assert [line.detail["request"] for line in failed] == [request_id]
    polled(api, request_id)
    assert len([line for line in api.audit.lines if line.action == "request.failed"]) == 1


def test_settled_requests_are_forgotten_after_their_time(api: Api, label: str) -> None:
    request_id = submit(api, label)
    forget(api.ports, 60)
    assert polled(api, request_id)
    assert forget(api.ports, -60) > 0
    assert api.call("GET", f"/v1/request/{request_id}").status == 404


@pytest.fixture
def several(api: Api, label: str) -> Iterator[list[str]]:
    """Ids, oldest first: two executed, one cancelled, one open."""
    forget(api.ports, -(10**6))
    for one in everything(api, status=["PENDING"]):
        api.requests.remove(one["id"])
    ids = [submit(api, label)]
    ids += [begun(api, NOW + 1), begun(api, NOW + 2)]
    api.call("DELETE", f"/v1/request/{ids[1]}")
    yield ids
    api.requests.remove(ids[2])


def test_requests_by_state(api: Api, several: list[str]) -> None:
    def ids(**filters: object) -> list[str]:
        return [one["id"] for one in everything(api, **filters)]

    assert ids() == several
    assert ids(status=None) == several
    assert ids(status=[]) == several
    assert ids(status=["EXECUTED"]) == several[:1]
    assert ids(status=["PENDING", "CANCELLED", "PENDING"]) == several[1:]
    assert ids(status=["APPROVED"]) == []
    assert ids(paging={"sortOrder": "CREATION_DATE_DESC"}) == several[::-1]
    assert ids(paging={"pageSize": 2, "pageNumber": 1}) == several[2:]
    assert ids(paging={"pageSize": 2.0, "pageNumber": 0}) == several[:2]
    assert ids(paging=None) == several
    assert everything(api)[0]["result"] is not None
    for query, found in (
        ("", several),
        ("?status=EXECUTED", several[:1]),
        ("?status=PENDING&status=CANCELLED", several[1:]),
        ("?pageSize=1&pageNumber=1&sortOrder=CREATION_DATE_DESC", several[1:2]),
    ):
        response = api.call("GET", f"/v1/filteredRequests{query}")
        assert [one["id"] for one in response.json["requests"]] == found, query


def test_a_result_is_handed_out_once_where_that_is_wished(api: Api, label: str, several: list[str]) -> None:
    executed, cancelled, pending = several
    api.ports.__dict__["results_once"] = True
    assert [(one["id"], one["result"]) for one in everything(api)] == [(one, None) for one in several]
    assert valid(api, label, polled(api, executed)["result"])
    response = api.call("GET", f"/v1/request/{executed}")
    assert (response.status, response.json["errorCode"]) == (404, 651)
    for one in (cancelled, pending) * 2:
        assert polled(api, one)["result"] is None, "there was nothing to hand out, so it stays"


def test_of_two_who_ask_at_once_one_gets_the_result(api: Api, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = submit(api, label)
    api.ports.__dict__["results_once"] = True
    monkeypatch.setattr(type(api.requests), "remove", lambda _self, _id: False)  # the other was faster
    response = api.call("GET", f"/v1/request/{request_id}")
    assert (response.status, response.json["errorCode"]) == (404, 651)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "PENDING"},
        {"status": ["pending"]},
        {"status": ["NONE"]},
        {"status": ["PENDING"] * 17},
        {"paging": {"pageSize": 0}},
        {"paging": {"pageSize": 1001}},
        {"paging": {"pageSize": -1}},
        {"paging": {"pageNumber": -1}},
        {"paging": {"pageNumber": 2**40}},
        {"paging": {"sortOrder": "RANDOM"}},
        {"paging": 7},
        [],
    ],
)
def test_a_filter_that_is_none(api: Api, body: object) -> None:
    response = api.call("POST", "/v1/filteredRequests", body)
    assert (response.status, response.json["errorCode"]) == (400, 600)


@pytest.mark.parametrize(
    "query", ["status=NONE", "status", "pageSize=x", "pageSize=0", "a=1&" * 40, "pageNumber=1e99", "status=%ff"]
)
def test_a_query_that_is_none(api: Api, query: str) -> None:
    response = api.call("GET", f"/v1/filteredRequests?{query}")
    assert (response.status, response.json["errorCode"]) == (400, 600)


def test_without_a_store_requests_are_refused(api: Api, label: str) -> None:
    api.ports.__dict__["requests"] = None
    for method, path, body in (
        ("POST", "/v1/sign", {"signRequest": wish(label)}),
        ("GET", "/v1/request/x", None),
        ("DELETE", "/v1/request/x", None),
        ("POST", "/v1/filteredRequests", {}),
    ):
        response = api.call(method, path, body)
        assert (response.status, response.json["errorCode"]) == (501, 101)
    assert api.call("DELETE", f"/v1/key/{label}").status == 200


AES = {"algorithm": "AES", "keySize": 256, "attributes": {"decrypt": True, "destroyable": True}}


def test_a_decryption_is_there_at_the_first_poll(api: Api) -> None:
    """As the key store of go-kms-wrapping does it: on a plain key, with the tag behind the ciphertext."""
    name = f"key-{uuid.uuid4()}"
    assert api.call("POST", "/v1/key", {"label": name, **AES}).status == 201
    wished = {"payload": PAYLOAD, "encryptKeyName": name, "cipherAlgorithm": "AES_GCM", "tagLength": 128}
    sealed = api.call("POST", "/v1/encrypt", {"encryptRequest": wished}).json
    request = {
        "encryptedPayload": sealed["encryptedPayload"],
        "decryptKeyName": name,
        "cipherAlgorithm": "AES_GCM",
        "initializationVector": sealed["initializationVector"],
        "tagLength": 128,
        "additionalAuthenticationData": None,
        "metaData": "eA==",
        "metaDataSignature": None,
    }
    response = api.call("POST", "/v1/decrypt", {"decryptRequest": request, "requestSignature": None})
    assert response.status == 201
    assert list(response.json) == ["decryptRequestId"]
    found = polled(api, response.json["decryptRequestId"])
    assert (found["status"], found["result"]) == ("EXECUTED", PAYLOAD)
    broken = base64.b64encode(b"\0" + base64.b64decode(sealed["encryptedPayload"])[1:]).decode()
    response = api.call("POST", "/v1/decrypt", {"decryptRequest": {**request, "encryptedPayload": broken}})
    found = polled(api, response.json["decryptRequestId"])
    assert (found["status"], found["result"]) == ("FAILED", None)
    wrong = {**request, "cipherAlgorithm": "AES_NONE"}
    assert api.call("POST", "/v1/decrypt", {"decryptRequest": wrong}).status == 400


SYNCHRONOUS = ["/v1/sign", "/v1/synchronousSign"]


@pytest.mark.parametrize("path", SYNCHRONOUS)
def test_every_body_of_a_key_may_be_signed(api: Api, label: str, path: str) -> None:
    raw = signed(label, indent=3)
    assert api.call("POST", path, raw=raw).status in {200, 201}
    assert api.audit.lines[-1].detail["signer"] == hashlib.sha256(base64.b64decode(SPKI)).hexdigest()
    forged = raw.replace(b"SHA256_WITH_ECDSA", b"SHA384_WITH_ECDSA")
    response = api.call("POST", path, raw=forged)
    assert (response.status, response.json["errorCode"]) == (400, 403)
    assert api.audit.lines[-1].phase == "event", "no intent: the key was not touched"


def test_a_verification_may_be_signed_too(api: Api, label: str) -> None:
    inner = {**wish(label), "signature": PAYLOAD}
    tight = json.dumps(inner, separators=(",", ":")).encode()
    signature = {"signature": base64.b64encode(made(tight)).decode(), "digestAlgorithm": "SHA-256", "publicKey": SPKI}
    body = {"verifySignatureRequest": inner, "requestSignature": signature}
    assert api.call("POST", "/v1/verify", body).json == {"signatureValid": False}
    inner["payload"] = "eA=="
    assert api.call("POST", "/v1/verify", body).json["errorCode"] == 403
    nothing = {"verifySignatureRequest": None, "requestSignature": signature}
    assert api.call("POST", "/v1/verify", nothing).json["errorCode"] == 600


SIGNABLE = [
    pytest.param(route, example, id=f"{route.action} {example.name}")
    for route, example in examples()
    if example is not None and "request_signature" in getattr(route.body, "__struct_fields__", ())
]


@pytest.mark.parametrize(("route", "example"), SIGNABLE)
def test_a_signature_of_any_body_is_verified_and_may_be_demanded(api: Api, route: Route, example: Example) -> None:
    signature = {"signature": base64.b64encode(made(b"else")).decode(), "digestAlgorithm": "SHA-256", "publicKey": SPKI}
    forged = api.call(route.method, route.path, {**example.body, "requestSignature": signature})
    is_flat = route.path.startswith("/v1/certificate/synchronous/")  # which octets are signed is told nowhere
    assert (forged.status, forged.json["errorCode"]) == ((501, 101) if is_flat else (400, 403))
    assert api.audit.lines[-1].phase == "event", "no intent: the key was not touched"
    api.ports.__dict__["request_signers"] = frozenset({base64.b64decode(SPKI)})
    if "verifySignatureRequest" not in example.body:  # it uses no key
        unsigned = api.call(route.method, route.path, {**example.body, "requestSignature": None})
        assert (unsigned.status, unsigned.json["errorCode"]) == (400, 415)


@pytest.mark.parametrize("path", SYNCHRONOUS)
def test_only_those_who_may_sign_requests(api: Api, label: str, path: str) -> None:
    other = rsa.generate_private_key(65537, 2048).public_key()
    others = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    api.ports.__dict__["request_signers"] = frozenset({others})
    before = api.ports.keystore.find(label).use_count
    unsigned = json.dumps({"signRequest": wish(label)}).encode()
    for raw in (signed(label), unsigned):
        response = api.call("POST", path, raw=raw)
        assert (response.status, response.json["errorCode"]) == (400, 415)
        assert response.json["reason"] == "res.error.request.signer.not.allowed"
    forged = signed(label).replace(SPKI.encode(), base64.b64encode(others))
    assert api.call("POST", path, raw=forged).json["errorCode"] == 403
    assert api.ports.keystore.find(label).use_count == before
    api.ports.__dict__["request_signers"] = frozenset({others, base64.b64decode(SPKI)})
    assert api.call("POST", path, raw=signed(label)).status in {200, 201}
    unused = {"verifySignatureRequest": {**wish(label), "signature": PAYLOAD}}
    assert api.call("POST", "/v1/verify", unused).status == 200, "it uses no key"
