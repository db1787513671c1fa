"""Finish a switch that was interrupted, or let the source serve again."""

from sqlalchemy.orm import Session

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.guards import CLOSED, open_at, read_epoch, write_epoch
from trially.tenancy.lifecycle.moving.plan import MovePlan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.source_locks import locked_when_free
from trially.tenancy.lifecycle.moving.switching import Switch, is_suspended, lock_tenant


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
                Switch(catalog, tenant, plan, opening).carry_out(progress)
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
        write_epoch(raw, plan.tenant_id, source.epoch, is_suspended=is_suspended(tenant))
