"""The OpenAPI 3.1 document, built from the views' contracts, and a page to browse it offline."""

import re
from functools import cache
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from trially.auth.permissions import public
from trially.http.contract import JSON_TYPE, Contract, contract_of
from trially.http.problems import PROBLEM_TYPE
from trially.openapi.components import (
    HEADERS,
    HEADERS_OF,
    PARAMETERS,
    PROBLEM,
    RESPONSES,
    RESPONSES_OF_ALL,
    RESPONSES_OF_PATHS,
    RESPONSES_TO_BODIES,
    RESPONSES_TO_IF_MATCH,
    RESPONSES_TO_IF_NONE_MATCH,
    RESPONSES_TO_KEYS,
    RESPONSES_TO_STREAMS,
)
from trially.state import app_state, state_of

DOCUMENT_PATH = "/openapi.json"
BROWSER_PATH = "/docs"
DESCRIBED_PREFIX = "/api/"
_CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")

bp = Blueprint("openapi", __name__)


@bp.get(DOCUMENT_PATH)
@public
def show_document() -> Response:
    """Show the OpenAPI document."""
    return Response(app_state().openapi_document, content_type=JSON_TYPE)


def init_app(app: Flask, version: str) -> None:
    """Serve the document of the views that are registered so far."""
    document = describe(app, version)
    state_of(app).openapi_document = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    app.register_blueprint(bp)
    browser = get_swaggerui_blueprint(
        BROWSER_PATH,
        DOCUMENT_PATH,
        config={"app_name": "trially", "persistAuthorization": True, "validatorUrl": None},
    )
    app.register_blueprint(browser)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(f"{browser.name}."):
            public(view)


def describe(app: Flask, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of the API's views."""
    spec = APISpec(
        title="trially",
        version=version,
        openapi_version="3.1.0",
        info={"description": "Multi-tenant back end for clinical-trial recruiting."},
        plugins=[MarshmallowPlugin(schema_name_resolver=_name_schema)],
        security=[{"bearer": []}],
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.schema("Problem", PROBLEM)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, (sent_as, parameter) in PARAMETERS.items():
        spec.components.parameter(name, "header", {"name": sent_as, **parameter})
    spec.components.response(
        "NotModified",
        {
            "description": "The client has the current version.",
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        },
    )
    for name, description in RESPONSES.items():
        spec.components.response(
            name,
            {
                "description": description,
                "headers": {
                    name: {"$ref": f"#/components/headers/{name}"}
                    for name in ("X-Request-ID", "traceparent", *HEADERS_OF.get(name, ()))
                },
                "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith(DESCRIBED_PREFIX):
            path = _CONVERTER.sub(r"{\2}", rule.rule)
            spec.path(path=path, operations=_describe_operations(app, rule))
    document: dict[str, Any] = spec.to_dict()
    return document


def _describe_operations(app: Flask, rule: Rule) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    contract = contract_of(view)
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    return {method.lower(): _describe_operation(view, contract, rule) for method in methods}


def _describe_operation(view: Any, contract: Contract, rule: Rule) -> dict[str, Any]:
    summary = (view.__doc__ or "").strip().partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": view.__name__,
        "summary": summary,
        "tags": [rule.endpoint.partition(".")[0]],
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", **({"format": "uuid"} if kind == "uuid" else {})},
            }
            for kind, name in _CONVERTER.findall(rule.rule)
        ],
        "responses": {
            str(int(contract.status)): _describe_result(contract),
            **_describe_conditions(contract, rule),
            **RESPONSES_OF_ALL,
            **(RESPONSES_OF_PATHS if rule.arguments else {}),
            **(RESPONSES_TO_BODIES if contract.body_types else {}),
            **(RESPONSES_TO_STREAMS if contract.streams_body else {}),
        },
        "x-permission": str(view.__dict__["permission"]),
    }
    operation["parameters"] += _header_parameters(contract, rule)
    if contract.query is not None:
        operation["parameters"].append({"in": "query", "schema": contract.query})
    if contract.body_types:
        operation["requestBody"] = {
            "required": True,
            "content": {media: _describe_body(contract.body) for media in contract.body_types},
        }
    return operation


def _header_parameters(contract: Contract, rule: Rule) -> list[str]:
    return [
        *(["IfMatch"] if contract.matches_versions else []),
        *(["IfNoneMatch"] if _is_shown(contract, rule) else []),
        *(["IdempotencyKey"] if contract.is_keyed else []),
        "RequestId",
        "TraceParent",
    ]


def _describe_conditions(contract: Contract, rule: Rule) -> dict[str, Any]:
    return {
        **(RESPONSES_TO_IF_NONE_MATCH if _is_shown(contract, rule) else {}),
        **(RESPONSES_TO_IF_MATCH if contract.matches_versions else {}),
        **(RESPONSES_TO_KEYS if contract.is_keyed else {}),
    }


def _is_shown(contract: Contract, rule: Rule) -> bool:
    return contract.has_version and "GET" in (rule.methods or set())


def _describe_body(schema: Schema | None) -> dict[str, Any]:
    return {} if schema is None else {"schema": schema}


def _describe_result(contract: Contract) -> dict[str, Any]:
    headers = [
        "X-Request-ID",
        "traceparent",
        *(["ETag"] if contract.has_version else []),
        *(["Idempotency-Replayed"] if contract.is_keyed else []),
    ]
    described: dict[str, Any] = {
        "description": contract.status.phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }
    if contract.result is None:
        return described
    schema = _page_of(type(contract.result))() if contract.is_page else contract.result
    return described | {"content": {JSON_TYPE: {"schema": schema}}}


class PageSchema(Schema):
    """Where the next page begins."""

    next = fields.String(required=True, allow_none=True)
    has_more = fields.Boolean(required=True)


@cache
def _page_of(item: type[Schema]) -> type[Schema]:
    members = {
        "data": fields.List(fields.Nested(item), required=True),
        "page": fields.Nested(PageSchema, required=True),
    }
    return type(f"{item.__name__.removesuffix('Schema')}PageSchema", (Schema,), members)


def _name_schema(schema: Any) -> str:
    name = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    partial = "" if isinstance(schema, type) or not schema.partial else "Patch"
    return name.removesuffix("Schema") + partial
