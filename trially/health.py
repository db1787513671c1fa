"""Endpoints for operators: liveness, readiness and metrics."""

import hmac
from http import HTTPStatus
from threading import Event
from typing import Any

from alembic.util import CommandError
from flask import Blueprint, Response, current_app, request
from sqlalchemy import text

from trially.auth.permissions import public
from trially.config import current_settings
from trially.database.session import engine_registry
from trially.http.contract import json_response
from trially.http.problems import NotFound, Unauthorized
from trially.observability import metrics
from trially.state import app_state
from trially.tenancy.catalog import reader_engine
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.recorded_keys import WrongSecretKeyError
from trially.tenancy.schema.lineages import CATALOG_LINEAGE, TENANT_LINEAGE, head_of

bp = Blueprint("health", __name__)

FROM_CACHE = "unreachable, serving from cache"
SOME_KEYS = "available for some issuers"

_draining = Event()


def start_draining() -> None:
    """Make /readyz answer 503 from now on, because this process is about to end."""
    _draining.set()


@bp.get("/livez")
@public
def show_liveness() -> Response:
    """Return 200: the process answers requests."""
    return json_response({"status": "ok"})


@bp.get("/readyz")
@public
def show_readiness() -> Response:
    """Return 200 if requests can be served, 503 if they cannot or the process is draining.

    An instance that can serve some tenants is ready: other instances could not serve more.
    """
    if _draining.is_set():
        return json_response({"status": "draining"}, HTTPStatus.SERVICE_UNAVAILABLE)
    checks = {
        "catalog": _check_catalog(),
        "keys": _check_keys(),
        "migrations": _check_migrations(),
    }
    if all(state == "ok" for state in checks.values()):
        return json_response({"status": "ok", "checks": checks})
    if all(state in {"ok", FROM_CACHE, SOME_KEYS} for state in checks.values()):
        return json_response({"status": "degraded", "checks": checks})
    return json_response(
        {"status": "unavailable", "checks": checks}, HTTPStatus.SERVICE_UNAVAILABLE
    )


@bp.get("/metrics")
@public
def show_metrics() -> Response:
    """Return the metrics of all workers to a caller with the metrics token."""
    expected = current_settings().metrics_token
    if not expected:
        raise NotFound("Metrics are disabled.")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), expected.encode()):
        raise Unauthorized(
            "Missing or invalid token. Send the metrics token as a bearer token.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    metrics.usage.record(engine_registry().budgets(), app_state().bulkheads)
    body, content_type = metrics.render()
    return Response(body, content_type=content_type)


def _check_catalog() -> str:
    try:
        revision = catalog_reader().ask(_read_revision)
    except WrongSecretKeyError as error:
        current_app.logger.critical("%s", error)
        return "wrong secret key"
    except CatalogUnavailableError:
        return FROM_CACHE if app_state().directory.can_serve_stale() else "unreachable"
    return "ok" if revision == head_of(CATALOG_LINEAGE) else "not migrated"


def _read_revision() -> Any:
    with reader_engine().connect() as catalog:
        return catalog.scalar(text("SELECT version_num FROM catalog.alembic_version"))


def _check_keys() -> str:
    available, all_of_them = app_state().token_verifier.available_keys()
    if available == all_of_them:
        return "ok"
    return SOME_KEYS if available else "unavailable"


def _check_migrations() -> str:
    """Check that the files of the tenants' migrations, from which templates are built, exist."""
    try:
        head_of(TENANT_LINEAGE)
    except (CommandError, RuntimeError, OSError) as error:
        current_app.logger.warning("The migrations cannot be read: %s.", type(error).__name__)
        return "unreadable"
    return "ok"
