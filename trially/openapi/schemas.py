"""Schemas of the OpenAPI document: answers, bodies, pages and query parameters.

An answer and a body of one marshmallow schema are two schemas of the document. An answer has every
field always, so all are required. A body requires what marshmallow requires.
"""

from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields, missing

from trially.http.examples import example_of_parameter
from trially.http.fields import EXAMPLE
from trially.http.masked_fields import MASKED_FIELDS, open_objects_of, possible_names

Json = dict[str, Any]

PAGE: Json = {
    "type": "object",
    "description": "Where the next page begins.",
    "required": ["next", "has_more"],
    "properties": {
        "next": {
            "type": ["string", "null"],
            "description": "The `cursor` of the next page, or null on the last page.",
        },
        "has_more": {"type": "boolean", "description": "Whether another page follows."},
        "total": {
            "type": "integer",
            "minimum": 0,
            "description": "The number of all matches that the caller may see, if the request had"
            " `total=true`.",
        },
    },
}


class Schemas:
    """Adds schemas to the components of a document, each of them once."""

    def __init__(self, spec: APISpec, converter: OpenAPIConverter) -> None:
        self._spec = spec
        self._converter = converter
        self._added: dict[str, Json] = {}

    def answer(self, schema: Schema, *, is_masked: bool) -> Json:
        """Return the reference to the schema of an item in a response."""
        described = self._describe(schema)
        described.pop("additionalProperties", None)
        if is_masked:
            described["properties"][MASKED_FIELDS] = _masked_fields(schema)
        described["required"] = list(described["properties"])
        return self._add(base_name(schema), described)

    def page(self, schema: Schema, *, is_masked: bool) -> Json:
        """Return the reference to the schema of a page of items."""
        item = self.answer(schema, is_masked=is_masked)
        page = {
            "type": "object",
            "description": "A page of a list.",
            "required": ["data", "page"],
            "properties": {
                "data": {"type": "array", "items": item},
                "page": self._add("Page", PAGE),
            },
        }
        return self._add(f"{base_name(schema)}Page", page)

    def body(self, schema: Schema) -> Json:
        """Return the reference to the schema of a JSON body."""
        described = self._describe(schema)
        names = [name for name, field in schema.fields.items() if not field.dump_only]
        properties = described["properties"]
        described["properties"] = {name: _without_default(properties[name]) for name in names}
        return self._add(_body_name(schema), described)

    def parameters(self, schema: Schema) -> list[Json]:
        """Return the query parameters that a schema describes."""
        parameters = self._converter.schema2parameters(schema, location="query")
        fields_by_key = {field.data_key or name: field for name, field in schema.fields.items()}
        for parameter in parameters:
            described = parameter["schema"]
            if described.get("default", missing) is None:
                del described["default"]
            described.pop(EXAMPLE, None)
            if isinstance(fields_by_key[parameter["name"]], fields.Dict):
                parameter |= {"style": "deepObject", "explode": True}
            example = example_of_parameter(fields_by_key[parameter["name"]])
            if example is not missing:
                described["examples"] = [example]
        return list(parameters)

    def describe_nested(self) -> None:
        """Give the schemas of nested objects their descriptions."""
        for key, name in self._converter.refs.items():
            nested = self._spec.components.schemas[name]
            nested.setdefault("description", _documentation(key[0]))
            nested.pop("additionalProperties", None)
            nested["properties"] = {
                member: _in_json_schema(inner) for member, inner in nested["properties"].items()
            }

    def _describe(self, schema: Schema) -> Json:
        described: Json = self._converter.schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        properties = described["properties"]
        described["properties"] = {name: _in_json_schema(properties[name]) for name in properties}
        return {"description": _documentation(type(schema)), **described}

    def _add(self, name: str, schema: Json) -> Json:
        if name not in self._added:
            self._added[name] = schema
            self._spec.components.schema(name, schema)
        elif self._added[name] != schema:
            raise TypeError(f"Two schemas of the API are called {name}. Rename one of them.")
        return {"$ref": f"#/components/schemas/{name}"}


def base_name(schema: Schema | type[Schema]) -> str:
    """Return the name of a marshmallow schema in the document."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def _body_name(schema: Schema) -> str:
    name = base_name(schema)
    if schema.partial:
        return f"{name.removesuffix('Body')}Patch"
    is_answer_too = any(field.dump_only for field in schema.fields.values())
    return f"{name.removesuffix('Body')}Body" if is_answer_too else name


def _documentation(schema: type[Schema]) -> str:
    return " ".join((schema.__doc__ or "").split())


def _masked_fields(schema: Schema) -> Json:
    return {
        "type": "array",
        "readOnly": True,
        "description": "Fields that are hidden from the caller, or less precise, because the PHI"
        " level is not `full`. A field that is null and not named here is unknown.",
        "items": _names_of_masked(schema),
    }


def _names_of_masked(schema: Schema) -> Json:
    known: Json = {"type": "string", "enum": list(possible_names(schema))}
    members = [
        {"type": "string", "pattern": f"^{name}[.][a-z][a-z0-9_]*$"}
        for name in open_objects_of(schema)
    ]
    return {"anyOf": [known, *members]} if members else known


def _in_json_schema(described: Json) -> Json:
    """Return the schema of a field with its example as JSON Schema spells it."""
    if EXAMPLE not in described:
        return described
    rest = {name: value for name, value in described.items() if name != EXAMPLE}
    return {**rest, "examples": [described[EXAMPLE]]}


def _without_default(described: Json) -> Json:
    """Move a default into the description: generators take a member with a default as required."""
    if "default" not in described:
        return described
    rest = {name: value for name, value in described.items() if name != "default"}
    if described["default"] is None:
        return rest
    default = orjson.dumps(described["default"]).decode()
    description = f"{rest.get('description', '')} The default is {default}."
    return {**rest, "description": description.lstrip()}
