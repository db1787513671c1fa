"""The OpenAPI documents, and a page to browse that of tenants offline.

A document is built when it is first requested. `tools/start_checks.py` builds them in `make check`.
"""

from threading import Lock

from flask import Blueprint, Flask, Response, current_app
from flask_swagger_ui import get_swaggerui_blueprint

from trially.auth.permissions import public
from trially.http.contract import JSON_TYPE
from trially.openapi.planes import ORGANISATIONS, PLATFORM, TENANTS, Plane
from trially.openapi.start_page import GUIDE_PATH, add_start_page
from trially.state import app_state, state_of

DOCUMENT_PATH = "/openapi.json"
PLATFORM_DOCUMENT_PATH = "/openapi-platform.json"
ORGANISATIONS_DOCUMENT_PATH = "/openapi-organisations.json"
BROWSER_PATH = "/docs"

__all__ = ["BROWSER_PATH", "DOCUMENT_PATH", "GUIDE_PATH", "document_of", "init_app"]

bp = Blueprint("openapi", __name__)
add_start_page(bp)

_BUILDING = Lock()
"""Threads that request a document while it is built wait for it."""


@bp.get(DOCUMENT_PATH)
@public
def show_document() -> Response:
    """Show the OpenAPI document."""
    return _show(TENANTS)


@bp.get(PLATFORM_DOCUMENT_PATH)
@public
def show_platform_document() -> Response:
    """Show the OpenAPI document of the platform API."""
    return _show(PLATFORM)


@bp.get(ORGANISATIONS_DOCUMENT_PATH)
@public
def show_organisations_document() -> Response:
    """Show the OpenAPI document of the API of people of organisations."""
    return _show(ORGANISATIONS)


def init_app(app: Flask, guide: str | None = None) -> None:
    """Serve the documents of the app's views, with a link to the guide."""
    state_of(app).guide_url = guide
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


def document_of(plane: Plane) -> bytes:
    """Return the OpenAPI document of a plane as JSON.

    The first call in a process builds it, which takes some 0.1 s of CPU.
    """
    state = app_state()
    with _BUILDING:
        document = state.openapi_documents.get(plane.title)
        if document is None:
            # Imported here, because most workers never build a document.
            from trially.openapi.document import describe, render

            document = render(describe(current_app, state.version, plane), state.guide_url)
            state.openapi_documents[plane.title] = document
    return document


def _show(plane: Plane) -> Response:
    return Response(document_of(plane), content_type=JSON_TYPE)
