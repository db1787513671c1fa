"""Placements that tenants have left: kept for a time, and then removed."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, joinedload
from uuid_utils.compat import uuid7

from trially.tenancy.catalog import Operation, PlacementRecord
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.lifecycle.attempts import check_attempt
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.operations import (
    KINDS,
    OperationKind,
    Step,
    run_operation,
)
from trially.tenancy.tiers import tier_of


def kept_placements(tenant_id: UUID | None = None) -> Sequence[PlacementRecord]:
    """Return the placements that are kept, of one tenant or of all, oldest first."""
    query = (
        select(PlacementRecord)
        .where(PlacementRecord.kept_until.is_not(None))
        .options(joinedload(PlacementRecord.tenant))
        .order_by(PlacementRecord.kept_until)
    )
    if tenant_id is not None:
        query = query.where(PlacementRecord.tenant_id == tenant_id)
    with Session(control_engine(), expire_on_commit=False) as session:
        return session.scalars(query).all()


def remove_kept(record: PlacementRecord) -> Operation:
    """Remove a placement that its tenant has left, with its rows, and return the operation.

    Raises `OperationBusyError` while the tenant is moved.
    """
    with catalog_transaction() as session:
        operation = Operation(
            id=uuid7(),
            tenant_id=record.tenant_id,
            tenant_slug=record.tenant.slug,
            kind=REMOVE_KEPT.name,
            state=OperationState.RUNNING,
            parameters={"placement": str(record.id)},
        )
        session.add(operation)
    return run_operation(operation.id)


def is_due(record: PlacementRecord) -> bool:
    """Return whether the time to keep a placement is over."""
    return record.kept_until is not None and record.kept_until <= dt.datetime.now(dt.UTC)


def _remove_rows(operation: Operation) -> None:
    with Session(control_engine()) as session:
        record = _find(session, operation)
        side = None if record is None else side_of(record)
    if side is not None:
        remove_rows(side, lambda: _check(operation))


def _check(operation: Operation) -> None:
    """Raise `SupersededError`, or `NoResultFound` if the tenant has moved back."""
    with catalog_transaction() as session:
        check_attempt(session, operation)
        if _find(session, operation) is None:
            raise NoResultFound(f"The tenant {operation.tenant_slug!r} has moved back.")


def _remove_placement(session: Session, operation: Operation) -> None:
    record = _find(session, operation)
    if record is not None:
        tier_of(record).remove(record)
        session.execute(delete(PlacementRecord).where(PlacementRecord.id == record.id))


def _find(session: Session, operation: Operation) -> PlacementRecord | None:
    """Return the placement to remove, unless the tenant is back there or it is removed already."""
    return session.scalar(
        select(PlacementRecord).where(
            PlacementRecord.id == UUID(operation.parameters["placement"]),
            PlacementRecord.kept_until.is_not(None),
            ~PlacementRecord.is_active,
        )
    )


REMOVE_KEPT = OperationKind(
    name="remove_kept",
    steps=(
        Step("remove_rows", work=_remove_rows),
        Step("remove_placement", _remove_placement),
    ),
    undo=lambda _session, _operation: None,
)
KINDS[REMOVE_KEPT.name] = REMOVE_KEPT
