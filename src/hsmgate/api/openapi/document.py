"""The whole description, as a value that is written once at the start."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

from hsmgate.api.openapi import responses
from hsmgate.api.openapi.described import DESCRIBED, PARAMETERS
from hsmgate.api.openapi.schemas import Schema, reference, schemas
from hsmgate.api.openapi.words import Described, Example
from hsmgate.api.problems import ErrorBody
from hsmgate.api.routes import ROUTES, Role, Route
from hsmgate.record import Record
from hsmgate.usecases.ports import Capabilities

SCHEMES: MappingProxyType[str, Schema] = MappingProxyType(
    {
        "mutualTLS": {
            "type": "mutualTLS",
            "description": "A client certificate that the service trusts, and unrevoked when the request comes.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-KEY",
            "description": "A key of the role that the endpoint belongs to: its x-api-key-role.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
)
_INTRODUCTION = """\
One REST API, guarded by mutual TLS, in front of the keys of an HSM.

Every error has the same three members; `X-Request-Id` names a request in the answer, in the log and in the audit trail.
Bodies are JSON in UTF-8, binary values are standard Base64 with padding, unknown members are ignored."""


class Facts(Record):
    """What a description depends on beside the tables.

    `version` is that of the wire contract, `program` that of the service; `schemes` are names of SCHEMES, all of which
    a request must satisfy; `able` is what the keystore can do.
    """

    version: str
    program: str
    able: Capabilities
    schemes: tuple[str, ...] = ("mutualTLS",)


def schemes(client_auth: str, layers: tuple[str, ...], *, open_to_anonymous: bool) -> tuple[str, ...]:
    """What a request must show. `layers`: what is asked for beside a certificate, or instead of one."""
    alone = not layers and not open_to_anonymous
    return (*(["mutualTLS"] if client_auth == "need" or alone else []), *layers)


def document(facts: Facts, files: Sequence[str]) -> Schema:
    """The description of all rows; `files`: those of the pages."""
    rows, described = ROUTES, DESCRIBED
    parameters = {**PARAMETERS, "file": _file(files)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hsmgate",
            "version": facts.version,
            "summary": f"hsmgate {facts.program}",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in described.values())],
        "paths": _paths(rows, described, parameters, facts.schemes),
        "components": {
            "schemas": schemas(
                [row.body for row in rows if row.body is not None],
                [ErrorBody, *(each.answer for each in described.values() if not isinstance(each.answer, tuple))],
                values_of(facts.able),
            ),
            "responses": responses.component_responses(),
            "examples": responses.component_examples(),
            "parameters": {
                "RequestId": {
                    "name": "X-Request-Id",
                    "in": "header",
                    "description": "Names the request: up to 64 letters, digits, dots, dashes. Else one is made.",
                    "schema": {"type": "string"},
                }
            },
            "headers": {
                "RequestId": {"description": "The name of the request", "schema": {"type": "string"}},
                "RetryAfter": {"description": "When to try again, in seconds", "schema": {"type": "integer"}},
            },
            "securitySchemes": {name: SCHEMES[name] for name in facts.schemes},
        },
    }


def values_of(able: Capabilities) -> dict[str, list[str]]:
    """What this keystore accepts in fields of requests, by the field's name."""
    return {
        "algorithm": sorted(able.key_algorithms),
        "cipherAlgorithm": sorted(able.ciphers),
        "curveOid": sorted(able.curves),
        "signatureAlgorithm": sorted(able.signature_algorithms),
        "wrapMethod": sorted(able.wrap_methods),
    }


def _file(files: Sequence[str]) -> Schema:
    return {"description": "A file of the page", "schema": {"type": "string", "enum": list(files)}, "example": files[0]}


def _paths(
    rows: Sequence[Route], described: Mapping[str, Described], parameters: Mapping[str, Schema], schemes: Sequence[str]
) -> Schema:
    paths: dict[str, Schema] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = {
            **_operation(row, described[row.action], parameters),
            "security": _security(row, schemes),
        }
    return paths


def _operation(row: Route, words: Described, parameters: Mapping[str, Schema]) -> Schema:
    operation: Schema = {
        "operationId": _identifier(row),
        "tags": [words.tag],
        "summary": words.summary,
        "parameters": [*_parameters(row, words, parameters), {"$ref": "#/components/parameters/RequestId"}],
        "responses": {str(row.ok): _answer(row, words), **_refusals(row)},
    }
    if row.role is not Role.NONE:
        operation["x-api-key-role"] = row.role.value
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": _body(row, words.examples)}}
    return operation


def _security(row: Route, schemes: Sequence[str]) -> list[dict[str, list[str]]]:
    """One alternative that holds all schemes, or none at all."""
    needed = [] if row.anonymous else schemes
    return [{name: [] for name in needed}] if needed else []


def _identifier(row: Route) -> str:
    """Unique, and a name in most languages: `postKeyAttributes`."""
    parts = re.findall(r"[A-Za-z0-9]+", row.path.removeprefix("/v1/"))
    return row.method.lower() + "".join(part[0].upper() + part[1:] for part in parts or ["root"])


def _parameters(row: Route, words: Described, parameters: Mapping[str, Schema]) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, **parameters[name], **_example(words.values.get(name))}
        for name in re.findall(r"{(\w+)}", row.path)
    ]


def _example(value: str | None) -> Schema:
    return {} if value is None else {"example": value}


def _body(row: Route, examples: Sequence[Example]) -> Schema:
    named = {f"example{number}": {"summary": one.name, "value": one.body} for number, one in enumerate(examples, 1)}
    return {"schema": reference(row.body), "examples": named}


def _answer(row: Route, words: Described) -> Schema:
    answer = words.answer
    if isinstance(answer, tuple):
        content: Schema = {media: {"schema": {"type": "string"}} for media in answer}
    else:
        content = {"application/json": {"schema": reference(answer)}}
    description = "Done" if row.ok < HTTPStatus.BAD_REQUEST else HTTPStatus(row.ok).phrase
    return {"description": description, "headers": responses.REQUEST_ID, "content": content}


def _refusals(row: Route) -> Schema:
    return {
        status: {"$ref": f"#/components/responses/{status}"}
        for status in responses.statuses(row)
        if status != str(row.ok)
    }
