"""Empty a server: move each of its tenants to another one, in the same tier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from trially.errors import OperatorError
from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import UNBUILT, UNCLAIMED, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.servers.choice import choose_server


class NotEmptiedError(OperatorError):
    """Some tenants could not be moved off a server."""


@dataclass(frozen=True)
class Drained:
    """What became of one tenant."""

    tenant: str
    tier: str
    server: str | None
    """Where it is now; None if it could not be moved."""

    pause_ms: float | None = None
    error: str | None = None


def tenants_on(server: str) -> Sequence[Tenant]:
    """Return the tenants that a server holds, suspended ones too, by slug."""
    with catalog_transaction() as session:
        return session.scalars(
            select(Tenant)
            .join(PlacementRecord, PlacementRecord.tenant_id == Tenant.id)
            .join(Server, Server.id == PlacementRecord.server_id)
            .where(
                Server.name == server,
                PlacementRecord.is_active,
                Tenant.status.not_in((*UNBUILT, *UNCLAIMED)),
            )
            .order_by(Tenant.slug)
        ).all()


def move_off(tenants: Sequence[Tenant], options: MoveOptions) -> Iterator[Drained]:
    """Move tenants of a draining server, one after the other. A failure stops none of the others.

    Each goes to the emptiest server that accepts its tier and its region.
    """
    for tenant in tenants:
        tier = Tier(tenant.placement.tier)
        try:
            with catalog_transaction() as session:
                server = choose_server(session, tier, tenant.region)
            operation = move_tenant(tenant.slug, tier, server.name, options)
        except Exception as error:  # noqa: BLE001  the other tenants are moved
            yield Drained(tenant.slug, tier, None, error=describe_failure(error))
        else:
            result = operation.parameters.get("result", {})
            yield Drained(tenant.slug, tier, server.name, result.get("pause_ms"))
