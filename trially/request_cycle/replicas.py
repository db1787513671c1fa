"""Answer a request that only reads on a replica, if one is fresh enough.

An answer that shows patients comes from the primary, because its audit record is written with it.
So does one whose view stores what it has computed.
"""

from flask import Response, current_app, request

from trially.database.placement import (
    ReplicaPlacement,
    current_placement,
    enter_placement,
    has_placement,
)
from trially.database.replicas import choose_replica
from trially.http.contract import View, contract_of
from trially.http.read_after import read_position, write_token
from trially.observability.metrics import replica_requests_total
from trially.request_state import request_state
from trially.tenancy.context import enter_tenant
from trially.tenancy.directory import TenantEntry


def enter_nearest(entry: TenantEntry, view: View) -> None:
    """Enter the tenant: on a replica if the view may be answered by one and one is fresh enough."""
    enter_tenant(entry)
    placement = entry.placement
    if not placement.replicas or not reads_only(view):
        return
    if shows_patients(view) or contract_of(view).stores_results:
        return
    written_up_to = read_position(placement.tenant_id, placement.epoch)
    if written_up_to is None:
        return
    replica = choose_replica(placement, written_up_to)
    if replica is not None:
        enter_placement(replica)


def is_on_replica() -> bool:
    """Return whether the current request is answered by a replica."""
    return has_placement() and isinstance(current_placement(), ReplicaPlacement)


def send_position(response: Response) -> Response:
    """Send the client that may have written the WAL position that its next reads need."""
    written_up_to = request_state().written_up_to
    if is_on_replica():
        replica_requests_total.labels("answered").inc()
    elif written_up_to is not None and not reads_only(
        current_app.view_functions[request.endpoint or ""]
    ):
        placement = current_placement()
        write_token(response, placement.tenant_id, placement.epoch, written_up_to)
    return response


def reads_only(view: View) -> bool:
    """Return whether the current request changes nothing."""
    return request.method in {"GET", "HEAD"} or contract_of(view).only_reads


def shows_patients(view: View) -> bool:
    """Return whether answers of a view are recorded as disclosures."""
    return contract_of(view).subjects is not None
