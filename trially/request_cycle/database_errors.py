"""Map errors of the database to problems: by SQLSTATE, never by message, which quotes rows."""

from functools import cache

from flask import Flask, Response, current_app
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.auth.refusals import no_access
from trially.database.model import TenantModel
from trially.database.placement import (
    OutdatedTenantError,
    StalePlacementError,
    TenantSuspendedError,
)
from trially.http.codes import Code
from trially.http.problems import Conflict, Problem, ServiceUnavailable, validation_failed
from trially.http.retry_after import retry_after
from trially.observability.metrics import database_faults_total, guard_refusals_total
from trially.request_cycle.causes import (
    CONNECTION_WAIT,
    MOVED,
    OUTDATED,
    WRONG_KEY,
    Cause,
    cause_of,
    sqlstate_of,
)
from trially.request_state import request_state
from trially.tenancy.recorded_keys import WrongSecretKeyError

NO_SERVER = "none"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATIONS = frozenset({"23001", "23503"})
INVALID_VALUES = frozenset(
    {"22001", "22003", "22007", "22008", "22021", "22P02", "22P05", "23502", "23514"}
)
"""SQLSTATEs of values that a column or a CHECK does not accept."""


def init_app(app: Flask) -> None:
    """Render errors of the database and of the guard."""
    app.register_error_handler(DBAPIError, _render_database_error)
    app.register_error_handler(CheckoutTimeoutError, _refuse_waited)
    app.register_error_handler(StalePlacementError, _refuse_stale)
    app.register_error_handler(TenantSuspendedError, _refuse_suspended)
    app.register_error_handler(OutdatedTenantError, _refuse_outdated)
    app.register_error_handler(WrongSecretKeyError, _refuse_wrong_key)


def _render_database_error(error: DBAPIError) -> Response:
    cause = cause_of(error)
    return _to_problem(error).to_response() if cause is None else _refuse(cause, sqlstate_of(error))


def _to_problem(error: DBAPIError) -> Problem:
    sqlstate, pointer = sqlstate_of(error), _pointer_of(error)
    if sqlstate == UNIQUE_VIOLATION:
        return Conflict(
            "A record with this value already exists.", code=Code.ALREADY_EXISTS, errors=pointer
        )
    if sqlstate in FOREIGN_KEY_VIOLATIONS and not pointer:
        return Conflict("Other records still reference this one.", code=Code.STILL_REFERENCED)
    if sqlstate in FOREIGN_KEY_VIOLATIONS | INVALID_VALUES:
        return validation_failed(pointer)
    current_app.logger.error("Request %s failed in SQL: %s.", request_state().request_id, sqlstate)
    return Problem("The server failed to answer this request.")


def _pointer_of(error: DBAPIError) -> list[dict[str, str]]:
    """Return the pointer and detail in the `info` of the constraint that was violated, if any."""
    name = getattr(error.orig, "diag").constraint_name  # noqa: B009
    return [info] if (info := _constraint_info().get(name)) else []


@cache
def _constraint_info() -> dict[str, dict[str, str]]:
    return {
        str(constraint.name): dict(constraint.info)
        for table in TenantModel.metadata.tables.values()
        for constraint in table.constraints
        if constraint.info
    }


def _refuse(cause: Cause, sqlstate: str | None = None) -> Response:
    """Answer 503 for a cause, and tell operators: in the log and in the metrics."""
    placement = request_state().placement
    server = NO_SERVER if placement is None else placement.server
    database_faults_total.labels(cause.code, server).inc()
    current_app.logger.warning(
        "The database did not serve the request: %s.",
        cause.code,
        extra={
            "code": cause.code,
            "sqlstate": sqlstate,
            "bind_key": None if placement is None else placement.bind_key,
        },
    )
    return ServiceUnavailable(
        cause.detail, code=cause.code, headers=retry_after(cause.code, server)
    ).to_response()


def _refuse_waited(_error: CheckoutTimeoutError) -> Response:
    return _refuse(CONNECTION_WAIT)


def _refuse_stale(_error: StalePlacementError) -> Response:
    guard_refusals_total.labels("stale").inc()
    return _refuse(MOVED)


def _refuse_outdated(_error: OutdatedTenantError) -> Response:
    return _refuse(OUTDATED)


def _refuse_wrong_key(error: WrongSecretKeyError) -> Response:
    current_app.logger.critical("%s", error)
    return _refuse(WRONG_KEY)


def _refuse_suspended(_error: TenantSuspendedError) -> Response:
    guard_refusals_total.labels("suspended").inc()
    return no_access("suspended_tenant").to_response()
