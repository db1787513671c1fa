"""The operation that clones a tenant: the steps of a new tenant, and the copy of the rows."""

from uuid import UUID

from blinker import Signal
from sqlalchemy.orm import Session, joinedload

from trially.tenancy.catalog import Operation, PlacementRecord
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.cloning.copying import copy_rows
from trially.tenancy.encrypting.adopting import adopt_rows
from trially.tenancy.lifecycle.held_snapshots import LONGEST_SECONDS, SnapshotLimit
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.removing import remove_rows
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.operations import KINDS, OperationKind, Step
from trially.tenancy.lifecycle.provisioning import activate, tenant_built
from trially.tenancy.lifecycle.storage_steps import STORAGE_STEPS, record_of, remove_tenant
from trially.tenancy.tiers import tier_of

masked_tenant_built = Signal()
"""Sent with the placement of a masked clone, before it is active.

A receiver derives what the clone did not get: the terms of searches. It may be called twice.
"""


def _copy(operation: Operation) -> None:
    """Copy the rows. After a crash all are copied again: the key of the masking is gone."""
    source, target = _placements(operation)
    parameters, progress = operation.parameters, MoveProgress()
    progress.begin("copy")
    copy_rows(
        side_of(source),
        side_of(target),
        progress,
        masked=bool(parameters["masked"]),
        limit=SnapshotLimit(
            parameters.get("longest_seconds", LONGEST_SECONDS),
            f"The clone of {source.tenant.slug}",
        ),
    )
    if not parameters["masked"]:
        adopt_rows(target, source.tenant_id)


def _placements(operation: Operation) -> tuple[PlacementRecord, PlacementRecord]:
    with Session(control_engine(), expire_on_commit=False) as session:
        found = UUID(operation.parameters["source"])
        with_tenant = [joinedload(PlacementRecord.tenant)]
        source = session.get_one(PlacementRecord, found, options=with_tenant)
        target = session.get_one(PlacementRecord, record_of(operation).id)
        return source, target


def _derive(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    masked_tenant_built.send(tier_of(record).placement(record))


def _add_owner(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tenant_built.send(tier_of(record).placement(record), parameters=operation.parameters)


def _undo(session: Session, operation: Operation) -> None:
    """Remove the new tenant with its rows. The source was only read."""
    side = side_of(record_of(operation))
    remove_rows(side, lambda: None)
    remove_tenant(session, operation)


CLONE = OperationKind(
    name="clone",
    steps=(
        *STORAGE_STEPS,
        Step("copy_rows", work=_copy),
        Step("derive", _derive, lambda operation: bool(operation.parameters["masked"])),
        Step("add_owner", _add_owner, lambda operation: "owner" in operation.parameters),
        Step("activate", activate, joins_previous=True),
    ),
    undo=_undo,
    creates_tenant=True,
)
KINDS[CLONE.name] = CLONE
