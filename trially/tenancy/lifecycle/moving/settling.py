"""Settle what moves have left: finish interrupted switches, and remove placements that are due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from trially.errors import OperatorError
from trially.tenancy.catalog import Operation
from trially.tenancy.lifecycle.attempts import OperationBusyError
from trially.tenancy.lifecycle.moving.guards import CLOSED, read_epoch
from trially.tenancy.lifecycle.moving.kept import is_due, kept_placements, remove_kept
from trially.tenancy.lifecycle.moving.plan import plan_of
from trially.tenancy.lifecycle.moving.switching import SWITCH
from trially.tenancy.lifecycle.operations import (
    KINDS,
    run_operation,
    unfinished_operations,
)
from trially.tenancy.schema.failures import describe_failure


class UnsettledError(OperatorError):
    """Something of a move could not be settled."""


@dataclass(frozen=True)
class Settled:
    """What was done for one tenant."""

    tenant: str
    action: str
    placement: str
    error: str | None = None


def settle(tenant_id: UUID | None = None, *, is_dry_run: bool = False) -> Sequence[Settled]:
    """Finish switches whose mover died, and remove placements whose time to be kept is over.

    Those of one tenant, or of all.

    A tenant whose source is fenced and whose target is not open yet is served by neither. Moves
    that were interrupted before are left to `flask operations resume`, because the tenant works.
    A failure is returned, and the other tenants are settled.
    """
    return [
        *_finish_switches(tenant_id, is_dry_run=is_dry_run),
        *_remove_due(tenant_id, is_dry_run=is_dry_run),
    ]


def _finish_switches(tenant_id: UUID | None, *, is_dry_run: bool) -> Iterator[Settled]:
    for operation in unfinished_operations():
        if KINDS[operation.kind].final_from == SWITCH and tenant_id in (
            None,
            operation.tenant_id,
        ):
            yield from _settle_move(operation, is_dry_run=is_dry_run)


def _settle_move(operation: Operation, *, is_dry_run: bool) -> Iterator[Settled]:
    to = str(operation.parameters["to"])
    try:
        if operation.step != SWITCH and not _is_fenced(operation):
            return
        if not is_dry_run:
            run_operation(operation.id)
    except OperationBusyError:
        return  # its mover is alive
    except Exception as error:  # noqa: BLE001  the other tenants are settled
        yield Settled(operation.tenant_slug, "finish", to, describe_failure(error))
        return
    yield Settled(operation.tenant_slug, "finish", to)


def _is_fenced(operation: Operation) -> bool:
    plan = plan_of(operation)
    with plan.source.administered() as raw:
        return read_epoch(raw, plan.tenant_id) == CLOSED


def _remove_due(tenant_id: UUID | None, *, is_dry_run: bool) -> Iterator[Settled]:
    for record in filter(is_due, kept_placements(tenant_id)):
        where = f"{record.tier} on {record.server.name}"
        try:
            if not is_dry_run:
                remove_kept(record)
        except OperationBusyError:
            continue
        except Exception as error:  # noqa: BLE001  the other tenants are settled
            yield Settled(record.tenant.slug, "remove", where, describe_failure(error))
        else:
            yield Settled(record.tenant.slug, "remove", where)
