"""The life of a request: admit, view, settle. Only here is a token read and a request committed."""

import time
from contextlib import suppress

import orjson
from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as CheckoutTimeoutError

from trially.auth.identity import (
    no_access,
    read_claims,
    read_identity,
    read_residence,
    refuse_revoked,
)
from trially.auth.permissions import Permission, PhiLevel
from trially.config import current_settings
from trially.database.deadline import start_deadline
from trially.database.idempotency import (
    KeyInUseError,
    KeyUse,
    claim_key,
    get_answer,
    keep_answer,
)
from trially.database.model import TenantModel
from trially.database.placement import (
    ReplicaBehindError,
    ReplicaPlacement,
    StalePlacementError,
    TenantSuspendedError,
    current_placement,
    enter_placement,
    has_placement,
)
from trially.database.replicas import find_replica, put_aside
from trially.database.session import ask_guard, db
from trially.http.contract import View, contract_of, read_body, refuse_query
from trially.http.idempotency import KEPT_HEADERS, REPLAYED_HEADER, digest_request, read_key
from trially.http.masking import show_identifiers
from trially.http.problems import (
    Conflict,
    Forbidden,
    Problem,
    ServiceUnavailable,
    UnprocessableContent,
)
from trially.http.read_after import read_position, write_token
from trially.observability.metrics import guard_refusals_total, replica_requests_total
from trially.tenancy.context import current_tenant, enter_tenant
from trially.tenancy.directory import Residence, directory

ERRORS_START = 400
REFUSAL_SECONDS = 0.05
"""A stranger's refusal takes this, or a multiple of it."""

RETRY_AFTER_SECONDS = "1"
UNIQUE_VIOLATION = "23505"
QUERY_CANCELED = "57014"
FOREIGN_KEY_VIOLATIONS = frozenset({"23001", "23503"})
BROKEN_RULES = frozenset(
    {"22001", "22003", "22007", "22008", "22021", "22P02", "22P05", "23502", "23514"}
)
"""SQLSTATEs of values that a column or check cannot take."""


def admit() -> Response | None:
    """Decode the token, enter its tenant, and check the view's permission.

    Returns the answer already given if the request's Idempotency-Key has been used before.
    """
    if request.endpoint is None or request.method == "OPTIONS":
        return None
    view = current_app.view_functions[request.endpoint]
    permission: Permission | None = view.__dict__["permission"]
    if permission is None:
        return None
    g.setdefault("admitted_at", time.perf_counter())
    claims = read_claims()
    if contract_of(view).body is not None:
        # Before the first statement: no transaction, and no suspension, waits for a slow client.
        read_body()
    if not contract_of(view).reads_by_itself:
        start_deadline(current_settings().request_timeout_ms)
    residence = read_residence(claims)
    _enter(residence, view)
    g.identity = read_identity(claims, current_placement())
    refuse_revoked(claims, residence)
    if not g.identity.may(permission):
        raise Forbidden(f"This needs the permission {permission}.")
    show_identifiers(is_shown=g.identity.phi_level is PhiLevel.FULL)
    refuse_query(view)
    return _claim_key() if contract_of(view).is_keyed else None


def settle(response: Response) -> Response:
    """Commit what a view did, or roll it back if it answered with an error."""
    if "placement" not in g:
        return response
    if response.status_code >= ERRORS_START:
        _roll_back()
        _tell_position(response)
        return response
    try:
        _keep_answer(response)
        if not db.session().in_transaction() and "has_committed" not in g:
            # A view that asks the database nothing is not to be how a closed tenant answers.
            ask_guard()
        db.session.commit()
    except (DBAPIError, StalePlacementError, TenantSuspendedError) as error:
        _roll_back()
        return settle(current_app.make_response(current_app.handle_user_exception(error)))
    _tell_position(response)
    return response


def even_out(response: Response) -> Response:
    """Let a stranger wait, so that the time of their refusal tells no more than its words.

    Without it, a tenant that is unknown, one that is suspended and one that is someone else's would
    be told apart: each takes its own look into a database, or none.
    """
    if g.get("is_stranger"):
        db.session.remove()
        elapsed = time.perf_counter() - g.admitted_at
        time.sleep(-elapsed % REFUSAL_SECONDS)
    return response


def init_app(app: Flask) -> None:
    """Put every request through the cycle. Flask-SQLAlchemy closes the session at its end."""
    app.before_request(admit)
    app.after_request(even_out)  # what is named later comes earlier
    app.after_request(settle)
    app.register_error_handler(DBAPIError, _render_database_error)
    app.register_error_handler(CheckoutTimeoutError, _render_unavailable)
    app.register_error_handler(StalePlacementError, _look_again)
    app.register_error_handler(ReplicaBehindError, _ask_primary)
    app.register_error_handler(TenantSuspendedError, _refuse_suspended)


def _enter(residence: Residence, view: View) -> None:
    """Enter the tenant: on a replica, if the request only reads and one may answer it."""
    enter_tenant(residence)
    placement = residence.placement
    if not placement.replicas or g.get("is_primary_wanted") or not _only_reads(view):
        return
    written_up_to = read_position(placement.tenant_id, placement.epoch)
    if written_up_to is None:
        return
    replica = find_replica(placement, written_up_to)
    if replica is not None:
        enter_placement(replica)


def _only_reads(view: View) -> bool:
    return request.method in {"GET", "HEAD"} or contract_of(view).only_reads


