"""Choose the server of a new tenant by region, tier and free capacity."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import SERVER_CHOICE_LOCK
from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import UNCLAIMED, Tier
from trially.tenancy.servers.access import NoServerError

ASSUMED_CAPACITY = 1_000
"""The capacity that is assumed for a server without one when servers are compared."""


class NoFittingServerError(OperatorError):
    """No server accepts the tenant. The message gives the reason for each server."""


def choose_server(
    session: Session, tier: Tier, region: str | None, name: str | None = None
) -> Server:
    """Return the server for a new tenant: the one called `name`, or the emptiest that accepts it.

    A tenant with a region is placed on a server of that region, also if `name` is given.
    Raises `NoServerError` and `NoFittingServerError`.
    """
    query = select(Server).order_by(Server.created_at)
    servers = session.scalars(query if name is None else query.where(Server.name == name)).all()
    if name is not None and not servers:
        raise NoServerError(name)
    objections = {server: standing_objection(server, tier, region) for server in servers}
    fitting = [server for server in servers if objections[server] is None]
    if len(fitting) == 1 and fitting[0].capacity is None:
        return fitting[0]
    counts = _count_tenants(session, fitting)
    for server in fitting:
        if server.capacity is not None and counts[server.id] >= server.capacity:
            objections[server] = f"is full ({counts[server.id]} of {server.capacity})"
    fitting = [server for server in fitting if objections[server] is None]
    if not fitting:
        raise NoFittingServerError(_explain(objections, tier, region, name))
    return min(fitting, key=lambda server: _fullness(server, counts[server.id]))


def find_objection(
    session: Session, server: Server, tier: Tier, region: str | None, *, moving: UUID
) -> str | None:
    """Return why a server does not accept a tenant that moves there, or None if it does.

    The tenant's own place is not counted, because it may be on this server already.
    """
    objection = standing_objection(server, tier, region)
    if objection is not None or server.capacity is None:
        return objection
    others = session.scalar(
        select(func.count())
        .select_from(PlacementRecord)
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(
            Tenant.status.not_in(UNCLAIMED),
            Tenant.id != moving,
            PlacementRecord.server_id == server.id,
            PlacementRecord.is_active,
        )
    )
    is_full = others is not None and others >= server.capacity
    return f"is full ({others} of {server.capacity})" if is_full else None


def standing_objection(server: Server, tier: Tier, region: str | None) -> str | None:
    """Return why a server does not accept a tenant, capacity aside, or None if it does."""
    if region is not None and server.region != region:
        return f"is in {server.region!r}" if server.region else "has no region"
    if server.is_draining:
        return "is draining"
    if server.tiers and tier not in server.tiers:
        return f"does not accept the tier {tier}"
    return None


def _count_tenants(session: Session, servers: list[Server]) -> Mapping[UUID, int]:
    """Count the tenants on each server, and hold the lock until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(SERVER_CHOICE_LOCK)))
    rows = session.execute(
        select(PlacementRecord.server_id, func.count())
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(
            Tenant.status.not_in(UNCLAIMED),
            PlacementRecord.server_id.in_([server.id for server in servers]),
            PlacementRecord.is_active,
        )
        .group_by(PlacementRecord.server_id)
    )
    return dict.fromkeys((server.id for server in servers), 0) | dict(rows.all())


def _fullness(server: Server, tenants: int) -> float:
    return tenants / (server.capacity or ASSUMED_CAPACITY)


def _explain(
    objections: Mapping[Server, str | None], tier: Tier, region: str | None, name: str | None
) -> str:
    where = f" in the region {region!r}" if region is not None else ""
    candidates = f"the server {name!r}" if name is not None else "any server"
    reasons = "; ".join(f"{server.name} {reason}" for server, reason in objections.items())
    return (
        f"A tenant of tier {tier}{where} cannot be placed on {candidates}: {reasons}. Add a server"
        " with `flask servers add`, or change one with `flask servers change`."
    )
