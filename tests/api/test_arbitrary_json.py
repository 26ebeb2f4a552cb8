"""Whatever JSON a client sends: a row answers in the contract's shape, and never with an internal error."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsmgate.api.openapi.words import OTHERS_CERTIFICATE, OTHERS_REQUEST
from hsmgate.api.routes import ROUTES, Route
from hsmgate.api.wire.certificates import (
    CsrBody,
    ImportCertificateBody,
    SelfSignBody,
    SignCertificateBody,
    SubmitCsrBody,
    SubmitSelfSignBody,
    SubmitSignCertificateBody,
)
from hsmgate.api.wire.changes import BlockBody, ModifyBody, PasswordBody, UnblockBody
from hsmgate.api.wire.ciphers import DecryptBody, EncryptBody
from hsmgate.api.wire.keys import CreateKeyBody, KeyBody
from hsmgate.api.wire.macs import HmacBody
from hsmgate.api.wire.material import ImportBody
from hsmgate.api.wire.operations import SignBody, VerifyBody
from hsmgate.api.wire.requests import (
    FilterBody,
    SubmitBlockBody,
    SubmitDecryptBody,
    SubmitModifyBody,
    SubmitSignBody,
    SubmitUnblockBody,
    SubmitUnwrapBody,
)
from hsmgate.api.wire.wrapping import UnwrapBody, WrapBody
from support.api import Api
from support.api_keys import have

ROWS = [route for route in ROUTES if route.body is not None]
NAMES = [
    "addressFormat",
    "algorithm",
    "algorithmOid",
    "approvals",
    "attributes",
    "auxiliaryRandomData",
    "bip32",
    "blockKeyName",
    "blockRequest",
    "blocked",
    "certificate",
    "cipherAlgorithm",
    "curveOid",
    "decrypt",
    "decryptKeyName",
    "decryptRequest",
    "derive",
    "encryptKeyName",
    "encryptRequest",
    "encryptedPayload",
    "extractable",
    "format",
    "groups",
    "hmacRequest",
    "id",
    "initializationVector",
    "keyName",
    "keyPassword",
    "keyStatus",
    "keyToBeWrapped",
    "keyedHash",
    "label",
    "metaData",
    "modifyKeyName",
    "modifyRequest",
    "newPassword",
    "password",
    "payload",
    "payloadType",
    "policy",
    "privateKey",
    "publicKey",
    "quorum",
    "requestSignature",
    "ruleBlock",
    "ruleModify",
    "ruleUnblock",
    "ruleUse",
    "sanType",
    "sanValue",
    "secretKey",
    "sensitive",
    "sign",
    "signKeyName",
    "signRequest",
    "signature",
    "signatureAlgorithm",
    "signatureType",
    "signedApprovals",
    "tagLength",
    "timelock",
    "timeout",
    "tokens",
    "type",
    "unblockKeyName",
    "unblockRequest",
    "unwrap",
    "unwrapKeyName",
    "unwrapKeyRequest",
    "value",
    "verifyHmacRequest",
    "verifySignatureRequest",
    "wrap",
    "wrapKeyName",
    "wrapKeyRequest",
    "wrapMethod",
    "wrappedKey",
]
TEXTS = [
    "EC",
    "ED",
    "AES",
    "HMACSHA256",
    "AES_GCM",
    "AES_WRAP",
    "secret",
    "mac",
    "1.2.840.10045.3.1.7",
    "SHA256_WITH_ECDSA",
    "HEX",
    "RAW",
    "YQ==",
    "public_key",
    "",
    "a/b",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(TEXTS)
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
KEY = {
    "label": "arbitrary",
    "algorithm": "EC",
    "curveOid": "1.2.840.10045.3.1.7",
    "attributes": {"sign": True},
    "policy": {"ruleUse": {"tokens": [{"timelock": 0, "timeout": 60, "groups": [{"quorum": 1, "approvals": []}]}]}},
}
SIGN = {"signRequest": {"payload": "YQ==", "signKeyName": "arbitrary", "signatureAlgorithm": "SHA256_WITH_ECDSA"}}
VERIFY = {"verifySignatureRequest": {**SIGN["signRequest"], "signature": "YQ=="}}
ENCRYPT = {
    "encryptRequest": {"payload": "YQ==", "encryptKeyName": "secret", "cipherAlgorithm": "AES_GCM", "tagLength": 96}
}
DECRYPT = {
    "decryptRequest": {
        "encryptedPayload": "YWJjZGVmZ2hpamtsbW5vcA==",
        "decryptKeyName": "secret",
        "cipherAlgorithm": "AES_GCM",
        "initializationVector": "YWJjZGVmZ2hpamts",
    }
}
WRAP = {"wrapKeyRequest": {"keyToBeWrapped": "secret", "wrapKeyName": "secret", "wrapMethod": "AES_WRAP"}}
UNWRAP = {
    "unwrapKeyRequest": {
        "wrappedKey": "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4",
        "label": "arbitrary-2",
        "attributes": {"decrypt": True},
        "unwrapKeyName": "secret",
        "wrapMethod": "AES_WRAP",
    }
}
IMPORT = {
    "label": "arbitrary-3",
    "algorithm": "AES",
    "secretKey": "YWJjZGVmZ2hpamtsbW5vcA==",
    "attributes": {"decrypt": True, "extractable": True},
}
CERTIFY: dict[str, Any] = {
    "signKeyName": "certified",
    "signatureAlgorithm": "SHA256_WITH_ECDSA",
    "validity": 7,
    "commonName": "a",
    "standardCertificateAttributes": {"commonName": "b", "country": "CH", "email": None},
    "keyUsage": ["DIGITAL_SIGNATURE"],
    "extendedKeyUsage": ["SERVER_AUTH,CLIENT_AUTH"],
    "subjectAlternativeNames": [{"sanType": "DNS", "sanValue": "a.b"}, {"sanType": "OTHERNAME", "sanValue": "1.2.3;x"}],
    "certificateAuthority": False,
}
CERTIFY_REQUEST = {
    **CERTIFY,
    "certificateSigningRequest": OTHERS_REQUEST,
    "copyExtensions": "COPY",
    "keyName": None,
    "metaData": "e30=",
}
RULE = {"tokens": [{"timelock": 0, "timeout": 60}]}
BLOCK = {"blockRequest": {"blockKeyName": "arbitrary"}}
UNBLOCK = {"unblockRequest": {"unblockKeyName": "arbitrary"}}
MODIFY = {"modifyRequest": {"modifyKeyName": "arbitrary", "policy": {"ruleUse": RULE, "ruleModify": None}}}


def with_meta(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that is answered later."""
    return {name: {**inner, "metaData": "YQ==", "metaDataSignature": None} for name, inner in body.items()}


