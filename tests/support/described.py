"""The description of the API as its readers use it: validated, and with real answers held against it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from openapi_schema_validator import OAS31Validator

from hsmgate.adapters.software import CAPABILITIES
from hsmgate.api.openapi.described import DESCRIBED
from hsmgate.api.openapi.document import Facts
from hsmgate.api.openapi.words import Example
from hsmgate.api.pages.calls import API_DOCS
from hsmgate.api.pages.table import documents
from hsmgate.api.routes import ROUTES, Route

DOCUMENTS = documents(Facts("2.2.0", "1.0", CAPABILITIES))
DOCUMENT: dict[str, Any] = msgspec.json.decode(DOCUMENTS[API_DOCS].octets)


def operation(route: Route) -> dict[str, Any]:
    """What the description says of a row."""
    found: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]
    return found


def path_of(route: Route) -> str:
    """The row's path with the description's own examples of its parameters."""
    path = route.path
    for parameter in operation(route)["parameters"]:
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
    return path


def examples() -> Iterator[tuple[Route, Example | None]]:
    """Every row with each of its examples; rows without a body have none."""
    for route in ROUTES:
        for example in DESCRIBED[route.action].examples or (None,):
            yield route, example


def keys_of_all() -> list[dict[str, Any]]:
    """The keys that all examples need together, one for each name."""
    found = [
        key for each in DESCRIBED.values() for key in (*each.keys, *(k for one in each.examples for k in one.keys))
    ]
    return list({str(key["label"]): key for key in found}.values())


def maker_of(key: dict[str, Any]) -> str:
    """Where a key of an example is made."""
    return "/v1/key/import/plain" if {"secretKey", "privateKey"} & set(key) else "/v1/key"


def complaints(schema: dict[str, Any], value: object) -> list[str]:
    """What of a value does not fit a schema of the description."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


def answer_schema(route: Route, status: int) -> dict[str, Any]:
    """The schema of a JSON answer."""
    response = operation(route)["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = response["content"]["application/json"]["schema"]
    return schema
