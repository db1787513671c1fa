"""Decide whether a request may be tried again, and prepare that attempt."""

from flask import current_app, request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from trially.auth.identity import resolve_tenant
from trially.database.placement import ReplicaBehindError, ReplicaPlacement, StalePlacementError
from trially.database.replicas import mark_unavailable
from trially.database.watching import DeadlineExceededError
from trially.http.contract import contract_of
from trially.observability.metrics import guard_refusals_total, replica_requests_total
from trially.request_cycle.causes import QUERY_CANCELED, sqlstate_of
from trially.request_cycle.replicas import is_on_replica, reads_only
from trially.request_state import request_state
from trially.tenancy.context import current_tenant, enter_tenant
from trially.tenancy.directory import directory


def may_retry(error: BaseException, attempt: int) -> bool:
    """Return whether another attempt may answer the request, and cannot do anything twice.

    The guard refuses a transaction with its first statement, so a request with a stale placement
    has done nothing yet, unless it committed a batch or read a streamed body before. Then each of
    its transactions follows the tenant by itself. A request on a replica only reads. The server
    rolls back the transaction of a lost connection, unless a COMMIT of changes was sent. After the
    second attempt, only a stale placement is a reason.
    """
    state, view = request_state(), current_app.view_functions[request.endpoint or ""]
    if not state.can_repeat or (state.is_committing and not reads_only(view)):
        return False
    if isinstance(error, StalePlacementError):
        return True
    if attempt > 1 or not isinstance(error, DBAPIError) or sqlstate_of(error) == QUERY_CANCELED:
        return False
    return is_on_replica() or (
        error.connection_invalidated
        and not isinstance(error.orig, DeadlineExceededError)
        and not contract_of(view).streams_body
    )


def prepare_retry(error: BaseException) -> None:
    """Enter the tenant again: on the primary, and with a placement that was looked up now.

    A replica's guard refuses a stale placement and a lagging replica with the same error. So the
    placement is looked up after either; while the catalog does not answer, the primary's guard
    decides about the cached one. A placement that a primary refused is not used again.
    """
    state = request_state()
    # The first attempt may have written a record with this id, if only its answer was lost.
    state.new_id, placement = None, state.placement
    if isinstance(placement, ReplicaPlacement):
        is_away = isinstance(error, OperationalError | InterfaceError)
        if is_away or isinstance(error, ReplicaBehindError):
            mark_unavailable(placement, is_away=is_away)
        replica_requests_total.labels("asked primary").inc()
    if isinstance(error, StalePlacementError):
        guard_refusals_total.labels("stale").inc()
        tenant_id = current_tenant().tenant_id
        if isinstance(error, ReplicaBehindError):
            directory().expire(tenant_id)
        else:
            directory().forget(tenant_id)
    credential = request_state().credential
    assert credential is not None  # noqa: S101
    enter_tenant(resolve_tenant(credential))
