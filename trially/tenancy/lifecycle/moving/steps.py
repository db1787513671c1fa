"""The operation that moves a tenant: its steps, and what undoes them."""

import random
import time
from collections.abc import Sequence
from functools import partial

from psycopg2 import OperationalError, sql
from psycopg2.errors import LockNotAvailable
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.attempts import check_attempt
from trially.tenancy.lifecycle.moving.announcing import announce
from trially.tenancy.lifecycle.moving.applying import Applier
from trially.tenancy.lifecycle.moving.catching_up import Follower
from trially.tenancy.lifecycle.moving.copying import copy_snapshot
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.guards import CLOSED, open_at
from trially.tenancy.lifecycle.moving.handing_over import HandOver, check_revisions
from trially.tenancy.lifecycle.moving.indexes import create_indexes, set_indexes_aside
from trially.tenancy.lifecycle.moving.interrupted import finish_interrupted, serve_source
from trially.tenancy.lifecycle.moving.lost_connections import moved_in_spite_of_losses
from trially.tenancy.lifecycle.moving.plan import MovePlan, plan_of, read_plan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.retained_wal import wal_limit
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.stream import (
    create_publication,
    drop_publication,
    opened_stream,
)
from trially.tenancy.lifecycle.moving.switching import SWITCH
from trially.tenancy.lifecycle.moving.tables import MovedTable, common_tables
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step
from trially.tenancy.tiers import tier_of

POLL_SECONDS = 0.2

NEAR_SECONDS, NEAR_ROWS = 3.0, 50_000
"""A switch is tried when a drain takes so long, and so many rows are not compared. The rest follows
while batches are held back: as long as an import writes, a drain takes longer than a pause may."""


def create_target(session: Session, operation: Operation) -> None:
    """Create the role and the storage of the target. Its guard is closed: the epoch is 0."""
    plan = read_plan(session, operation)
    record = session.get_one(PlacementRecord, plan.target_id)
    tier = tier_of(record)
    tier.create_role(record)
    tier.create_storage(record)
    record.revision = tier.grant_access(record)


def _move_rows(operation: Operation) -> None:
    """Copy, catch up and switch, again if a connection is lost before the switch."""
    progress = moved_in_spite_of_losses(partial(_try_to_move_rows, operation))
    _record_result(operation, progress)


def _try_to_move_rows(operation: Operation, progress: MoveProgress) -> None:
    """Copy, catch up and switch. A switch that was interrupted is finished."""
    plan = plan_of(operation)
    with plan.target.writing() as target:
        with catalog_transaction() as session:
            check_attempt(session, operation)
        if operation.attempts > 1 and finish_interrupted(plan, progress):
            return
        with plan.source.administered() as ours, plan.target.administered() as theirs:
            check_revisions(plan, ours, theirs)
        tables = common_tables(plan.source, plan.target)
        create_publication(plan.source, plan.publication, tables)
        with opened_stream(plan.source, plan.publication) as stream:
            progress.begin("copy")
            if not plan.was_kept:
                set_indexes_aside(target, operation)
            copy_snapshot(plan.source, target, stream.snapshot, tables, progress)
            not_before = announce(plan)
            create_indexes(target, operation)
            progress.copy_seconds = progress.seconds
            stream.start()
            with plan.source.reading() as source:
                applier = Applier(target, tables)
                limit = min(plan.max_wal_bytes, wal_limit(source.raw).abort_bytes)
                follower = Follower(source, stream, applier, plan.publication, limit)
                _switch_when_quiet(HandOver(plan, follower, target, tables, progress), not_before)
                progress.applied_rows = applier.applied_rows


def _switch_when_quiet(hand_over: HandOver, not_before: float) -> None:
    """Follow the changes, and switch in a moment in which the pause is short.

    It is not tried before `not_before`, by the monotonic clock. Raises the last `BusyTenantError`
    when the time of the plan is over.
    """
    plan, progress = hand_over.plan, hand_over.progress
    deadline = max(time.monotonic(), not_before) + plan.give_up_seconds
    reason = BusyTenantError(
        "The target does not catch up with the changes of the source. The tenant is served as"
        " before. Move it at a quieter time, or give the move more time with --window."
    )

    def give_up() -> None:
        if time.monotonic() > deadline:
            raise reason

    _analyze(hand_over.target, hand_over.tables)
    progress.begin("catch_up")
    while time.monotonic() < not_before:
        hand_over.follower.collect(POLL_SECONDS)
    while True:
        progress.begin("catch_up")
        hand_over.follower.follow(give_up, NEAR_SECONDS, NEAR_ROWS)
        progress.applied_rows = hand_over.follower.applier.applied_rows
        try:
            hand_over.attempt()
        except BusyTenantError as error:
            reason = error
            progress.wait_for(str(error))
            time.sleep(random.uniform(0.1, 1.0))  # noqa: S311
            give_up()
        else:
            return


def _analyze(target: SideSession, tables: Sequence[MovedTable]) -> None:
    """Let the planner know the target's tables before they serve."""
    for table in tables:
        target.run(sql.SQL("ANALYZE {}").format(target.side.table(table.name)))


def _record_result(operation: Operation, progress: MoveProgress) -> None:
    result = {
        "rows": progress.rows,
        "bytes": progress.bytes,
        "applied_rows": progress.applied_rows,
        "copy_seconds": round(progress.copy_seconds, 3),
        "seconds": round(progress.seconds, 3),
        "pause_ms": round(progress.pause_seconds * 1000, 1),
        "attempts": progress.attempts,
    }
    operation.parameters = {**operation.parameters, "result": result}
    with catalog_transaction() as session:
        session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(parameters=operation.parameters)
        )


def _drop_publication(session: Session, operation: Operation) -> None:
    plan = read_plan(session, operation)
    drop_publication(plan.source, plan.publication)


def _undo(session: Session, operation: Operation) -> None:
    plan = read_plan(session, operation)
    drop_publication(plan.source, plan.publication)
    give_up_target(session, plan)


def give_up_target(session: Session, plan: MovePlan) -> None:
    """Serve the source again, and remove the target, unless it was there before.

    A target that does not answer is left to `settle`. Nobody knows the epoch at which it may be
    open, because the catalog does not have it.
    """
    record = session.get_one(PlacementRecord, plan.target_id)
    try:
        with plan.target.writing(), plan.target.administered() as opening:
            open_at(opening, plan.tenant_id, CLOSED, is_suspended=False)
            serve_source(session, plan)
    except OperationalError as error:
        if isinstance(error, LockNotAvailable):
            raise
        serve_source(session, plan)
        record.kept_until = func.now()
        return
    if not plan.was_kept:
        remove_rows(plan.target, lambda: None)
        tier_of(record).remove(record)
        session.delete(record)


MOVE = OperationKind(
    name="move",
    steps=(
        Step("create_target", create_target),
        Step(SWITCH, work=_move_rows),
        Step("drop_publication", _drop_publication),
    ),
    undo=_undo,
    final_from=SWITCH,
)
KINDS[MOVE.name] = MOVE
