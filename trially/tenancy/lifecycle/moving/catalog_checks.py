"""What the catalog knows against a move: the tenant's state, and the server that it moves to."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import TenantStatus, Tier
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.operations import UNFINISHED
from trially.tenancy.servers.choice import find_objection
from trially.tenancy.tiers import TIERS, tier_of


def refusals(
    source: PlacementRecord, server: Server, tier: Tier, *, is_back: bool
) -> Iterator[Blocker]:
    """Yield why this move can never be made, whatever one waits for."""
    if not is_back and (source.tier, source.server_id) == (tier, server.id):
        yield Blocker(
            "same_placement",
            f"The tenant is in the tier {tier} on the server {server.name!r} already.",
            "Name another tier with --to-tier, or another server with --to-server.",
        )
    if not (tier_of(source).can_move and TIERS[tier].can_move):
        yield Blocker(
            "cannot_move",
            "A silo is an instance of its own, so no tenant moves into one or out of one.",
            "`flask tenants silo` writes the files of a new silo.",
        )


def obstacles(
    session: Session, source: PlacementRecord, server: Server, tier: Tier
) -> Iterator[Blocker]:
    """Yield what the catalog knows against a move at the moment."""
    tenant = session.get_one(Tenant, source.tenant_id)
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        yield Blocker(
            "not_served",
            f"The tenant {tenant.slug!r} is {tenant.status}.",
            "Only active and suspended tenants are moved. `flask operations list` shows what is"
            " not finished.",
        )
    yield from unfinished_operations_of(session, tenant)
    if source.quarantine is not None:
        yield Blocker(
            "quarantined",
            f"The last migration of the tenant {tenant.slug!r} failed: {source.quarantine}",
            f"Correct the cause, and run `flask tenants migrate {tenant.slug}`.",
        )
    objection = find_objection(session, server, tier, tenant.region, moving=tenant.id)
    if objection is not None:
        yield Blocker(
            "server_refuses",
            f"The server {server.name!r} {objection}.",
            "Name another server with --to-server, or change this one with `flask servers change`.",
        )


def unfinished_operations_of(session: Session, tenant: Tenant) -> Iterator[Blocker]:
    """Yield the operations of a tenant that run, or were interrupted."""
    unfinished = session.scalars(
        select(Operation).where(
            Operation.tenant_id == tenant.id,
            Operation.state.in_(UNFINISHED),
        )
    )
    for operation in unfinished:
        yield Blocker(
            "unfinished_operation",
            f"The operation {operation.id} ({operation.kind}) of the tenant {tenant.slug!r} is"
            f" {operation.state}.",
            f"Wait for its process. If that has ended, `flask operations resume {operation.id}`"
            " finishes it, or undoes it with --undo.",
        )