def _is_on_replica() -> bool:
    return has_placement() and isinstance(current_placement(), ReplicaPlacement)


def _tell_position(response: Response) -> None:
    """Tell a client that may have written what replicas must have replayed to show it that."""
    if _is_on_replica():
        replica_requests_total.labels("answered").inc()
    elif "written_up_to" in g and not _only_reads(
        current_app.view_functions[str(request.endpoint)]
    ):
        placement = current_placement()
        write_token(response, placement.tenant_id, placement.epoch, g.written_up_to)


def _roll_back() -> None:
    """Roll back what is open. Where the server has gone away, there is nothing left to."""
    with suppress(DBAPIError):
        db.session.rollback()


def _claim_key() -> Response | None:
    """Claim the request's Idempotency-Key, or return what it was answered with before."""
    key = read_key()
    if key is None:
        return None
    use = KeyUse(
        member_id=g.identity.member_id,
        operation=f"{request.method} {request.path}",
        key=key,
        request_digest=digest_request(
            is_masked=g.identity.phi_level is not PhiLevel.FULL, site_ids=g.identity.site_ids
        ),
    )
    g.claim = claim_key(use, current_settings().idempotency_lifetime_seconds)
    if g.claim is not None:
        return None
    try:
        known = get_answer(use)
    except KeyInUseError as error:
        raise Conflict(str(error), headers={"Retry-After": RETRY_AFTER_SECONDS}) from None
    if bytes(known["request_digest"]) != use.request_digest:
        raise UnprocessableContent("This Idempotency-Key came with another request before.")
    headers = {**known["headers"], REPLAYED_HEADER: "true"}
    return Response(bytes(known["body"]), known["status"], headers)


def _keep_answer(response: Response) -> None:
    """Write the answer beside the key that this request has claimed, if it has."""
    claim = g.get("claim")
    if claim is not None:
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        keep_answer(
            claim,
            response.status_code,
            orjson.dumps(kept).decode(),
            response.get_data(),
            current_settings().idempotency_lifetime_seconds,
        )


def _look_again(error: StalePlacementError) -> ResponseReturnValue:
    """Answer a request anew whose tenant's placement has changed since this process last looked.

    The guard refuses a transaction with its first statement, so nothing has been done that would
    be done twice, unless the view has committed before.
    """
    guard_refusals_total.labels("stale").inc()
    if g.get("is_second_look") or g.get("has_committed"):
        return _render_unavailable(error)
    g.is_second_look = True
    directory().forget(current_tenant().tenant_id)
    return _begin_anew()


def _ask_primary(error: Exception) -> ResponseReturnValue:
    """Answer a request anew that a replica could not: it was only to read, so nothing is doubled.

    The primary's guard then says whether the tenant is here, and open.
    """
    replica = current_placement()
    is_away = isinstance(error, OperationalError | InterfaceError)
    if isinstance(replica, ReplicaPlacement) and (is_away or isinstance(error, ReplicaBehindError)):
        put_aside(replica, is_away=is_away)
    replica_requests_total.labels("asked primary").inc()
    return _begin_anew()


def _begin_anew() -> ResponseReturnValue:
    _roll_back()
    g.is_primary_wanted = True
    try:
        return admit() or current_app.dispatch_request()
    except Exception as refusal:  # noqa: BLE001
        return current_app.handle_user_exception(refusal)


def _refuse_suspended(_error: TenantSuspendedError) -> Response:
    guard_refusals_total.labels("suspended").inc()
    return no_access().to_response()


def _render_database_error(error: DBAPIError) -> ResponseReturnValue:
    """Answer by the kind of error, never by its message, which quotes rows."""
    state = getattr(error.orig, "pgcode", None)
    if _is_on_replica() and state != QUERY_CANCELED:
        return _ask_primary(error)
    if state == QUERY_CANCELED:
        return ServiceUnavailable(
            "The request took longer than it may.", headers={"Retry-After": RETRY_AFTER_SECONDS}
        ).to_response()
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return _render_unavailable(error)
    return _to_problem(error).to_response()


def _to_problem(error: DBAPIError) -> Problem:
    state = getattr(error.orig, "pgcode", None)
    if state == UNIQUE_VIOLATION:
        return Conflict("This is there already.", errors=_pointers(error))
    if state in FOREIGN_KEY_VIOLATIONS:
        pointers = _pointers(error)
        if pointers:
            return UnprocessableContent("The body breaks a rule.", errors=pointers)
        return Conflict("Something else refers to this.")
    if state in BROKEN_RULES:
        return UnprocessableContent("The body breaks a rule.")
    current_app.logger.error("Request %s failed in SQL: %s.", g.get("request_id"), state)
    return Problem("Something went wrong on our side.")


def _pointers(error: DBAPIError) -> list[dict[str, str]]:
    """Return what the broken constraint's `info` says to whoever broke it, if it says anything."""
    broken = getattr(error.orig, "diag").constraint_name  # noqa: B009
    return [
        dict(constraint.info)
        for table in TenantModel.metadata.tables.values()
        for constraint in table.constraints
        if constraint.name == broken and constraint.info
    ]


def _render_unavailable(error: Exception) -> Response:
    current_app.logger.warning(
        "Request %s found no database: %s.", g.get("request_id"), type(error).__name__
    )
    return ServiceUnavailable(
        "The database is away for a moment.", headers={"Retry-After": RETRY_AFTER_SECONDS}
    ).to_response()
