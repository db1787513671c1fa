"""Fill one tenant: batch by batch, each in a transaction with its position."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from uuid import UUID

from sqlalchemy import ColumnElement, Float, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from trially.audit.actors import Actor, operator_name
from trially.audit.forms import Action, Form, Purpose
from trially.audit.recording import note
from trially.audit.working import working
from trially.backfills.model import BackfillProgress, BackfillState
from trially.backfills.registry import NamedBackfill
from trially.database.placement import StalePlacementError, current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.request_state import request_state
from trially.tenancy.context import administered_tenant
from trially.tenancy.migrating.pacing import Rate, pause_after
from trially.tenancy.schema.failures import PASSING, describe_failure

ATTEMPTS = 5
LONGEST_ERROR = 1_000
TARGET_SECONDS = 0.5
"""How long a batch may take. Its rows are locked as long, so a slower one is made smaller."""


@dataclass(frozen=True)
class Position:
    """How far a tenant is."""

    state: BackfillState | None
    """None before the first batch."""

    visited: int = 0
    changed: int = 0
    error: str | None = None
    seconds: float = 0.0
    """From the first batch to the last one, pauses of the command included."""

    @property
    def rate(self) -> float | None:
        """Rows in a second, on average. None before the second batch."""
        return self.visited / self.seconds if self.seconds > 0 else None


NOWHERE = Position(None)


def read_position(name: str) -> Position:
    """Return how far the current tenant is."""
    row = db.session.execute(
        select(
            BackfillProgress.state,
            BackfillProgress.visited,
            BackfillProgress.changed,
            BackfillProgress.error,
            cast(
                func.extract("epoch", BackfillProgress.updated_at - BackfillProgress.started_at),
                Float,
            ),
        ).where(_is_of(name))
    ).first()
    return NOWHERE if row is None else Position(*row)


def count_left(slug: str, named: NamedBackfill) -> int:
    """Return how many rows of a tenant are not visited yet."""
    with acting_for(slug, named.name):
        number = rows_left(named)
        db.session.rollback()
        return number


def rows_left(named: NamedBackfill) -> int:
    """Return how many rows of the current tenant are not visited yet."""
    reached = select(BackfillProgress.state, BackfillProgress.position).where(_is_of(named.name))
    state, after = db.session.execute(reached).first() or (None, None)
    if state == BackfillState.DONE:
        return 0
    column = table_of(named.backfill.model).c.id
    counted = select(func.count()).where(of_current_tenant(named.backfill.model))
    if after is not None:
        counted = counted.where(column > after)
    return db.session.execute(counted).scalar_one()


def fill_tenant(
    slug: str,
    named: NamedBackfill,
    *,
    rate: Rate,
    stopping: Event,
    report: Callable[[int], None] = lambda _rows: None,
) -> Position:
    """Fill a tenant's rows until none is left, or `stopping` is set. Return how far it came.

    Errors that pass are tried again, with fewer rows. Raises the error of a batch that fails for
    good; it is recorded, and the next call goes on with that batch.
    """
    attempt, size = 1, named.backfill.batch_size

    def reached(rows: int) -> None:
        nonlocal attempt
        attempt = 1
        report(rows)

    while True:
        try:
            with acting_for(slug, named.name):
                _fill_batches(named, size, rate, stopping, reached)
                position = read_position(named.name)
                db.session.rollback()
                return position
        except (DBAPIError, StalePlacementError) as error:
            if attempt >= ATTEMPTS or not _passes(error) or stopping.is_set():
                _record_failure(slug, named.name, error)
                raise
        except Exception as error:
            _record_failure(slug, named.name, error)
            raise
        stopping.wait(pause_after(attempt))
        attempt, size = attempt + 1, max(1, size // 2)


@contextmanager
def acting_for(slug: str, name: str) -> Iterator[None]:
    """Enter a tenant, also a suspended one, as the operator who runs this process."""
    with administered_tenant(slug), working():
        form = Form(f"backfill {name}", Action.OPERATE, Purpose.OPERATION)
        request_state().actor = Actor(form, operator=operator_name())
        yield


def _fill_batches(
    named: NamedBackfill,
    size: int,
    rate: Rate,
    stopping: Event,
    report: Callable[[int], None],
) -> None:
    """Fill batches until none is left, or `stopping` is set. The first one has `size` rows."""
    while not stopping.is_set():
        began = time.monotonic()
        with transaction():
            rows = _fill_batch(named, size)
        if rows is None:
            return
        seconds = time.monotonic() - began
        report(rows)
        rate.wait(stopping, rows)
        size = _next_size(size, seconds, named.backfill.batch_size)


def _next_size(size: int, seconds: float, largest: int) -> int:
    if seconds > TARGET_SECONDS:
        return max(1, size // 2)
    return min(largest, size * 2) if seconds < TARGET_SECONDS / 4 else size


def _fill_batch(named: NamedBackfill, size: int) -> int | None:
    """Fill the next rows, and return their number; None if the backfill is done.

    The position is locked, so two processes take turns.
    """
    state, after = _lock_position(named.name)
    if state == BackfillState.DONE:
        return None
    ids = _next_ids(named, after, size)
    changed = named.backfill.fill(ids) if ids else 0
    if changed:
        note(backfill=named.name, rows=changed)
    db.session.execute(
        update(BackfillProgress)
        .where(_is_of(named.name))
        .values(
            state=BackfillState.RUNNING if ids else BackfillState.DONE,
            position=ids[-1] if ids else after,
            visited=BackfillProgress.visited + len(ids),
            changed=BackfillProgress.changed + changed,
            error=None,
            updated_at=func.now(),
        )
    )
    return len(ids) if ids else None


def _lock_position(name: str) -> tuple[str, UUID | None]:
    tenant_id = current_placement().tenant_id
    db.session.execute(
        insert(BackfillProgress).values(tenant_id=tenant_id, name=name).on_conflict_do_nothing()
    )
    row = db.session.execute(
        select(BackfillProgress.state, BackfillProgress.position)
        .where(_is_of(name))
        .with_for_update()
    ).one()
    return row.state, row.position


def _next_ids(named: NamedBackfill, after: UUID | None, size: int) -> Sequence[UUID]:
    column = table_of(named.backfill.model).c.id
    rows = select(column).where(of_current_tenant(named.backfill.model))
    if after is not None:
        rows = rows.where(column > after)
    return db.session.scalars(rows.order_by(column).limit(size)).all()


def _is_of(name: str) -> ColumnElement[bool]:
    return (BackfillProgress.tenant_id == current_placement().tenant_id) & (
        BackfillProgress.name == name
    )


def _record_failure(slug: str, name: str, error: BaseException) -> None:
    with acting_for(slug, name), transaction():
        _lock_position(name)
        db.session.execute(
            update(BackfillProgress)
            .where(_is_of(name))
            .values(
                state=BackfillState.FAILED,
                error=describe_failure(error)[:LONGEST_ERROR],
                updated_at=func.now(),
            )
        )


def _passes(error: Exception) -> bool:
    if isinstance(error, StalePlacementError):
        return True
    return getattr(getattr(error, "orig", None), "pgcode", None) in PASSING
