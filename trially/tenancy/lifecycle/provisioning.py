"""Create a tenant: a resumable operation that leaves a whole tenant or nothing."""

from typing import Any
from uuid import UUID

from blinker import Signal
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.errors import OperatorError
from trially.tenancy.catalog import (
    Operation,
    OperationState,
    PlacementRecord,
    Tenant,
    TenantKind,
    TenantSlug,
    TenantStatus,
    Tier,
    catalog_transaction,
)
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.names import check_slug
from trially.tenancy.pinning import refuse_unserved
from trially.tenancy.plans import tier_of_plan
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS, tier_of

tenant_built = Signal()
"""Sent with the new tenant's placement and the operation's `parameters`, before it is active.

What accepts_stream it may write the tenant's first rows, and may be asked to do so twice.
"""


class TenantExistsError(OperatorError):
    """The slug is, or was, another tenant's."""


def create_tenant(
    slug: str,
    name: str,
    *,
    kind: TenantKind = TenantKind.SITE,
    plan: str = "standard",
    region: str | None = None,
    server: str | None = None,
    tier: Tier | None = None,
    parameters: dict[str, Any] | None = None,
) -> Tenant:
    """Create a tenant and everything that will hold it, on the server named or the emptiest.

    Raises `InvalidSlugError`, `PinnedError`, `NotPinnedError`, `TenantExistsError`,
    `NoServerError` or `NoFittingServerError` before anything is made; an error later takes back
    what was made.
    """
    check_slug(slug)
    refuse_unserved(slug)
    tier = tier or tier_of_plan(plan)
    with catalog_transaction() as session:
        found = choose_server(session, tier, region, server)
        tenant = Tenant(
            id=uuid7(),
            slug=slug,
            name=name,
            kind=kind,
            plan=plan,
            region=region,
            status=TenantStatus.PROVISIONING,
            settings={},
        )
        record = TIERS[tier].allocate(session, found)
        record.tenant_id, record.server_id, record.epoch = tenant.id, found.id, 1
        is_ready = TIERS[tier].is_ready(record)
        operation = Operation(
            id=uuid7(),
            tenant_id=tenant.id,
            tenant_slug=slug,
            kind=PROVISION.name,
            state=OperationState.RUNNING,
            step="create_storage" if is_ready else None,
            parameters=parameters or {},
        )
        if is_ready:
            # Nothing will be made that nobody would know of if the server lost this.
            session.execute(text("SET LOCAL synchronous_commit = off"))
        session.add(tenant)
        try:
            session.flush()
            session.add(TenantSlug(slug=slug, tenant_id=tenant.id))
            session.flush()
        except IntegrityError as error:
            raise TenantExistsError(f"The slug {slug!r} is taken.") from error
        session.add_all([record, operation])
    run_operation(operation.id)
    return find_tenant_record(tenant.id)


def find_tenant_record(tenant_id: UUID) -> Tenant:
    """Return a tenant and its placement as the catalog has them, or raise `NoResultFound`."""
    with catalog_transaction() as session:
        return session.scalars(select(Tenant).where(Tenant.id == tenant_id)).one()


def _record_of(session: Session, operation: Operation) -> PlacementRecord:
    return session.scalars(
        select(PlacementRecord).where(
            PlacementRecord.tenant_id == operation.tenant_id, PlacementRecord.is_active
        )
    ).one()


def _create_role(session: Session, operation: Operation) -> None:
    record = _record_of(session, operation)
    tier_of(record).create_role(record)


def _create_storage(session: Session, operation: Operation) -> None:
    record = _record_of(session, operation)
    tier_of(record).create_storage(record)


def _grant_access(session: Session, operation: Operation) -> None:
    record = _record_of(session, operation)
    tier_of(record).grant_access(record)


def _add_owner(session: Session, operation: Operation) -> None:
    record = _record_of(session, operation)
    tenant_built.send(tier_of(record).placement(record), parameters=operation.parameters)


def _activate(session: Session, operation: Operation) -> None:
    session.execute(
        update(Tenant).where(Tenant.id == operation.tenant_id).values(status=TenantStatus.ACTIVE)
    )


def _undo(session: Session, operation: Operation) -> None:
    record = _record_of(session, operation)
    tier_of(record).remove(record)
    session.execute(delete(Tenant).where(Tenant.id == operation.tenant_id))


PROVISION = OperationKind(
    name="provision",
    steps=(
        Step("create_role", _create_role),
        Step("create_storage", _create_storage),
        Step("grant_access", _grant_access),
        Step("add_owner", _add_owner, lambda operation: bool(operation.parameters)),
        Step("activate", _activate),
    ),
    undo=_undo,
)
KINDS[PROVISION.name] = PROVISION
