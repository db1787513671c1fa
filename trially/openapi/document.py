"""The OpenAPI 3.1 document of a plane, built from the views' contracts.

Only what builds a document imports this module, because it takes a tenth of the start of a worker.
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from werkzeug.routing import Rule

from trially.openapi.components import SERVERS, add_components, drop_unused
from trially.openapi.operations import describe_operation, path_of
from trially.openapi.planes import TENANTS, Plane
from trially.openapi.schemas import Schemas, base_name

DESCRIBED_PREFIX = "/api/"


def describe(app: Flask, version: str, plane: Plane = TENANTS) -> dict[str, Any]:
    """Return the OpenAPI document of the views of a plane, by default that of tenants."""
    plugin = MarshmallowPlugin(schema_name_resolver=base_name)
    spec = APISpec(
        title=plane.title,
        version=version,
        openapi_version="3.1.0",
        info=plane.info,
        plugins=[plugin],
        servers=SERVERS,
        security=[{plane.scheme: []}],
    )
    add_components(spec, plane)
    assert plugin.converter is not None  # noqa: S101
    schemas = Schemas(spec, plugin.converter)
    for rule in sorted(_described_rules(app, plane), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        operations = {
            method.lower(): describe_operation(schemas, view, rule, method) for method in methods
        }
        spec.path(path=path_of(rule), operations=operations)
    schemas.describe_nested()
    for name in sorted({rule.endpoint.partition(".")[0] for rule in _described_rules(app, plane)}):
        spec.tag({"name": name, "description": _describe_room(app, name)})
    document: dict[str, Any] = spec.to_dict()
    drop_unused(document)
    return document


def render(document: dict[str, Any], guide: str | None) -> bytes:
    """Return a document as JSON, with a link to the guide if this app serves it."""
    if guide is not None:
        document["externalDocs"] = {"description": "Guide", "url": guide}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _described_rules(app: Flask, plane: Plane) -> Iterator[Rule]:
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        if rule.rule.startswith(DESCRIBED_PREFIX) and plane.has(permission):
            yield rule


def _describe_room(app: Flask, blueprint: str) -> str:
    """Return the docstring of the package that holds the routes of a blueprint."""
    package = app.blueprints[blueprint].import_name.rpartition(".")[0]
    return inspect.cleandoc(sys.modules[package].__doc__ or "")
