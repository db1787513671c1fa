"""The OpenAPI 3.1 document, built from the views' contracts, and a page to browse it offline."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint
from werkzeug.routing import Rule

from trially.auth.permissions import public
from trially.http.contract import JSON_TYPE
from trially.openapi.components import SERVERS, add_components, drop_unused
from trially.openapi.documents import Document
from trially.openapi.operations import describe_operation, path_of
from trially.openapi.planes import ORGANISATIONS, PLATFORM, TENANTS, Plane
from trially.openapi.schemas import Schemas, base_name
from trially.openapi.start_page import GUIDE_PATH, add_start_page
from trially.state import app_state, state_of

DOCUMENT_PATH = "/openapi.json"
PLATFORM_DOCUMENT_PATH = "/openapi-platform.json"
ORGANISATIONS_DOCUMENT_PATH = "/openapi-organisations.json"
BROWSER_PATH = "/docs"
DESCRIBED_PREFIX = "/api/"

__all__ = ["BROWSER_PATH", "DOCUMENT_PATH", "GUIDE_PATH", "describe", "init_app"]

bp = Blueprint("openapi", __name__)
add_start_page(bp)


@bp.get(DOCUMENT_PATH)
@public
def show_document() -> Response:
    """Show the OpenAPI document."""
    return Response(app_state().openapi_document.render(), content_type=JSON_TYPE)


@bp.get(PLATFORM_DOCUMENT_PATH)
@public
def show_platform_document() -> Response:
    """Show the OpenAPI document of the platform API."""
    return Response(app_state().platform_document.render(), content_type=JSON_TYPE)


@bp.get(ORGANISATIONS_DOCUMENT_PATH)
@public
def show_organisations_document() -> Response:
    """Show the OpenAPI document of the API of people of organisations."""
    return Response(app_state().organisations_document.render(), content_type=JSON_TYPE)


def init_app(app: Flask, version: str, guide: str | None = None) -> None:
    """Serve the documents of all views, with a link to the guide."""

    def document_of(plane: Plane) -> Document:
        return Document(lambda: _rendered(describe(app, version, plane), guide))

    state_of(app).openapi_document = document_of(TENANTS)
    state_of(app).platform_document = document_of(PLATFORM)
    state_of(app).organisations_document = document_of(ORGANISATIONS)
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


def _rendered(document: dict[str, Any], guide: str | None) -> bytes:
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
