"""Every row of the table x everything that is refused before its use case runs."""

import json
from typing import Any

import msgspec
import pytest

from hsmgate.api.openapi.described import DESCRIBED
from hsmgate.api.openapi.words import Example
from hsmgate.api.routes import ROUTES, Role, Route
from hsmgate.errors import Failure, Reason
from support.api import Api
from support.asgi_client import HOST, JSON, Headers
from support.described import examples, maker_of, path_of
from support.rows import sample_path

WITH_BODY = [route for route in ROUTES if route.body is not None]
FOREIGN: list[Headers] = [
    [(b"host", b"evil.example")],
    [],
    [HOST, HOST],
    [HOST, (b"origin", b"https://evil.example")],
    [HOST, (b"origin", b"null")],
    [HOST, (b"sec-fetch-site", b"cross-site")],
]
GATE = [
    (Reason.UNTRUSTED, 403, 400),
    (Reason.EXPIRED, 403, 400),
    (Reason.REVOKED, 403, 400),
    (Reason.NO_CERTIFICATE, 401, 400),
    (Reason.NOT_ALLOWED, 403, 400),
    (Reason.OCSP_NO_ANSWER, 503, 2),
]
rows = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
DEMANDING = [  # an empty object is no such body
    route
    for route in ROUTES
    if route.body is not None and any(one.required for one in msgspec.structs.fields(route.body))
]
rows_that_demand = pytest.mark.parametrize("route", DEMANDING, ids=lambda route: route.action)
rows_with_body = pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: route.action)


