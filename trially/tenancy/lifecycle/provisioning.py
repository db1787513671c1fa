"""Create a tenant: a resumable operation, which creates the whole tenant or nothing."""

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict, Unpack
from uuid import UUID

from blinker import Signal
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.config import current_settings
from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import DEFAULT_TIME_ZONE, Operation, Server, Tenant, TenantSlug
from trially.tenancy.catalog_choices import OperationState, TenantKind, TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import NoMasterKeyError, has_master_key
from trially.tenancy.entitlements.model import DEFAULT_PLAN, Plan
from trially.tenancy.lifecycle.attempts import exclusive_connection, transaction
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step, run_new_operation
from trially.tenancy.lifecycle.ready_tenants import claim_ready
from trially.tenancy.lifecycle.storage_steps import (
    STORAGE_STEPS,
    record_of,
    remove_tenant,
    set_status,
)
from trially.tenancy.names import check_line, check_slug, check_time_zone
from trially.tenancy.pinning import refuse_unserved
from trially.tenancy.plans.reading import get_plan
from trially.tenancy.plans.tiers import refuse_tier, tier_of_plan
from trially.tenancy.servers.access import FIRST_SERVER
from trially.tenancy.servers.choice import choose_server
from trially.tenancy.tiers import TIERS, PlacementTier, tier_of

_FIND = select(Tenant).where(Tenant.id == bindparam("tenant_id"))

tenant_built = Signal()
"""Sent with the new tenant's placement and the operation's `parameters`, before it is active.

A receiver may write the tenant's first rows. It may be called twice, so it must be repeatable.
"""


class TenantExistsError(OperatorError):
    """The slug is or was the slug of another tenant."""


class Described(Protocol):
    """A tenant, or the manifest of its archive: what a new tenant can take over."""

    @property
    def kind(self) -> str:
        """A `TenantKind`."""

    @property
    def plan(self) -> str:
        """Name of the plan."""

    @property
    def region(self) -> str | None:
        """The region that the rows must stay in."""

    @property
    def time_zone(self) -> str:
        """IANA name."""


