"""Move a tenant to another tier or server, and back."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.tenancy.catalog import (
    Operation,
    OperationState,
    PlacementRecord,
    Tenant,
    TenantStatus,
    Tier,
    is_called,
)
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.moving.errors import MoveError
from trially.tenancy.lifecycle.moving.guards import CLOSED
from trially.tenancy.lifecycle.moving.steps import MOVE
from trially.tenancy.lifecycle.operations import run_operation
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.pinning import is_served
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS

UNFINISHED = (OperationState.RUNNING, OperationState.UNDOING)


class NothingKeptError(MoveError):
    """The tenant has no placement that it could move back to."""


@dataclass(frozen=True)
class MoveOptions:
    """How a tenant is moved."""

    max_pause: float = 0.1
    """The longest time that requests wait for the switch, in seconds."""

    keep_seconds: float = 24 * 3600
    """How long the source is kept after the switch."""

    give_up_seconds: float = 600
    """How long to wait for a moment in which the switch takes no longer."""

    max_wal_bytes: int = 8 * 2**30
    """How much WAL the source may retain for the move."""


def move_tenant(
    reference: str, tier: Tier | None, server: str | None, options: MoveOptions
) -> Operation:
    """Move a tenant to a tier, on the server of this name, and return the operation.

    Without them, it is the tenant's present tier, or its present server. If the move fails before
    the switch, the tenant stays where it is, and what was created is removed.
    Raises `UnknownTenantError`, `NoServerError`, `NoFittingServerError` or a `MoveError`.
    """
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        source = tenant.placement
        tier = tier or Tier(source.tier)
        chosen = choose_server(session, tier, tenant.region, server or source.server.name)
        if (source.tier, source.server_id) == (tier, chosen.id):
            raise MoveError(
                f"The tenant {tenant.slug!r} is in the tier {tier} on the server {chosen.name!r}"
                " already."
            )
        target = TIERS[tier].allocate(session, chosen)
        target.tenant_id, target.server_id = tenant.id, chosen.id
        target.epoch, target.is_active = CLOSED, False
        session.add(target)
        session.flush()
        operation = _begin(session, tenant, target, options, was_kept=False)
    return _run(operation)


def move_back(reference: str, options: MoveOptions) -> Operation:
    """Move a tenant back to the placement that it left last. Nothing written since is lost.

    Raises `UnknownTenantError`, or `NothingKeptError` if no placement is kept.
    """
    with catalog_transaction() as session:
        tenant = _find(session, reference)
        target = session.scalar(
            select(PlacementRecord)
            .where(
                PlacementRecord.tenant_id == tenant.id,
                PlacementRecord.kept_until > dt.datetime.now(dt.UTC),
            )
            .order_by(PlacementRecord.kept_until.desc())
            .limit(1)
        )
        if target is None:
            raise NothingKeptError(
                f"No placement of the tenant {tenant.slug!r} is kept. `flask tenants move` moves it"
                " to any tier and server."
            )
        operation = _begin(session, tenant, target, options, was_kept=True)
    return _run(operation)


def _run(operation: Operation) -> Operation:
    try:
        return run_operation(operation.id)
    finally:
        directory().forget(operation.tenant_id)


def _begin(
    session: Session,
    tenant: Tenant,
    target: PlacementRecord,
    options: MoveOptions,
    *,
    was_kept: bool,
) -> Operation:
    operation = Operation(
        id=uuid7(),
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        kind=MOVE.name,
        state=OperationState.RUNNING,
        parameters={
            "source": str(tenant.placement.id),
            "target": str(target.id),
            "from": _describe(tenant.placement),
            "to": _describe(target),
            "was_kept": was_kept,
            **vars(options),
        },
    )
    session.add(operation)
    return operation


def _describe(record: PlacementRecord) -> str:
    return f"{record.tier} on {record.server.name}"


def _find(session: Session, reference: str) -> Tenant:
    """Return the tenant, locked, or raise an error if it cannot be moved now."""
    tenant = session.scalar(
        select(Tenant).where(is_called(reference), is_served()).with_for_update(of=Tenant)
    )
    if tenant is None:
        raise UnknownTenantError(reference)
    if tenant.status not in (TenantStatus.ACTIVE, TenantStatus.SUSPENDED):
        raise MoveError(f"The tenant {tenant.slug!r} is {tenant.status}, so it cannot be moved.")
    unfinished = session.scalar(
        select(Operation).where(Operation.tenant_id == tenant.id, Operation.state.in_(UNFINISHED))
    )
    if unfinished is not None:
        raise MoveError(
            f"The operation {unfinished.id} ({unfinished.kind}) of the tenant {tenant.slug!r} is"
            f" not finished. `flask operations resume {unfinished.id}` finishes it, or undoes it"
            " with --undo."
        )
    return tenant
