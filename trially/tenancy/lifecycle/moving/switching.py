"""The switch in the catalog: it is written before the pause, and only committed in it.

No one sees it before the commit. The rows of the tenant, of both placements and of the operation
are locked until then, so no other process can begin a newer attempt meanwhile.
"""

import datetime as dt

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.lifecycle.attempts import check_attempt
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.guards import open_at
from trially.tenancy.lifecycle.moving.plan import MovePlan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.servers.connections import execute

SWITCH = "hand_over"
"""The step of the operation that is recorded with the switch."""


class Switch:
    """A switch that is written into the catalog, and not committed.

    `tenant` is locked by `catalog`. `opening` is a session of the administrator at the target.
    """

    def __init__(
        self, catalog: Session, tenant: Tenant, plan: MovePlan, opening: connection
    ) -> None:
        """Write it. Raises `SupersededError` if another process has taken the move over."""
        self._catalog, self._plan, self._opening = catalog, plan, opening
        self._is_suspended = is_suspended(tenant)
        check_attempt(catalog, plan.operation)
        self._epoch = self._write()
        commit_softly(opening, waits=plan.target.waits_for_disk)

    def _write(self) -> int:
        """Make the target the active placement, and return its epoch."""
        catalog, plan = self._catalog, self._plan
        source = catalog.get_one(PlacementRecord, plan.source_id)
        target = catalog.get_one(PlacementRecord, plan.target_id)
        kept_for = dt.timedelta(seconds=plan.keep_seconds)
        source.is_active, source.kept_until = False, dt.datetime.now(dt.UTC) + kept_for
        catalog.flush()  # at most one placement is active, also between two statements
        target.is_active, target.kept_until, target.epoch = True, None, source.epoch + 1
        catalog.flush()
        catalog.execute(
            update(Operation).where(Operation.id == plan.operation.id).values(step=SWITCH)
        )
        return target.epoch

    def carry_out(self, progress: MoveProgress) -> None:
        """Open the target and commit. The source is fenced already, so nothing else can follow."""
        progress.begin("open")
        open_at(self._opening, self._plan.tenant_id, self._epoch, is_suspended=self._is_suspended)
        progress.begin("switch")
        self._catalog.commit()


def lock_tenant(catalog: Session, plan: MovePlan) -> Tenant:
    """Lock the tenant's row in the catalog, as a suspension does. The caller commits.

    Raises `BusyTenantError` if another command holds it for two seconds.
    """
    catalog.execute(text("SET LOCAL lock_timeout = '2s'"))
    try:
        return catalog.scalars(
            select(Tenant).where(Tenant.id == plan.tenant_id).with_for_update(of=Tenant)
        ).one()
    except OperationalError as error:
        if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
            raise
        raise BusyTenantError("Another command works on the tenant. Try again later.") from error


def commit_softly(raw: connection, *, waits: bool) -> None:
    """Let a session's commits not wait for the disk, unless they have to."""
    if not waits:
        execute(raw, "SET synchronous_commit = off")


def is_suspended(tenant: Tenant) -> bool:
    """Return whether a tenant's guard has to refuse requests."""
    return tenant.status == TenantStatus.SUSPENDED