class Untouchable:
    """A keystore that nothing may reach."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the keystore was reached: {name}")


@pytest.fixture
def shut(api: Api) -> Api:
    api.ports.__dict__["keystore"] = Untouchable()
    return api


def call(api: Api, route: Route, headers: Headers | None = None, raw: bytes = b"") -> tuple[int, int]:
    response = api.call(route.method, sample_path(route), headers=headers, raw=raw)
    assert set(response.json) == {"errorCode", "reason", "message"}
    assert response.header("content-type") == "application/json"
    return response.status, response.json["errorCode"]


@rows
@pytest.mark.parametrize(("reason", "status", "code"), GATE)
def test_a_refused_peer(shut: Api, route: Route, reason: Reason, status: int, code: int) -> None:
    shut.refusal = Failure(reason, "why")
    assert call(shut, route, raw=b"{}") == (status, code)
    assert shut.admitted == [route.anonymous]
    assert shut.audit.brief() == [("event", route.action, reason.name)]


@rows
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_site(shut: Api, route: Route, headers: Headers) -> None:
    assert call(shut, route, [*headers, JSON], b"{}") == (403, 400)
    assert shut.admitted == []


@rows
def test_a_body_that_is_too_large(shut: Api, route: Route) -> None:
    headers: Headers = [HOST, JSON, (b"transfer-encoding", b"chunked")]
    assert call(shut, route, headers, bytes(route.body_limit + 1)) == (413, 600)
    assert call(shut, route, None, bytes(route.body_limit + 1)) == (413, 600)


@rows_with_body
@pytest.mark.parametrize("kind", [b"text/plain", b"application/xml", b"multipart/form-data"])
def test_a_wrong_media_type(shut: Api, route: Route, kind: bytes) -> None:
    assert call(shut, route, [HOST, (b"content-type", kind)], b"{}") == (415, 600)
    assert shut.audit.brief() == [("event", route.action, "UNSUPPORTED_MEDIA_TYPE")]


@rows_with_body
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'label':1}",
        b'{"label":"a",}',
        b'{"label":NaN}',
        b'{"label":"\xff"}',
        b'{"x":"\xff"}',
        b'{"\xc0\xaf":1}',
        b'{"label":"\\ud800"}',
        b'{"label":"a\nb"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"x":' + b"[" * 8000 + b"]" * 8000 + b"}",
    ],
)
def test_malformed_json(shut: Api, route: Route, raw: bytes) -> None:
    if route.comma and raw.endswith(b",}"):
        assert call(shut, route, raw=raw) == (400, 600), "what is left lacks a member"
        return
    assert call(shut, route, raw=raw) == (400, 621)
    assert shut.audit.brief() == [("event", route.action, "INVALID_JSON")]


@rows_that_demand
@pytest.mark.parametrize("raw", [b"{}", b"[]", b"null", b'"x"', b"1e999", b"true"])
def test_what_is_no_body(shut: Api, route: Route, raw: bytes) -> None:
    assert call(shut, route, raw=raw) == (400, 600)
    assert shut.audit.brief() == [("event", route.action, "INVALID_INPUT")]


@rows_that_demand
@pytest.mark.parametrize("wrong", [1, None, ["a"], True, [[]]])
def test_wrong_types(shut: Api, route: Route, wrong: object) -> None:
    body = DESCRIBED[route.action].examples[0].body
    raw = json.dumps(body | {next(iter(body)): wrong}).encode()
    assert call(shut, route, raw=raw) == (400, 600)
    assert shut.audit.brief() == [("event", route.action, "INVALID_INPUT")]


@rows
def test_another_method(shut: Api, route: Route) -> None:
    path = sample_path(route)
    response = shut.call("PATCH", path)
    assert (response.status, response.json["errorCode"]) == (405, 102)
    assert route.method in (response.header("allow") or "").split(", ")


USES = [
    pytest.param(route, example, id=f"{route.action} {example.name if example else ''}")
    for route, example in examples()
    if (example.keys if example else DESCRIBED[route.action].keys)
]
WITHOUT_PASSWORD = {  # only the public half is used
    "POST /v1/verify",
    "POST /v1/certificate/import/plain",
    "GET /v1/certificate/{keyName}",
    "DELETE /v1/certificate/{keyName}",
}


@pytest.mark.parametrize(("route", "example"), USES)
def test_an_unknown_key(api: Api, route: Route, example: Example | None) -> None:
    """What works with its keys, without them."""
    remove(api, keys_of(route, example))
    assert use(api, route, None if example is None else example.body) == (404, 650)
    assert not {str(key["label"]) for key in keys_of(route, example)} & set(api.ports.keystore.labels())


@pytest.mark.parametrize(("route", "example"), USES)
@pytest.mark.parametrize("password", ["wrong", "", ["r"], None])
def test_a_wrong_password(api: Api, route: Route, example: Example | None, password: object) -> None:
    """What works with its keys, where they have a password."""
    keys = keys_of(route, example)
    remove(api, keys)
    for key in keys:
        assert api.call("POST", maker_of(key), {**key, "password": "right"}).status == 201
    if route.action not in WITHOUT_PASSWORD:
        body = None if example is None else with_password(example.body, password)
        assert use(api, route, body) == (400, 620)
    for key in keys:
        assert api.ports.keystore.find(str(key["label"])).use_count == 0
    remove(api, keys)


def keys_of(route: Route, example: Example | None) -> tuple[dict[str, Any], ...]:
    return example.keys if example else DESCRIBED[route.action].keys


def use(api: Api, route: Route, body: object) -> tuple[int, int]:
    response = api.call(route.method, path_of(route), body)
    assert set(response.json) == {"errorCode", "reason", "message"}
    assert type(response.json["errorCode"]) is int
    return response.status, response.json["errorCode"]


def with_password(body: dict[str, Any], password: object) -> dict[str, Any]:
    """The body with this password wherever it names a key."""
    found = {name: with_password(value, password) if isinstance(value, dict) else value for name, value in body.items()}
    if any(name.endswith("KeyName") for name in body):
        return found | {"keyPassword": password}
    return found | {"password": password} if "label" in body else found


def remove(api: Api, keys: tuple[dict[str, Any], ...]) -> None:
    for label in {str(key["label"]) for key in keys} & set(api.ports.keystore.labels()):
        key = api.ports.keystore.find(label)
        api.ports.keystore.delete(key, "right" if key.has_password else None)


def test_the_table_is_the_contracts() -> None:
    table = {route.action: (route.role, route.ok, route.anonymous, route.touches_key) for route in ROUTES}
    assert table == {
        "GET /v1/versionInfo": (Role.SV, 200, False, False),
        "GET /v1/licenseInfo": (Role.SV, 200, False, False),
        "GET /v1/keystore/statistics": (Role.SV, 200, False, False),
        "GET /v1/hsm/log": (Role.SV, 200, False, False),
        "GET /v1/hsm/log/download": (Role.SV, 200, False, False),
        "GET /v1/generateRandom/{length}": (Role.KO, 200, False, False),
        "POST /v1/key": (Role.KM, 201, False, True),
        "GET /v1/key": (Role.KM, 200, False, False),
        "POST /v1/key/attributes": (Role.KM, 200, False, True),
        "GET /v1/key/{keyName}/attributes": (Role.KM, 200, False, True),
        "POST /v1/key/address": (Role.KM, 200, False, True),
        "GET /v1/key/{keyName}/address": (Role.KM, 200, False, True),
        "POST /v1/key/deleteKey": (Role.KM, 200, False, True),
        "DELETE /v1/key/{keyName}": (Role.KM, 200, False, True),
        "GET /v1/attestation/{keyName}": (Role.KM, 200, False, True),
        "POST /v1/synchronousSign": (Role.KO, 200, False, True),
        "POST /v1/verify": (Role.KO, 200, False, False),
        "POST /v1/encrypt": (Role.KO, 200, False, True),
        "POST /v1/synchronousDecrypt": (Role.KO, 200, False, True),
        "POST /v1/synchronousHmac": (Role.KO, 200, False, True),
        "POST /v1/wrap": (Role.KO, 200, False, True),
        "POST /v1/synchronousUnwrap": (Role.KO, 201, False, True),
        "POST /v1/synchronousBlock": (Role.KO, 200, False, True),
        "POST /v1/synchronousUnblock": (Role.KO, 200, False, True),
        "POST /v1/synchronousModify": (Role.KM, 200, False, True),
        "POST /v1/key/import/plain": (Role.KM, 201, False, True),
        "POST /v1/key/export/plain": (Role.KM, 200, False, True),
        "GET /v1/key/{keyName}/export/plain": (Role.KM, 200, False, True),
        "POST /v1/key/changePassword": (Role.KM, 200, False, True),
        "POST /v1/sign": (Role.KO, 201, False, True),
        "POST /v1/decrypt": (Role.KO, 201, False, True),
        "POST /v1/unwrap": (Role.KO, 201, False, True),
        "POST /v1/modify": (Role.KM, 201, False, True),
        "POST /v1/block": (Role.KO, 201, False, True),
        "POST /v1/unblock": (Role.KO, 201, False, True),
        "POST /v1/rotate": (Role.KM, 501, False, False),
        "GET /v1/xpub/{keyName}": (Role.KM, 501, False, False),
        "POST /v1/certificate/synchronous/request": (Role.KM, 200, False, True),
        "POST /v1/certificate/synchronous/request/download": (Role.KM, 200, False, True),
        "POST /v1/certificate/synchronous/selfsign": (Role.KM, 200, False, True),
        "POST /v1/certificate/synchronous/create/selfSigned": (Role.KM, 200, False, True),
        "POST /v1/certificate/synchronous/sign": (Role.KM, 200, False, True),
        "POST /v1/certificate/import/plain": (Role.KM, 200, False, True),
        "GET /v1/certificate/{keyName}": (Role.KM, 200, False, False),
        "DELETE /v1/certificate/{keyName}": (Role.KM, 200, False, True),
        "POST /v1/certificate/request": (Role.KM, 201, False, True),
        "POST /v1/certificate/sign": (Role.KM, 201, False, True),
        "POST /v1/certificate/selfsign": (Role.KM, 201, False, True),
        "GET /v1/request/{id}": (Role.KO, 200, False, False),
        "DELETE /v1/request/{id}": (Role.KO, 200, False, False),
        "POST /v1/filteredRequests": (Role.KO, 200, False, False),
        "GET /v1/filteredRequests": (Role.KO, 200, False, False),
        "GET /actuator/health": (Role.NONE, 200, True, False),
        "GET /": (Role.NONE, 200, True, False),
        "GET /swagger-ui": (Role.NONE, 200, True, False),
        "GET /swagger-ui/index.html": (Role.NONE, 200, True, False),
        "GET /swagger-ui/{file}": (Role.NONE, 200, True, False),
        "GET /v3/api-docs": (Role.NONE, 200, True, False),
        "GET /v3/api-docs/swagger-config": (Role.NONE, 200, True, False),
    }
    assert len(table) == len(ROUTES)
