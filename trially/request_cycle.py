"""The life of a request: admit, view, settle. Here alone is a token read and a request committed."""

from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.auth.identity import no_access, read_claims, read_identity, read_residence
from trially.auth.permissions import Permission
from trially.auth.tokens import Claims
from trially.database.placement import Placement, StalePlacementError, TenantSuspendedError
from trially.database.session import db
from trially.http.problems import (
    Conflict,
    Forbidden,
    Problem,
    ServiceUnavailable,
    UnprocessableContent,
)
from trially.tenancy.context import current_tenant, enter_tenant
from trially.tenancy.directory import directory

ERRORS_START = 400
RETRY_AFTER_SECONDS = "1"
_CONFLICTS = {"23505": "This is there already.", "23503": "Something else refers to this."}
_BROKEN_RULES = {"23502", "23514", "22003", "22007", "22008", "22021", "22P02", "22P05", "22001"}


def admit() -> None:
    """Decode the token, enter its tenant, and check the view's permission."""
    if request.endpoint is None:
        return
    permission: Permission | None = current_app.view_functions[request.endpoint].__dict__[
        "permission"
    ]
    if permission is None:
        return
    claims = read_claims()
    placement = _open_transaction(claims)
    g.identity = read_identity(claims, placement)
    if not g.identity.may(permission):
        raise Forbidden(f"This needs the permission {permission}.")


def settle(response: Response) -> Response:
    """Commit what a view did, or roll it back if it answered with an error."""
    if "placement" in g:
        if response.status_code < ERRORS_START:
            db.session.commit()
        else:
            db.session.rollback()
    return response


def init_app(app: Flask) -> None:
    """Put every request through the cycle. Flask-SQLAlchemy closes the session at its end."""
    app.before_request(admit)
    app.after_request(settle)
    app.register_error_handler(IntegrityError, _render_broken_rule)
    app.register_error_handler(DBAPIError, _render_database_error)
    app.register_error_handler(CheckoutTimeoutError, _render_unavailable)
    app.register_error_handler(StalePlacementError, _render_unavailable)
    app.register_error_handler(TenantSuspendedError, lambda _error: no_access().to_response())


def _open_transaction(claims: Claims) -> Placement:
    """Begin the request's transaction: the guard says whether what the directory knew is current.

    It is asked before the view runs, so looking a second time repeats nothing.
    """
    enter_tenant(read_residence(claims))
    try:
        db.session.connection()
    except StalePlacementError:
        directory().forget(current_tenant().tenant_id)
        db.session.rollback()
        enter_tenant(read_residence(claims))
        db.session.connection()
    return current_tenant().placement


def _render_broken_rule(error: IntegrityError) -> Response:
    """Name a broken rule of the database by its kind, never by its message, which quotes rows."""
    detail = _CONFLICTS.get(_sqlstate(error))
    problem = Conflict(detail) if detail else UnprocessableContent("The body breaks a rule.")
    return problem.to_response()


def _render_database_error(error: DBAPIError) -> Response:
    if isinstance(error, OperationalError):
        return _render_unavailable(error)
    state = _sqlstate(error)
    current_app.logger.error("Request %s failed in SQL: %s.", g.get("request_id"), state)
    if state in _BROKEN_RULES:
        return UnprocessableContent("The body breaks a rule.").to_response()
    return Problem("Something went wrong on our side.").to_response()


def _render_unavailable(error: Exception) -> Response:
    current_app.logger.warning(
        "Request %s found no database: %s.", g.get("request_id"), type(error).__name__
    )
    return ServiceUnavailable(
        "The database is away for a moment.", headers={"Retry-After": RETRY_AFTER_SECONDS}
    ).to_response()


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or "none"
