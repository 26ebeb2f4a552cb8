"""Wire records as JSON Schema: what a client may send, and what it gets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hsmgate.record import WireRecord

Schema = dict[str, Any]
REF = "#/components/schemas/"

_BASE = WireRecord.__doc__  # a record without words of its own inherits these


def schemas(bodies: Sequence[Any], answers: Sequence[Any], values: Mapping[str, Sequence[str]]) -> Schema:
    """The components for these types, by name. `values`: what fields of a request accept, by the field's name."""
    _, found = msgspec.json.schema_components([*bodies, *answers], ref_template=REF + "{name}")
    _, asked = msgspec.json.schema_components(list(bodies), ref_template=REF + "{name}")
    return {
        name: _described(_asked(schema, values) if name in asked else _answered(schema))
        for name, schema in sorted(found.items())
    }


def reference(kind: Any) -> Schema:  # noqa: ANN401 - whatever msgspec can encode
    """The schema of one type, its records by reference."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF + "{name}")
    return schema


def _described(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "description" or value != _BASE}


def _asked(schema: Schema, values: Mapping[str, Sequence[str]]) -> Schema:
    properties = {
        name: _limited(value, values[name]) if name in values else value
        for name, value in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties} if properties else schema


def _limited(schema: Schema, values: Sequence[str]) -> Schema:
    """A text of these values only, wherever a text may stand."""
    if schema.get("type") == "string":
        return {**schema, "enum": list(values)}
    return {**schema, "anyOf": [_limited(each, values) for each in schema["anyOf"]]} if "anyOf" in schema else schema


def _answered(schema: Schema) -> Schema:
    """Answers carry every field, null where it does not apply; only those without any default may be absent."""
    if "properties" not in schema:
        return schema
    required = list(dict.fromkeys([*schema["required"], *_defaulted(schema["properties"])]))
    bare = {
        name: {key: part for key, part in value.items() if key != "default"}
        for name, value in schema["properties"].items()
    }
    return {**schema, "properties": bare, "required": required}


def _defaulted(properties: Mapping[str, Schema]) -> Iterator[str]:
    return (name for name, value in properties.items() if "default" in value)
