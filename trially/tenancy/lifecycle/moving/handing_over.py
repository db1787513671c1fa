"""The pause of a move: `lock`, `drain`, `compare`, `fence`, `open`, `switch` and `unlock`.

`docs/decisions/0048` has the protocol, and `tests/tenancy/moving/` its model. Requests wait in the
guard from `lock` to `unlock`, and are then refused as stale; they try again at the target.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant, TenantStatus
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.catching_up import MOST_IN_PAUSE, Follower
from trially.tenancy.lifecycle.moving.errors import BusyTenantError, DifferentTablesError
from trially.tenancy.lifecycle.moving.guards import (
    CLOSED,
    fence,
    open_at,
    read_epoch,
    write_epoch,
)
from trially.tenancy.lifecycle.moving.moments import (
    POLL_SECONDS,
    holding_batches,
    wait_for_moment,
)
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.plan import MovePlan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.sides import LOCK_SECONDS, Side, SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable
from trially.tenancy.lifecycle.operations import check_attempt
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.servers.connections import execute

SWITCH = "hand_over"
"""The step of the operation that is recorded with the switch."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 3.0
"""How long requests may wait for a process that undoes or finishes a move."""

BETWEEN_WAITS_SECONDS = 0.5

SHARE_OF_PAUSE = 3
"""A switch is tried when a drain takes a third of the longest pause at most."""

CATCH_UP_SECONDS = 8.0
"""How long batches are held back so that the target catches up with the last one."""


@dataclass
class HandOver:
    """What the pause needs. All connections are open before it begins."""

    plan: MovePlan
    follower: Follower
    target: SideSession
    tables: Sequence[MovedTable]
    progress: MoveProgress

    def attempt(self) -> None:
        """Hand the tenant over, with a pause of the plan's length at most.

        Raises `BusyTenantError` if it would take longer. Nothing has changed then, and requests
        go on.
        """
        plan, progress = self.plan, self.progress
        progress.attempts += 1
        with (
            Session(control_engine()) as catalog,
            plan.target.administered() as opening,
            plan.source.administered() as locking,
            holding_batches(locking, plan.source),
        ):
            # What the last batch wrote is not left to the pause.
            self.follower.follow(_within(CATCH_UP_SECONDS), plan.max_pause / SHARE_OF_PAUSE)
            wait_for_moment(locking, plan.source, plan.max_pause, self.follower.collect)
            tenant = lock_tenant(catalog, plan)
            progress.begin("lock")
            began = time.monotonic()
            give_up = self._give_up_after(began + plan.max_pause)
            with locked(locking, plan.source, plan.max_pause / 2):
                progress.begin("drain")
                self.follower.drain(give_up, MOST_IN_PAUSE)
                progress.begin("compare")
                self._compare(locking, opening)
                give_up()
                progress.begin("fence")
                fence(locking, plan.tenant_id, waits=plan.source.waits_for_disk)
                finish(catalog, tenant, plan, opening, progress)
                progress.begin("unlock")
            progress.pause_seconds = time.monotonic() - began

    def _give_up_after(self, deadline: float) -> Callable[[], None]:
        def give_up() -> None:
            if time.monotonic() > deadline:
                raise BusyTenantError(
                    f"The switch would take longer than --max-pause. The tenant is served as"
                    f" before. It was at the step {self.progress.phase}."
                )

        return give_up

    def _compare(self, source: connection, target: connection) -> None:
        """Compare the revisions and the rows that changed last, and continue the numbers."""
        check_revisions(self.plan, source, target)
        self.follower.applier.compare_finally(self.follower.source)
        continue_numbers(self.follower.source, self.target, self.tables)


def _within(seconds: float) -> Callable[[], None]:
    """Return a function that raises `BusyTenantError` after some seconds."""
    deadline = time.monotonic() + seconds

    def give_up() -> None:
        if time.monotonic() > deadline:
            raise BusyTenantError(
                "The target does not catch up with the changes of the source within"
                f" {seconds:.0f} s. The tenant is served as before."
            )

    return give_up


def check_revisions(plan: MovePlan, source: connection, target: connection) -> None:
    """Raise `DifferentTablesError` if the tables of both sides are at different revisions."""
    ours = read_revision(source, plan.source.schema)
    theirs = read_revision(target, plan.target.schema)
    if ours != theirs:
        raise DifferentTablesError(
            f"The source is at revision {ours}, and the target at {theirs}. A migration has run"
            " meanwhile. `flask tenants migrate --all` migrates active placements. If the target is"
            " a former placement, use `flask tenants move` instead of `move-back`."
        )


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


@contextmanager
def locked(raw: connection, source: Side, seconds: float) -> Iterator[None]:
    """Hold the tenant's lock at the source, after its open transactions have ended.

    Raises `BusyTenantError` if they last longer than `seconds`.
    """
    key = tenant_lock_key(f"'{source.tenant_id}'::uuid")
    execute(raw, f"SET lock_timeout = '{max(int(seconds * 1000), 1)}ms'")
    try:
        execute(raw, f"SELECT pg_advisory_lock({key})")
    except psycopg2.errors.LockNotAvailable as error:
        raise BusyTenantError(
            "A transaction of the tenant lasts longer than the pause may. The tenant is served as"
            " before. `flask tenants top` shows what it does."
        ) from error
    try:
        yield
    finally:
        if not raw.closed:
            execute(raw, f"SELECT pg_advisory_unlock({key})")


