"""Ready tenants: their storage is complete, and the next new tenant of their tier becomes one.

`TRIALLY_READY_TENANTS` says how many of each tier are kept on each server. A ready tenant is a
row of the catalog with an id and a placement, so migrations, key rotation and the doctor treat it
like any other tenant. No list and no request knows it (`pinning.is_served`).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.database.rows import table_of
from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import OperationState, TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.claim_notices import notice
from trially.tenancy.lifecycle.operations import (
    KINDS,
    UNFINISHED,
    OperationKind,
    Step,
    run_operation,
)
from trially.tenancy.lifecycle.storage_steps import STORAGE_STEPS, remove_tenant, set_status
from trially.tenancy.names import opaque_name
from trially.tenancy.schema.revision_files import TENANT_LINEAGE
from trially.tenancy.schema.revisions import needed_revision
from trially.tenancy.tiers import TIERS

NAME = "(ready)"
"""The name of each ready tenant. Its slug begins with `ready-`, and is not reserved."""

CLAIMED = ("slug", "name", "kind", "plan", "region", "time_zone", "settings")
"""The columns that a claim copies: all that a new tenant has of its own."""

_tenant = table_of(Tenant)
_OLDEST_READY = (
    select(Tenant.id)
    .join(PlacementRecord, PlacementRecord.tenant_id == Tenant.id)
    .where(
        Tenant.status == TenantStatus.READY,
        PlacementRecord.is_active,
        PlacementRecord.tier == bindparam("tier"),
        PlacementRecord.server_id == bindparam("server_id"),
    )
    .order_by(Tenant.id)
    .limit(1)
    .with_for_update(of=Tenant, skip_locked=True)
)
_CLAIMABLE = _OLDEST_READY.where(PlacementRecord.revision == bindparam("needed_revision"))
_CLAIM = (
    update(_tenant)
    .where(_tenant.c.id == _CLAIMABLE.scalar_subquery())
    .values(created_at=func.now())
    .returning(_tenant.c.id, notice())
)
"""Sets the columns that the parameters name, too."""


def claim_ready(
    session: Session, tenant: Tenant, tier: Tier, server: Server, *, is_complete: bool
) -> Tenant | None:
    """Turn the oldest ready tenant of a tier on a server into `tenant`, and return it.

    It becomes active if it `is_complete`. The process that fills hears of it. `tenant` itself is
    not saved. Returns None if no ready tenant has the revision that this version needs.
    Transactions that claim at the same time get different ones.
    """
    values: dict[str, Any] = {name: getattr(tenant, name) for name in CLAIMED}
    values["status"] = TenantStatus.ACTIVE if is_complete else TenantStatus.PROVISIONING
    head = needed_revision(TENANT_LINEAGE)
    choice = {"tier": tier, "server_id": server.id, "needed_revision": head}
    claimed = session.scalar(_CLAIM, {**choice, **values})
    return None if claimed is None else session.get_one(Tenant, claimed)


def prepare_ready(tier: Tier, server_id: UUID) -> None:
    """Create a ready tenant. If that fails, everything created for it is removed."""
    with catalog_transaction() as session:
        server = session.get_one(Server, server_id)
        tenant_id = uuid7()
        record = TIERS[tier].allocate(session, server, tenant_id)
        tenant = Tenant(
            id=tenant_id,
            slug=f"ready-{opaque_name()[2:]}",
            name=NAME,
            status=TenantStatus.PREPARING,
            settings={},
        )
        record.tenant_id, record.server_id, record.epoch = tenant.id, server.id, 1
        operation = Operation(
            id=uuid7(),
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            kind=PREPARE.name,
            state=OperationState.RUNNING,
            parameters={},
        )
        session.add(tenant)
        session.flush()
        session.add_all([record, operation])
    run_operation(operation.id)


def discard_ready(tier: Tier, server_id: UUID, *, is_behind: bool = False) -> bool:
    """Remove the oldest ready tenant of a tier on a server; return False if there is none.

    `is_behind` chooses among those that no claim takes, because they lack migrations.
    """
    choice = _OLDEST_READY.where(_is_behind()) if is_behind else _OLDEST_READY
    with catalog_transaction() as session:
        tenant_id = session.scalar(choice, {"tier": tier, "server_id": server_id})
        if tenant_id is None:
            return False
        set_status(session, tenant_id, TenantStatus.PREPARING)
        operation_id = session.scalars(
            update(Operation)
            .where(Operation.tenant_id == tenant_id, Operation.kind == PREPARE.name)
            .values(state=OperationState.UNDOING, error="no longer needed")
            .returning(Operation.id)
        ).one()
    run_operation(operation_id)
    return True


def count_ready(session: Session) -> dict[tuple[UUID, Tier], int]:
    """Return the number of ready tenants by server and tier."""
    rows = session.execute(
        select(PlacementRecord.server_id, PlacementRecord.tier, func.count())
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(PlacementRecord.is_active, Tenant.status == TenantStatus.READY)
        .group_by(PlacementRecord.server_id, PlacementRecord.tier)
    )
    return {(server_id, Tier(tier)): count for server_id, tier, count in rows}


def unfinished_preparations(session: Session) -> Sequence[UUID]:
    """Return the operations on ready tenants that a process has begun and not ended."""
    return session.scalars(
        select(Operation.id).where(
            Operation.kind == PREPARE.name,
            Operation.state.in_(UNFINISHED),
        )
    ).all()


def _is_behind() -> Any:
    head = needed_revision(TENANT_LINEAGE)
    return PlacementRecord.revision.is_(None) | (PlacementRecord.revision < head)


def _mark_ready(session: Session, operation: Operation) -> None:
    set_status(session, operation.tenant_id, TenantStatus.READY)


PREPARE = OperationKind(
    name="prepare",
    steps=(*STORAGE_STEPS, Step("mark_ready", _mark_ready, joins_previous=True)),
    undo=remove_tenant,
    creates_tenant=True,
)
KINDS[PREPARE.name] = PREPARE