class TenantOptions(TypedDict, total=False):
    """The options of a new tenant. A default applies to an option that is missing or None."""

    kind: TenantKind
    """By default a site."""

    plan: str | None
    """By default `DEFAULT_PLAN`."""

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
    `UnknownTimeZoneError`, `UnknownPlanError`, `TierNotInPlanError`, `TenantExistsError`,
    `NoServerError` or `NoFittingServerError` before anything is created, and `NoMasterKeyError` for
    a silo without a master key of its own. If a step fails later, everything created so far is
    removed.
    """
    _check(slug, name, options)
    tenant = _new_tenant(slug, name, options)
    with exclusive_connection() as catalog:
        operation = run_new_operation(catalog, lambda session: _begin(session, tenant, options))
        with transaction(catalog) as session:
            return session.scalars(_FIND, {"tenant_id": operation.tenant_id}).one()


def tenant_like(
    source: Described, slug: str, name: str, settings: Mapping[str, Any] | None = None
) -> Tenant:
    """Return a new tenant, not saved yet, with the kind, plan, region and time zone of another.

    Raises `InvalidSlugError`, `UnsafeTextError`, `PinnedError` or `NotPinnedError`.
    """
    _check(slug, name, {})
    return Tenant(
        id=uuid7(),
        slug=slug,
        name=name,
        kind=TenantKind(source.kind),
        plan=_known_plan(source.plan),
        region=source.region,
        time_zone=source.time_zone,
        status=TenantStatus.PROVISIONING,
        settings=dict(settings or {}),
    )


def tier_for(session: Session, plan: str, options: TenantOptions) -> Tier:
    """Return the tier of a new tenant: the one that is asked for, or that of its plan."""
    tier = options.get("tier")
    if tier is None:
        return tier_of_plan(session, plan)
    refuse_tier(get_plan(session, plan), tier)
    return tier


def _known_plan(name: str) -> str:
    """Return the name of a plan, or that of the default one if the catalog lacks it.

    An archive of another installation may name a plan that this one does not have.
    """
    with catalog_transaction() as session:
        return name if session.get(Plan, name) else DEFAULT_PLAN


def find_tenant_record(tenant_id: UUID) -> Tenant:
    """Return a tenant and its placement from the catalog, or raise `NoResultFound`."""
    with catalog_transaction() as session:
        return session.scalars(_FIND, {"tenant_id": tenant_id}).one()


def _check(slug: str, name: str, options: TenantOptions) -> None:
    check_slug(slug)
    check_options(name, options)
    refuse_unserved(slug)
    if current_settings().pinned_tenant and not has_master_key():
        raise NoMasterKeyError


def check_options(name: str, options: TenantOptions) -> None:
    """Check the name and the texts of the options, or raise an `OperatorError`."""
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
        plan=options.get("plan") or DEFAULT_PLAN,
        region=options.get("region"),
        time_zone=options.get("time_zone") or DEFAULT_TIME_ZONE,
        status=TenantStatus.PROVISIONING,
        settings={},
    )


def begin_tenant(
    session: Session,
    kind: str,
    tenant: Tenant,
    tier: PlacementTier,
    server: Server,
    parameters: dict[str, Any] | None,
) -> Operation:
    """Save a tenant with a placement that is yet to be created, and return the operation.

    `kind` is the name of an operation whose steps begin with `STORAGE_STEPS`. Raises
    `TenantExistsError`.
    """
    record = tier.allocate(session, server, tenant.id)
    record.id, record.tenant_id, record.epoch = uuid7(), tenant.id, 1
    record.server_id, record.server = server.id, server
    _claim_slug(session, tenant, is_new=True)
    operation = _new_operation(kind, tenant, parameters)
    operation.placement = record
    session.bulk_save_objects([record, operation])
    return operation


def _begin(session: Session, tenant: Tenant, options: TenantOptions) -> Operation:
    """Claim a ready tenant as the new one, or else save the new one."""
    parameters = options.get("parameters")
    tier = tier_for(session, tenant.plan, options)
    server = choose_server(session, tier, tenant.region, options.get("server"))
    claimed = claim_ready(session, tenant, tier, server, is_complete=not parameters)
    if claimed is not None:
        return _begin_claimed(session, claimed, parameters)
    operation = begin_tenant(session, PROVISION.name, tenant, TIERS[tier], server, parameters)
    if server.name == FIRST_SERVER or TIERS[tier].is_ready(record_of(operation)):
        _commit_without_waiting(session)
    return operation


def _begin_claimed(
    session: Session, tenant: Tenant, parameters: dict[str, Any] | None
) -> Operation:
    """Give a ready tenant its slug. Without parameters it is complete, and so is the operation."""
    _claim_slug(session, tenant, is_new=False)
    operation = _new_operation(PROVISION.name, tenant, parameters)
    if operation.parameters:
        operation.step = STORAGE_STEPS[-1].name
        _commit_without_waiting(session)
    else:
        operation.step, operation.state = PROVISION.steps[-1].name, OperationState.DONE
    operation.placement = tenant.placement
    session.bulk_save_objects([operation])
    return operation


def _commit_without_waiting(session: Session) -> None:
    """Let this commit not wait for the disk. The last commit of the operation waits.

    If a crash loses it, no database object is left: there will be none, or the server of the
    catalog makes them, and loses them with its later WAL.
    """
    session.execute(text("SET LOCAL synchronous_commit = off"))


def _claim_slug(session: Session, tenant: Tenant, *, is_new: bool) -> None:
    """Insert the slug of a tenant, and the tenant if it is new; or raise `TenantExistsError`."""
    slug = tenant.slug  # it cannot be read after a failure
    row = TenantSlug(slug=slug, tenant_id=tenant.id)
    try:
        session.bulk_save_objects([tenant, row] if is_new else [row])
    except IntegrityError as error:
        raise TenantExistsError(
            f"The slug {slug!r} is already taken. Choose another one."
        ) from error


def _new_operation(kind: str, tenant: Tenant, parameters: dict[str, Any] | None) -> Operation:
    return Operation(
        id=uuid7(),
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        kind=kind,
        state=OperationState.RUNNING,
        parameters=parameters or {},
        attempts=0,
    )


def _add_owner(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tenant_built.send(tier_of(record).placement(record), parameters=operation.parameters)


def activate(session: Session, operation: Operation) -> None:
    """Let the operation's tenant be served."""
    set_status(session, operation.tenant_id, TenantStatus.ACTIVE)


PROVISION = OperationKind(
    name="provision",
    steps=(
        *STORAGE_STEPS,
        Step("add_owner", _add_owner, lambda operation: bool(operation.parameters)),
        Step("activate", activate, joins_previous=True),
    ),
    undo=remove_tenant,
    creates_tenant=True,
)
KINDS[PROVISION.name] = PROVISION
