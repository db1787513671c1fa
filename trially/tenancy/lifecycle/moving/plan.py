"""What a move has to do, as its operation stores it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation, PlacementRecord
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.sides import Side, side_of


@dataclass(frozen=True)
class MovePlan:
    """A move of one tenant between two placements."""

    operation: Operation
    tenant_id: UUID
    source_id: UUID
    target_id: UUID
    source: Side
    target: Side
    max_pause: float
    """The longest pause, in seconds."""

    keep_seconds: float
    """How long the source is kept after the switch."""

    give_up_seconds: float
    """How long the mover waits for a moment for the switch."""

    max_wal_bytes: int
    """How much WAL the source may retain for the move."""

    was_kept: bool
    """Whether the target is a placement that the tenant has left before."""

    @property
    def publication(self) -> str:
        """The name of the publication and of the slot."""
        return f"trially_move_{self.operation.id.hex}"


def plan_of(operation: Operation) -> MovePlan:
    """Return the plan of a move."""
    with Session(control_engine(), expire_on_commit=False) as session:
        return read_plan(session, operation)


def read_plan(session: Session, operation: Operation) -> MovePlan:
    """Return the plan of a move, read in a transaction of the catalog."""
    values: dict[str, Any] = operation.parameters
    ids = UUID(values["source"]), UUID(values["target"])
    records = {
        record.id: record
        for record in session.scalars(select(PlacementRecord).where(PlacementRecord.id.in_(ids)))
    }
    source, target = (records[each] for each in ids)
    return MovePlan(
        operation=operation,
        tenant_id=operation.tenant_id,
        source_id=source.id,
        target_id=target.id,
        source=side_of(source),
        target=side_of(target),
        max_pause=values["max_pause"],
        keep_seconds=values["keep_seconds"],
        give_up_seconds=values["give_up_seconds"],
        max_wal_bytes=values["max_wal_bytes"],
        was_kept=values["was_kept"],
    )
