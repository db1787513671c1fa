"""Finish and undo lifecycle operations."""

from uuid import UUID

from trially.auth.platform.permissions import PlatformPermission
from trially.errors import OperatorError
from trially.platform.kinds import Outcome, Task, kind
from trially.platform.reporting import Report
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.operations import run_operation, undo_operation


class OperationUndoneError(OperatorError):
    """The operation was undone instead of finished."""


@kind("operation.resume", PlatformPermission.OPERATIONS_MANAGE)
def resume(task: Task, report: Report) -> Outcome:
    """Finish an operation after its last completed step."""
    report.say("resume")
    operation = run_operation(UUID(task.parameters["operation"]))
    directory().forget(operation.tenant_id)
    refuse_undone(operation)
    return _outcome(operation)


@kind("operation.undo", PlatformPermission.OPERATIONS_MANAGE)
def undo(task: Task, report: Report) -> Outcome:
    """Undo an unfinished operation."""
    report.say("undo")
    operation = undo_operation(UUID(task.parameters["operation"]), "undone through the API")
    directory().forget(operation.tenant_id)
    return _outcome(operation)


def refuse_undone(operation: Operation) -> None:
    """Raise `OperationUndoneError` if an operation was undone."""
    if operation.state == OperationState.UNDONE:
        raise OperationUndoneError(
            f"The operation was undone, because a step failed: {operation.error or 'unknown'}."
        )


def _outcome(operation: Operation) -> Outcome:
    return Outcome(
        {"operation": operation.id, "kind": operation.kind, "state": str(operation.state)}
    )