@contextmanager
def locked_when_free(raw: connection, source: Side) -> Iterator[None]:
    """Hold the tenant's lock at the source. Requests do not wait for long while this waits for it.

    If many clients write, there is no moment without a transaction. So requests are let wait now
    and then, for `FIRST_WAIT_SECONDS` at first and twice as long each time.
    Raises `BusyTenantError` if the tenant's transactions leave no moment within `LOCK_SECONDS`.
    """
    key = tenant_lock_key(f"'{source.tenant_id}'::uuid")
    deadline = time.monotonic() + LOCK_SECONDS
    waits, next_wait_at = FIRST_WAIT_SECONDS, time.monotonic() + BETWEEN_WAITS_SECONDS
    while not execute(raw, f"SELECT pg_try_advisory_lock({key})")[0][0]:
        if time.monotonic() > deadline:
            raise BusyTenantError("The tenant's transactions leave no moment. Try again later.")
        if time.monotonic() > next_wait_at:
            if _waited_for(raw, key, waits):
                break
            waits = min(2 * waits, LONGEST_WAIT_SECONDS)
            next_wait_at = time.monotonic() + BETWEEN_WAITS_SECONDS
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if not raw.closed:
            execute(raw, f"SELECT pg_advisory_unlock({key})")


def _waited_for(raw: connection, key: str, seconds: float) -> bool:
    """Wait for a lock for some seconds, and return whether it is held."""
    execute(raw, f"SET lock_timeout = '{int(seconds * 1000)}ms'")
    try:
        execute(raw, f"SELECT pg_advisory_lock({key})")
    except psycopg2.errors.LockNotAvailable:
        return False
    return True


def finish(
    catalog: Session, tenant: Tenant, plan: MovePlan, opening: connection, progress: MoveProgress
) -> None:
    """Open the target and switch: the source is fenced already, so nothing else can follow.

    `tenant` is locked by `catalog`, which is committed here. Raises `SupersededError` if another
    process has taken the move over.
    """
    check_attempt(catalog, plan.operation)
    source = catalog.get_one(PlacementRecord, plan.source_id)
    target = catalog.get_one(PlacementRecord, plan.target_id)
    epoch = source.epoch + 1
    progress.begin("open")
    if not plan.target.waits_for_disk:
        execute(opening, "SET synchronous_commit = off")
    open_at(opening, plan.tenant_id, epoch, is_suspended=_is_suspended(tenant))
    progress.begin("switch")
    source.is_active, source.kept_until = False, _now() + dt.timedelta(seconds=plan.keep_seconds)
    catalog.flush()  # at most one placement is active, also between two statements
    target.is_active, target.kept_until, target.epoch = True, None, epoch
    catalog.execute(update(Operation).where(Operation.id == plan.operation.id).values(step=SWITCH))
    catalog.commit()


def finish_interrupted(plan: MovePlan, progress: MoveProgress) -> bool:
    """Finish a switch that was interrupted behind `fence`. Return whether the tenant has moved.

    If it was interrupted before, the target's guard is closed. The caller holds the copy lock of
    the target.
    """
    with (
        Session(control_engine()) as catalog,
        plan.target.administered() as opening,
        plan.source.administered() as locking,
    ):
        tenant = lock_tenant(catalog, plan)
        if catalog.get_one(PlacementRecord, plan.target_id).is_active:
            return True
        with locked_when_free(locking, plan.source):
            if read_epoch(locking, plan.tenant_id) == CLOSED:
                finish(catalog, tenant, plan, opening, progress)
                return True
        open_at(opening, plan.tenant_id, CLOSED, is_suspended=False)
        return False


def serve_source(catalog: Session, plan: MovePlan) -> None:
    """Let the source serve again, whatever a mover did before.

    A source whose guard and catalog differ gets an epoch that neither side has had. The caller
    holds the copy lock of the target, if that answers. If this process is the only one that has
    ever run the move, no other can be about to fence, and a source that is open needs no lock.
    """
    tenant = lock_tenant(catalog, plan)
    source = catalog.get_one(PlacementRecord, plan.source_id)
    with plan.source.administered() as raw:
        if plan.operation.attempts == 1 and read_epoch(raw, plan.tenant_id) == source.epoch:
            return
    with plan.source.administered() as raw, locked_when_free(raw, plan.source):
        if read_epoch(raw, plan.tenant_id) == source.epoch:
            return
        source.epoch += 2
        catalog.flush()
        write_epoch(raw, plan.tenant_id, source.epoch, is_suspended=_is_suspended(tenant))


def _is_suspended(tenant: Tenant) -> bool:
    return tenant.status == TenantStatus.SUSPENDED


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