SEEDS: dict[type, dict[str, Any]] = {
    CreateKeyBody: KEY,
    KeyBody: {"label": "arbitrary"},
    SignBody: SIGN,
    VerifyBody: VERIFY,
    EncryptBody: ENCRYPT,
    DecryptBody: DECRYPT,
    HmacBody: {"hmacRequest": {"keyName": "mac", "payload": "YQ=="}},
    WrapBody: WRAP,
    UnwrapBody: UNWRAP,
    BlockBody: BLOCK,
    UnblockBody: UNBLOCK,
    ModifyBody: MODIFY,
    ImportBody: IMPORT,
    SubmitSignBody: SIGN,
    SubmitDecryptBody: DECRYPT,
    SubmitUnwrapBody: with_meta(UNWRAP),
    SubmitModifyBody: with_meta(MODIFY),
    SubmitBlockBody: with_meta(BLOCK),
    SubmitUnblockBody: with_meta(UNBLOCK),
    FilterBody: {"status": ["PENDING"], "paging": {"pageNumber": 0, "pageSize": 25, "sortOrder": "CREATION_DATE_ASC"}},
    CsrBody: CERTIFY,
    SelfSignBody: CERTIFY,
    SignCertificateBody: CERTIFY_REQUEST,
    ImportCertificateBody: {"label": "certified", "certificate": OTHERS_CERTIFICATE},
    SubmitCsrBody: {"csrSignRequest": CERTIFY},
    SubmitSelfSignBody: {"selfSignCertificateRequest": CERTIFY},
    SubmitSignCertificateBody: {"signCertificateRequest": CERTIFY_REQUEST},
    PasswordBody: {"label": "secret", "password": None, "newPassword": ["a"]},
}
quiet = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(api: Api, route: Route, value: object) -> None:
    response = api.call(route.method, route.path, raw=json.dumps(value).encode())
    assert not [line for line in api.log.lines if line[0] == "error"]
    assert response.status in (200, 201, 400, 404, 429, 500, 501)
    if response.status >= 400:
        assert set(response.json) == {"errorCode", "reason", "message"}
        assert response.json["errorCode"] != 1


@pytest.mark.parametrize("route", ROWS, ids=lambda route: route.action)
def test_any_json(api: Api, route: Route) -> None:
    @quiet
    @given(anything)
    def run(value: object) -> None:
        check(api, route, value)

    run()


@pytest.fixture
def secrets(api: Api) -> Api:
    """The keys that the seeds name."""
    flags = dict.fromkeys(("decrypt", "sign", "unwrap", "extractable"), True)
    have(api, "secret", algorithm="AES", keySize=128, attributes=flags)
    have(api, "mac", algorithm="HMACSHA256", attributes=flags)
    have(api, "certified", algorithm="EC", curveOid=KEY["curveOid"], attributes={"sign": True})
    authority = CERTIFY | {"certificateAuthority": True, "keyUsage": ["KEY_CERT_SIGN"]}
    assert api.call("POST", "/v1/certificate/synchronous/selfsign", authority).status == 200
    return api


@pytest.mark.parametrize("route", ROWS, ids=lambda route: route.action)
def test_right_bodies_with_any_one_member_replaced(secrets: Api, route: Route) -> None:
    seed = SEEDS[route.body]  # type: ignore[index]
    places = list(members(seed))

    @quiet
    @given(st.sampled_from(places), anything)
    def run(place: tuple[str | int, ...], value: object) -> None:
        body = json.loads(json.dumps(seed))
        inner = body
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        check(secrets, route, body)

    run()


def members(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all members of a body."""
    if not isinstance(value, dict | list):
        return []
    steps: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [place for step in steps for place in [(*at, step), *members(value[step], (*at, step))]]


@pytest.mark.parametrize("route", ROWS, ids=lambda route: route.action)
@quiet
@given(raw=st.binary(max_size=200))
def test_any_bytes(api: Api, route: Route, raw: bytes) -> None:
    response = api.call(route.method, route.path, raw=raw)
    assert response.json["errorCode"] in (600, 621)
