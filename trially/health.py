"""Endpoints for operators: liveness, readiness and metrics."""

import hmac
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from threading import Event

from flask import Blueprint, Response, current_app, request

from trially.auth.permissions import public
from trially.config import current_settings
from trially.database.engines import engine_registry
from trially.http.answering import json_response
from trially.http.problems import NotFound, Unauthorized
from trially.jobs.wakeups import read_waiting
from trially.observability import metrics
from trially.observability.rendering import render
from trially.observability.usage import usage
from trially.state import app_state
from trially.tenancy.archives.ages import read_ages
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.recorded_keys import WrongSecretKeyError
from trially.tenancy.schema.fleet_revisions import fleet_revisions
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import Revision, needed_revision

bp = Blueprint("health", __name__)

FROM_CACHE = "unreachable, serving from cache"
NEWER_CATALOG = "newer than this version"
SOME_KEYS = "available for some issuers"
UNREADABLE = "unreadable"
UNREADABLE_FILES = (RuntimeError, OSError)
"""What reading the files of the migrations may raise."""

_CATALOG_STATES = {
    Revision.CURRENT: "ok",
    Revision.NEWER: NEWER_CATALOG,
    Revision.BEHIND: "not migrated",
    Revision.OUTDATED: "not migrated",
    Revision.UNKNOWN: "not migrated",
}

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
    checks["jobs"] = _check_jobs(checks["catalog"])
    if all(state == "ok" for state in checks.values()):
        return json_response({"status": "ok", "checks": checks})
    if _can_serve(checks):
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
    catalog = _check_catalog()  # for the metrics of revisions
    _check_jobs(catalog)  # for the metrics of jobs
    _measure_backups(catalog)
    usage.record(engine_registry().budgets(), app_state().bulkheads)
    body, content_type = render()
    return Response(body, content_type=content_type)


def _can_serve(checks: Mapping[str, str]) -> bool:
    """Return whether some tenant can be served."""
    tenants = fleet_revisions().tenants or {}
    behind = tenants.get(Revision.BEHIND, 0) + tenants.get(Revision.OUTDATED, 0)
    are_all_behind = 0 < behind == sum(tenants.values())
    return (
        checks["catalog"] in {"ok", FROM_CACHE, NEWER_CATALOG}
        and checks["keys"] in {"ok", SOME_KEYS}
        and checks["migrations"] != UNREADABLE
        and not are_all_behind
    )


def _check_catalog() -> str:
    try:
        return _CATALOG_STATES[fleet_revisions().read()]
    except WrongSecretKeyError as error:
        current_app.logger.critical("%s", error)
        return "wrong secret key"
    except CatalogUnavailableError:
        return FROM_CACHE if app_state().directory.can_serve_stale() else "unreachable"
    except UNREADABLE_FILES as error:
        current_app.logger.warning("The migrations cannot be read: %s.", type(error).__name__)
        return UNREADABLE


def _check_jobs(catalog: str) -> str:
    """Check that workers visit the tenants that have jobs. Requests are served without workers."""
    if catalog not in {"ok", NEWER_CATALOG}:
        return "unknown"
    try:
        waiting = read_waiting()
    except CatalogUnavailableError:
        return "unknown"
    metrics.jobs_queued.set(waiting.queued)
    metrics.jobs_running.set(waiting.running)
    metrics.jobs_oldest_seconds.set(waiting.oldest_seconds)
    metrics.jobs_overdue_seconds.set(waiting.overdue_seconds)
    return "wait for a worker" if waiting.are_overdue else "ok"


def _measure_backups(catalog: str) -> None:
    if catalog not in {"ok", NEWER_CATALOG}:
        return
    with suppress(CatalogUnavailableError):
        ages = read_ages()
        metrics.backup_oldest_seconds.set(ages.oldest_seconds)
        metrics.tenants_without_backup.set(ages.tenants_without)


def _check_keys() -> str:
    available, all_of_them = app_state().token_verifier.available_keys()
    if available == all_of_them:
        return "ok"
    return SOME_KEYS if available else "unavailable"


def _check_migrations() -> str:
    """Check that the files of the tenants' migrations exist, and how many tenants are behind.

    The count is of the last time that the catalog answered.
    """
    try:
        needed_revision(TENANT_LINEAGE)
    except UNREADABLE_FILES:
        return UNREADABLE
    tenants = fleet_revisions().tenants
    if tenants is None:
        return "unknown"
    others = [
        f"{count} {revision}"
        for revision in (Revision.BEHIND, Revision.OUTDATED, Revision.UNKNOWN, Revision.NEWER)
        if (count := tenants.get(revision, 0))
    ]
    if quarantined := fleet_revisions().quarantined:
        others.append(f"{quarantined} quarantined")
    return f"of {sum(tenants.values())} tenants: {', '.join(others)}" if others else "ok"
