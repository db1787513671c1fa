"""Move a tenant to another tier or server, and back."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import OperationState, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.catalog_checks import unfinished_operations_of
from trially.tenancy.lifecycle.moving.errors import MoveError
from trially.tenancy.lifecycle.moving.estimating import MEASURED, Estimate, estimate
from trially.tenancy.lifecycle.moving.guards import CLOSED
from trially.tenancy.lifecycle.moving.preflight import find_blockers, find_unchecked
from trially.tenancy.lifecycle.moving.steps import MOVE
from trially.tenancy.lifecycle.operations import OperationKind, run_operation
from trially.tenancy.lifecycle.status import find_to_change
from trially.tenancy.plans.reading import get_plan
from trially.tenancy.plans.tiers import allows
from trially.tenancy.servers.access import NoServerError
from trially.tenancy.tiers import TIERS, PlacementTier


class BlockedMoveError(MoveError):
    """Something stands against the move. Nothing was changed."""

    def __init__(self, blockers: Sequence[Blocker]) -> None:
        self.blockers = blockers
        super().__init__("\n".join(["The tenant cannot be moved now.", *map(str, blockers)]))


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


@dataclass(frozen=True)
class Check:
    """What a move would take, and what stands against it."""

    tenant: Tenant
    server: Server
    tier: Tier
    blockers: Sequence[Blocker]
    estimated: Estimate | None
    """None if the tenant cannot be measured, because of a blocker."""

    unchecked: Sequence[str]
    """What the operator has to check, as sentences."""

    @property
    def retained_bytes(self) -> int:
        """How much WAL the copy itself lets the source retain: that of a target on its server."""
        if self.estimated is None or self.server.id != self.tenant.placement.server_id:
            return 0
        return self.estimated.wal_bytes


def check_move(reference: str, tier: Tier | None, server: str | None) -> Check:
    """Return what a move would take. Nothing is changed, and its rows are counted.

    Without a tier or a server, it is the tenant's present one. Raises `UnknownTenantError` or
    `NoServerError`.
    """
    tenant = get_tenant(reference)
    name = server or tenant.placement.server.name
    with catalog_transaction() as session:
        chosen = session.scalar(select(Server).where(Server.name == name))
    if chosen is None:
        raise NoServerError(name)
    return _check(tenant, chosen, tier or Tier(tenant.placement.tier), kept=None)


def check_move_back(reference: str) -> Check:
    """Return what moving back would take. Nothing is changed, and the tenant's rows are counted.

    Raises `UnknownTenantError`, or `NothingKeptError` if no placement is kept.
    """
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        kept = _last_kept(session, tenant)
        server = kept.server
    return _check(tenant, server, Tier(kept.tier), kept=kept)


def _check(tenant: Tenant, server: Server, tier: Tier, *, kept: PlacementRecord | None) -> Check:
    source = tenant.placement
    blockers = [*_forbidden(tenant, tier, kept), *find_blockers(source, server, tier, kept=kept)]
    try:
        estimated = estimate(source, MEASURED)
        unchecked = find_unchecked(source, estimated)
    except psycopg2.Error:
        if not blockers:
            raise
        return Check(tenant, server, tier, blockers, None, ())
    return Check(tenant, server, tier, blockers, estimated, unchecked)


def _forbidden(tenant: Tenant, tier: Tier, kept: PlacementRecord | None) -> Iterator[Blocker]:
    """Yield that the plan does not allow another tier. Moving back undoes a move, so it may."""
    if kept is not None or tier == tenant.placement.tier:
        return
    with catalog_transaction() as session:
        plan = get_plan(session, tenant.plan)
    if not allows(plan.tiers, tier):
        yield Blocker(
            "tier_not_in_plan",
            f"The plan {plan.name} of {tenant.slug} does not allow the tier {tier}, but"
            f" {', '.join(plan.tiers)}.",
            f"Choose one of these, or give it another plan: `flask tenants set {tenant.slug}"
            " --plan …`.",
        )


def move_tenant(
    reference: str, tier: Tier | None, server: str | None, options: MoveOptions
) -> Operation:
    """Move a tenant to a tier, on the server of this name, and return the operation.

    Without them, it is the tenant's present tier, or its present server. If the move fails before
    the switch, the tenant stays where it is, and what was created is removed.
    Raises `UnknownTenantError`, `NoServerError`, `BlockedMoveError` or another `MoveError`.
    """
    check = check_move(reference, tier, server)
    if blockers := blockers_of(check, options):
        raise BlockedMoveError(blockers)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        chosen = session.get_one(Server, check.server.id)
        target = allocate_target(session, tenant, TIERS[check.tier], chosen)
        operation = begin_move(session, MOVE, tenant, target, options, was_kept=False)
    return run_move(operation)


def blockers_of(check: Check, options: MoveOptions) -> Sequence[Blocker]:
    """Return what stands against a move with these options."""
    return [*check.blockers, *_beyond(check.retained_bytes, options.max_wal_bytes)]


def _beyond(retained_bytes: int, limit: int) -> Iterator[Blocker]:
    """Yield that the copy would end at the limit of the WAL that the source may retain."""
    if retained_bytes > limit:
        mebibytes = retained_bytes // 2**20
        yield Blocker(
            "much_wal",
            f"The copy writes some {mebibytes:,} MiB of WAL on the source's own server, which the"
            f" server retains until the switch. The limit is {limit // 2**20:,} MiB.",
            f"If the disk has room, allow more with --max-wal {2 * mebibytes}.",
        )


def move_back(reference: str, options: MoveOptions) -> Operation:
    """Move a tenant back to the placement that it left last. Nothing written since is lost.

    Raises `UnknownTenantError`, `NothingKeptError` if no placement is kept, `BlockedMoveError` or
    another `MoveError`.
    """
    if blockers := check_move_back(reference).blockers:
        raise BlockedMoveError(blockers)
    with catalog_transaction() as session:
        tenant = find_to_change(session, reference)
        target = _last_kept(session, tenant)
        operation = begin_move(session, MOVE, tenant, target, options, was_kept=True)
    return run_move(operation)


def _last_kept(session: Session, tenant: Tenant) -> PlacementRecord:
    """Return the placement that a tenant left last, or raise `NothingKeptError`."""
    kept = session.scalar(
        select(PlacementRecord)
        .where(
            PlacementRecord.tenant_id == tenant.id,
            PlacementRecord.kept_until > dt.datetime.now(dt.UTC),
        )
        .order_by(PlacementRecord.kept_until.desc())
        .limit(1)
    )
    if kept is None:
        raise NothingKeptError(
            f"No placement of the tenant {tenant.slug!r} is kept. `flask tenants move` moves it to"
            " any tier and server."
        )
    return kept


def allocate_target(
    session: Session, tenant: Tenant, tier: PlacementTier, server: Server
) -> PlacementRecord:
    """Save a placement on a server that does not serve the tenant yet, and return it."""
    target = tier.allocate(session, server, tenant.id)
    target.tenant_id, target.server_id = tenant.id, server.id
    target.epoch, target.is_active = CLOSED, False
    session.add(target)
    session.flush()
    return target


def run_move(operation: Operation) -> Operation:
    """Run an operation of `begin_move`, and let this process forget where the tenant was."""
    try:
        return run_operation(operation.id)
    finally:
        directory().forget(operation.tenant_id)


def begin_move(
    session: Session,
    kind: OperationKind,
    tenant: Tenant,
    target: PlacementRecord,
    options: MoveOptions,
    *,
    was_kept: bool,
    **parameters: Any,
) -> Operation:
    """Save an operation that lets a tenant be served at another placement, and return it.

    Raises `BlockedMoveError` while another operation of the tenant is unfinished.
    """
    for unfinished in unfinished_operations_of(session, tenant):
        raise BlockedMoveError([unfinished])
    operation = Operation(
        id=uuid7(),
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        kind=kind.name,
        state=OperationState.RUNNING,
        parameters={
            "source": str(tenant.placement.id),
            "target": str(target.id),
            "from": _describe(tenant.placement),
            "to": _describe(target),
            "was_kept": was_kept,
            **vars(options),
            **parameters,
        },
    )
    session.add(operation)
    return operation


def _describe(record: PlacementRecord) -> str:
    return f"{record.tier} on {record.server.name}"
