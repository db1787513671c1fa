"""Create a tenant: a resumable operation, which creates the whole tenant or nothing."""

from typing import Any, TypedDict, Unpack
from uuid import UUID

from blinker import Signal
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import (
    DEFAULT_TIME_ZONE,
    Operation,
    OperationState,
    PlacementRecord,
    Tenant,
    TenantKind,
    TenantSlug,
    TenantStatus,
    Tier,
)
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_operation
from trially.tenancy.names import check_line, check_slug, check_time_zone
from trially.tenancy.pinning import refuse_unserved
from trially.tenancy.plans import tier_of_plan
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS, tier_of

tenant_built = Signal()
"""Sent with the new tenant's placement and the operation's `parameters`, before it is active.

A receiver may write the tenant's first rows. It may be called twice, so it must be repeatable.
"""


class TenantExistsError(OperatorError):
    """The slug is or was the slug of another tenant."""


class TenantOptions(TypedDict, total=False):
    """The options of a new tenant. A default applies to an option that is missing or None."""

    kind: TenantKind
    """By default a site."""

    plan: str
    """By default "standard"."""

    region: str | None
    """The region that the tenant's rows must stay in; by default any."""

    time_zone: str | None
    """IANA name; by default UTC."""

    server: str | None
    """The name of the server; by default the emptiest server that fits."""

    tier: Tier | None
    """By default the tier of the plan."""

    parameters: dict[str, Any] | None
    """Passed to the receivers of `tenant_built`; without them the signal is not sent."""


def create_tenant(slug: str, name: str, **options: Unpack[TenantOptions]) -> Tenant:
    """Create a tenant with its role and its storage, and return it.

    Raises `InvalidSlugError`, `UnsafeTextError`, `PinnedError`, `NotPinnedError`,
    `UnknownTimeZoneError`, `TenantExistsError`, `NoServerError` or `NoFittingServerError` before
    anything is created. If a step fails later, everything created so far is removed.
    """
    check_slug(slug)
    _check_texts(name, options)
    refuse_unserved(slug)
    with catalog_transaction() as session:
        tenant = _new_tenant(slug, name, options)
        record = _allocate(session, tenant, options)
        if tier_of(record).is_ready(record):
            # No database objects will be created. So if a crash of the server loses this commit,
            # nothing is left behind, and the commit need not wait for the disk.
            session.execute(text("SET LOCAL synchronous_commit = off"))
        _claim_slug(session, tenant)
        operation = _new_operation(tenant, options)
        session.add_all([record, operation])
    run_operation(operation.id)
    return find_tenant_record(tenant.id)


def find_tenant_record(tenant_id: UUID) -> Tenant:
    """Return a tenant and its placement from the catalog, or raise `NoResultFound`."""
    with catalog_transaction() as session:
        return session.scalars(select(Tenant).where(Tenant.id == tenant_id)).one()


def _check_texts(name: str, options: TenantOptions) -> None:
    for text_, what, column in (
        (name, "The name", Tenant.name),
        (options.get("plan"), "The plan", Tenant.plan),
        (options.get("region"), "The region", Tenant.region),
    ):
        if text_ is not None:
            check_line(text_, what, length_of(column))
    check_time_zone(options.get("time_zone") or DEFAULT_TIME_ZONE)


def _new_tenant(slug: str, name: str, options: TenantOptions) -> Tenant:
    return Tenant(
        id=uuid7(),
        slug=slug,
        name=name,
        kind=options.get("kind", TenantKind.SITE),
        plan=options.get("plan", "standard"),
        region=options.get("region"),
        time_zone=options.get("time_zone") or DEFAULT_TIME_ZONE,
        status=TenantStatus.PROVISIONING,
        settings={},
    )


def _allocate(session: Session, tenant: Tenant, options: TenantOptions) -> PlacementRecord:
    """Choose the tenant's tier and server, and return an unsaved placement there."""
    tier = options.get("tier") or tier_of_plan(tenant.plan)
    server = choose_server(session, tier, tenant.region, options.get("server"))
    record = TIERS[tier].allocate(session, server)
    record.tenant_id, record.server_id, record.epoch = tenant.id, server.id, 1
    return record


def _claim_slug(session: Session, tenant: Tenant) -> None:
    """Insert the tenant and its slug, or raise `TenantExistsError`."""
    session.add(tenant)
    try:
        session.flush()
        session.add(TenantSlug(slug=tenant.slug, tenant_id=tenant.id))
        session.flush()
    except IntegrityError as error:
        raise TenantExistsError(
            f"The slug {tenant.slug!r} is already taken. Choose another one."
        ) from error


def _new_operation(tenant: Tenant, options: TenantOptions) -> Operation:
    return Operation(
        id=uuid7(),
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        kind=PROVISION.name,
        state=OperationState.RUNNING,
        parameters=options.get("parameters") or {},
    )


def _record_of(operation: Operation) -> PlacementRecord:
    if operation.placement is None:
        raise NoResultFound(f"The tenant of operation {operation.id} has no active placement.")
    return operation.placement


def _needs_storage(operation: Operation) -> bool:
    record = _record_of(operation)
    return not tier_of(record).is_ready(record)


def _has_parameters(operation: Operation) -> bool:
    return bool(operation.parameters)


def _create_role(_session: Session, operation: Operation) -> None:
    record = _record_of(operation)
    tier_of(record).create_role(record)


def _create_storage(_session: Session, operation: Operation) -> None:
    record = _record_of(operation)
    tier_of(record).create_storage(record)


def _grant_access(session: Session, operation: Operation) -> None:
    record = _record_of(operation)
    revision = tier_of(record).grant_access(record)
    session.execute(
        update(PlacementRecord).where(PlacementRecord.id == record.id).values(revision=revision)
    )


def _add_owner(_session: Session, operation: Operation) -> None:
    record = _record_of(operation)
    tenant_built.send(tier_of(record).placement(record), parameters=operation.parameters)


def _activate(session: Session, operation: Operation) -> None:
    session.execute(
        update(Tenant).where(Tenant.id == operation.tenant_id).values(status=TenantStatus.ACTIVE)
    )


def _undo(session: Session, operation: Operation) -> None:
    record = _record_of(operation)
    tier_of(record).remove(record)
    session.execute(delete(Tenant).where(Tenant.id == operation.tenant_id))


PROVISION = OperationKind(
    name="provision",
    steps=(
        Step("create_role", _create_role, _needs_storage),
        Step("create_storage", _create_storage, _needs_storage),
        Step("grant_access", _grant_access),
        Step("add_owner", _add_owner, _has_parameters),
        Step("activate", _activate),
    ),
    undo=_undo,
)
KINDS[PROVISION.name] = PROVISION
