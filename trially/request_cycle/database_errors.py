"""Map errors of the database to problems: by SQLSTATE, never by message, which quotes rows."""

from functools import cache

from flask import Flask, Response, current_app
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.auth.identity import no_access
from trially.database.model import TenantModel
from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.http.codes import Code
from trially.http.problems import Conflict, Problem, ServiceUnavailable, validation_failed
from trially.observability.metrics import guard_refusals_total
from trially.state import request_state

RETRY_AFTER_SECONDS = "1"
UNIQUE_VIOLATION = "23505"
QUERY_CANCELED = "57014"
FOREIGN_KEY_VIOLATIONS = frozenset({"23001", "23503"})
INVALID_VALUES = frozenset(
    {"22001", "22003", "22007", "22008", "22021", "22P02", "22P05", "23502", "23514"}
)
"""SQLSTATEs of values that a column or a CHECK does not accept."""


def init_app(app: Flask) -> None:
    """Render errors of the database and of the guard."""
    app.register_error_handler(DBAPIError, _render_database_error)
    app.register_error_handler(CheckoutTimeoutError, _render_unavailable)
    app.register_error_handler(StalePlacementError, _render_stale)
    app.register_error_handler(TenantSuspendedError, _refuse_suspended)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, or None if it has none."""
    sqlstate: str | None = getattr(getattr(error, "orig", None), "pgcode", None)
    return sqlstate


def _render_database_error(error: DBAPIError) -> Response:
    if sqlstate_of(error) == QUERY_CANCELED:
        return ServiceUnavailable(
            "The request took longer than it may.",
            code=Code.REQUEST_TIMEOUT,
            headers={"Retry-After": RETRY_AFTER_SECONDS},
        ).to_response()
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return _render_unavailable(error)
    return _to_problem(error).to_response()


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


def _render_unavailable(error: Exception) -> Response:
    current_app.logger.warning(
        "Request %s got no answer from the database: %s.",
        request_state().request_id,
        type(error).__name__,
    )
    return ServiceUnavailable(
        "The database is temporarily unavailable.",
        code=Code.DATABASE_UNAVAILABLE,
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    ).to_response()


def _render_stale(error: StalePlacementError) -> Response:
    guard_refusals_total.labels("stale").inc()
    return _render_unavailable(error)


def _refuse_suspended(_error: TenantSuspendedError) -> Response:
    guard_refusals_total.labels("suspended").inc()
    return no_access().to_response()
