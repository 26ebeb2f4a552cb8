"""api/openapi: the description is sound, has every row, and says the truth: its examples run, its schemas hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hsmgate.adapters.software import CAPABILITIES
from hsmgate.api.openapi import responses
from hsmgate.api.openapi.described import DESCRIBED
from hsmgate.api.openapi.document import Facts, document, schemes
from hsmgate.api.openapi.words import Example
from hsmgate.api.problems import PROBLEMS, answer
from hsmgate.api.routes import ROUTES, Role, Route
from hsmgate.domain.request import Details, Request
from hsmgate.errors import Failure, Reason
from support.api import NOW, Api
from support.described import (
    DOCUMENT,
    DOCUMENTS,
    answer_schema,
    complaints,
    examples,
    maker_of,
    operation,
    path_of,
)

rows = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.action)
EXAMPLES = [
    pytest.param(route, example, id=f"{route.action} {example.name if example else ''}")
    for route, example in examples()
]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_a_broken_one_would_be_found() -> None:
    operation_ = {**DOCUMENT["paths"]["/v1/key"]["post"], "parameters": [{"name": "a", "in": "nowhere"}]}
    paths = {**DOCUMENT["paths"], "/v1/key": {"post": operation_}}
    assert list(OpenAPIV31SpecValidator({**DOCUMENT, "paths": paths}).iter_errors())


def test_it_has_every_row_and_no_other() -> None:
    found = {
        f"{method.upper()} {path}": each for path, item in DOCUMENT["paths"].items() for method, each in item.items()
    }
    assert set(found) == {route.action for route in ROUTES} == set(DESCRIBED)
    names = [each["operationId"] for each in found.values()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize("schemes", [(), ("mutualTLS",), ("apiKey",), ("mutualTLS", "apiKey", "bearer")])
def test_it_names_what_a_request_must_show(schemes: tuple[str, ...]) -> None:
    told = document(Facts("2.2.0", "1.0", CAPABILITIES, schemes), ["page.css"])
    OpenAPIV31SpecValidator(told).validate()
    assert set(told["components"]["securitySchemes"]) == set(schemes)
    for route in ROUTES:
        needed = told["paths"][route.path][route.method.lower()]["security"]
        assert needed == ([] if route.anonymous or not schemes else [{name: [] for name in schemes}])


@pytest.mark.parametrize(
    ("client_auth", "layers", "is_open", "shown"),
    [
        ("need", (), False, ("mutualTLS",)),
        ("need", ("apiKey",), False, ("mutualTLS", "apiKey")),
        ("need", (), True, ("mutualTLS",)),
        ("want", (), False, ("mutualTLS",)),
        ("want", ("apiKey", "bearer"), False, ("apiKey", "bearer")),
        ("none", ("bearer",), False, ("bearer",)),
        ("none", (), True, ()),
    ],
)
def test_what_must_be_shown_follows_from_what_is_on(
    client_auth: str, layers: tuple[str, ...], is_open: bool, shown: tuple[str, ...]
) -> None:
    assert schemes(client_auth, layers, open_to_anonymous=is_open) == shown


def test_every_reference_leads_somewhere() -> None:
    references = {str(each["$ref"]) for each in walk(DOCUMENT) if "$ref" in each}
    assert len(references) > 20
    for reference in references:
        place = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


@rows
def test_a_row_says_what_the_table_says(route: Route) -> None:
    told = operation(route)
    assert (str(route.ok) in told["responses"], "requestBody" in told) == (True, route.body is not None)
    assert told["security"] == ([] if route.anonymous else [{"mutualTLS": []}])
    assert told.get("x-api-key-role") == (None if route.role is Role.NONE else route.role.value)
    assert told["summary"]
    assert {"name": told["tags"][0]} in DOCUMENT["tags"]
    named = {each["name"] for each in told["parameters"] if each.get("in") == "path"}
    assert route.path.count("{") == len(named)
    if route.body is not None:
        assert told["requestBody"]["content"]["application/json"]["examples"]


@rows
def test_a_row_has_the_refusals_that_it_can_give(route: Route) -> None:
    told = {int(status) for status in operation(route)["responses"]} - {route.ok}
    gate = {403, 503} if route.anonymous else {401, 403, 503}
    assert gate | {400, 408, 413, 431, 500} <= told
    assert (415 in told) is (route.body is not None)
    assert (404 in told) is ("{" in route.path or route.body is not None or route.with_query)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_refusal_has_its_example_and_fits_its_schema(reason: Reason) -> None:
    status, body = answer(Failure(reason, "why"))
    response = DOCUMENT["components"]["responses"][str(status)]
    content = response["content"]["application/json"]
    example = DOCUMENT["components"]["examples"][reason.name]["value"]
    assert content["examples"][reason.name] == {"$ref": f"#/components/examples/{reason.name}"}
    for value in (example, json.loads(body)):
        assert complaints(content["schema"], value) == []
    assert complaints(content["schema"], example | {"errorCode": 999})
    assert complaints(content["schema"], example | {"errorCode": str(example["errorCode"])})
    assert complaints(content["schema"], {name: example[name] for name in ("errorCode", "reason")})
    assert ("Retry-After" in response["headers"]) or PROBLEMS[reason].retry_after is None


def test_every_reason_belongs_to_some_row_or_to_none() -> None:
    somewhere = set[Reason]().union(*(responses.reasons(route) for route in ROUTES))
    assert set(Reason) - somewhere == {Reason.METHOD_NOT_ALLOWED}


def test_what_a_field_accepts_is_what_the_keystore_can_do() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    signature = schemas["SignRequest"]["properties"]["signatureAlgorithm"]
    assert set(signature["enum"]) == CAPABILITIES.signature_algorithms
    created = schemas["CreateKeyBody"]["properties"]
    assert {"type": "string", "enum": sorted(CAPABILITIES.curves)} in created["curveOid"]["anyOf"]
    assert {"type": "string", "enum": sorted(CAPABILITIES.key_algorithms)} in created["algorithm"]["anyOf"]
    assert "enum" not in json.dumps(schemas["KeyJson"])  # answers may hold older keys


def test_records_do_not_say_what_their_base_says() -> None:
    assert "camelCase" not in json.dumps(DOCUMENT)


@pytest.fixture
def documented(api: Api) -> Api:
    """With the documents, and without the keys of the examples."""
    api.app._documents = DOCUMENTS
    kept = set(api.ports.keystore.labels())
    for label in {str(body["label"]) for each in DESCRIBED.values() for body in keys_of(each.examples, each.keys)}:
        if label in kept:
            key = api.ports.keystore.find(label)
            password = "correct horse" if key.has_password else None
            api.ports.keystore.delete(key, password)
    return api


def keys_of(given: tuple[Example, ...], more: tuple[dict[str, Any], ...]) -> Iterator[dict[str, Any]]:
    yield from more
    for example in given:
        yield from example.keys
        if "algorithm" in example.body:
            yield example.body


@pytest.mark.parametrize(("route", "example"), EXAMPLES)
def test_every_example_works_and_its_answer_fits_its_schema(
    documented: Api, route: Route, example: Example | None
) -> None:
    for key in example.keys if example else DESCRIBED[route.action].keys:
        assert documented.call("POST", maker_of(key), key).status == 201
    told = operation(route)
    if example is not None:
        content = told["requestBody"]["content"]["application/json"]
        assert example.body in [each["value"] for each in content["examples"].values()]
        assert complaints(content["schema"], example.body) == []
    if "{id}" in route.path:
        known = Request(path_of(route).rpartition("/")[2], "sign", "orders", "PENDING", NOW, NOW)
        documented.requests.remove(known.id)
        documented.requests.begin(known, Details(), NOW + 60)
    response = documented.call(route.method, path_of(route), None if example is None else example.body)
    assert response.status == route.ok, response.body
    media = (response.header("content-type") or "").partition(";")[0]
    assert media in told["responses"][str(route.ok)]["content"]
    if media == "application/json":
        assert complaints(answer_schema(route, route.ok), response.json) == []


def test_an_answer_that_lacks_a_field_would_be_found(documented: Api) -> None:
    route = next(route for route in ROUTES if route.action == "GET /v1/keystore/statistics")
    body = documented.call("GET", route.path).json
    del body["maxSizeBytes"]
    assert complaints(answer_schema(route, 200), body)
