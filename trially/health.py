"""Endpoints for operators: liveness, readiness and metrics."""

import hmac
from http import HTTPStatus
from threading import Event

from alembic.util import CommandError
from flask import Blueprint, Response, current_app, request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from trially.auth.permissions import public
from trially.config import current_settings
from trially.database.session import engine_registry
from trially.http.contract import json_response
from trially.http.problems import NotFound, Unauthorized
from trially.observability import metrics
from trially.state import app_state
from trially.tenancy.catalog import reader_engine
from trially.tenancy.recorded_keys import WrongSecretKeyError
from trially.tenancy.schema.lineages import CATALOG_LINEAGE, TENANT_LINEAGE, head_of

bp = Blueprint("health", __name__)

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
    """Return 200 if requests can be served, 503 if a check fails or the process is draining."""
    if _draining.is_set():
        return json_response({"status": "draining"}, HTTPStatus.SERVICE_UNAVAILABLE)
    checks = {
        "catalog": _check_catalog(),
        "keys": _check_keys(),
        "migrations": _check_migrations(),
    }
    is_ready = all(state == "ok" for state in checks.values())
    return json_response(
        {"status": "ok" if is_ready else "unavailable", "checks": checks},
        HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE,
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
        with reader_engine().connect() as catalog:
            revision = catalog.scalar(text("SELECT version_num FROM catalog.alembic_version"))
    except WrongSecretKeyError as error:
        current_app.logger.critical("%s", error)
        return "wrong secret key"
    except SQLAlchemyError as error:
        current_app.logger.warning("The catalog cannot be queried: %s.", type(error).__name__)
        return "unreachable"
    return "ok" if revision == head_of(CATALOG_LINEAGE) else "not migrated"


def _check_keys() -> str:
    return "ok" if app_state().token_verifier.has_keys() else "unavailable"


def _check_migrations() -> str:
    """Check that the files of the tenants' migrations, from which templates are built, exist."""
    try:
        head_of(TENANT_LINEAGE)
    except (CommandError, RuntimeError, OSError) as error:
        current_app.logger.warning("The migrations cannot be read: %s.", type(error).__name__)
        return "unreadable"
    return "ok"
