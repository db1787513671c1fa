"""Read operations as the platform API shows them: its own tasks, and operations of commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Row,
    Select,
    String,
    Subquery,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from trially.errors import OperatorError
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.tasks.model import PlatformTask, TaskCancellation, TaskState

PLATFORM, COMMAND = "platform", "command"
"""Where an operation was begun."""

_STATES = {
    OperationState.RUNNING: TaskState.RUNNING,
    OperationState.UNDOING: TaskState.RUNNING,
    OperationState.DONE: TaskState.DONE,
    OperationState.UNDONE: TaskState.FAILED,
}
"""The state of an operation of a command, in the words of tasks."""

PROGRESS = ("phase", "done", "total", "unit")
LIFECYCLE = ("id", "kind", "state", "step", "error")


class UnknownOperationError(OperatorError):
    """There is no operation of this id."""


@dataclass(frozen=True)
class OperationFilter:
    """Which operations to list, newest first. None does not restrict the list."""

    tenant: str | None = None
    state: str | None = None
    kind: str | None = None
    before: UUID | None = None
    """Only those that were begun before this one."""


def list_operations(wanted: OperationFilter, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` operations, newest first, without their results."""
    listed = _operations()
    statement = select(listed).order_by(listed.c.id.desc()).limit(limit)
    for column, value in (("tenant_slug", wanted.tenant), ("state", wanted.state)):
        if value is not None:
            statement = statement.where(listed.c[column] == value)
    if wanted.kind is not None:
        statement = statement.where(listed.c.kind == wanted.kind)
    if wanted.before is not None:
        statement = statement.where(listed.c.id < wanted.before)
    with control_engine().connect() as catalog:
        rows = catalog.execute(statement).all()
        lifecycles = _lifecycles(rows)
    items = [_as_item(row, lifecycles) for row in rows]
    return [{name: each[name] for name in each if name != "result"} for each in items]


def find_operation(operation_id: UUID) -> dict[str, Any]:
    """Return an operation, or raise `UnknownOperationError`."""
    listed = _operations()
    with control_engine().connect() as catalog:
        row = catalog.execute(select(listed).where(listed.c.id == operation_id)).first()
    if row is None:
        raise UnknownOperationError(f"There is no operation {operation_id}.")
    return _as_item(row, _lifecycles([row]))


def _operations() -> Subquery:
    task, begun = PlatformTask, Operation
    is_cancelled = exists().where(TaskCancellation.task_id == task.id)
    tasks = select(
        task.id,
        literal(PLATFORM).label("origin"),
        task.kind,
        task.tenant_id,
        task.tenant_slug,
        task.state,
        is_cancelled.label("is_cancelled"),
        task.attempts,
        task.progress,
        task.result,
        task.error,
        task.issuer,
        task.subject,
        task.created_at,
        task.started_at,
        task.ended_at,
    )
    has_ended = begun.state.in_((OperationState.DONE, OperationState.UNDONE))
    of_commands = select(
        begun.id,
        literal(COMMAND),
        begun.kind,
        begun.tenant_id,
        begun.tenant_slug,
        case(_STATES, value=begun.state),
        literal(value=False),
        begun.attempts,
        cast(null(), JSONB),
        begun.parameters["result"],
        case(
            (
                begun.error.is_not(None),
                func.jsonb_build_object("code", "step_failed", "detail", begun.error),
            ),
            else_=cast(null(), JSONB),
        ),
        cast(null(), String),
        cast(null(), String),
        begun.created_at,
        begun.created_at,
        case((has_ended, begun.updated_at), else_=None),
    ).where(begun.task_id.is_(None))
    return union_all(tasks, of_commands).subquery("listed")


def _lifecycles(rows: Sequence[Row[Any]]) -> Mapping[UUID, dict[str, Any]]:
    """Return the newest lifecycle operation of each, by the id of the task or the operation."""
    if not rows:
        return {}
    ids, key = [row.id for row in rows], func.coalesce(Operation.task_id, Operation.id)
    statement: Select[Any] = (
        select(key.label("key"), *(getattr(Operation, name) for name in LIFECYCLE))
        .where(Operation.task_id.in_(ids) | Operation.id.in_(ids))
        .order_by(Operation.created_at)
    )
    with control_engine().connect() as catalog:
        found = catalog.execute(statement).all()
    return {row.key: {name: getattr(row, name) for name in LIFECYCLE} for row in found}


def _as_item(row: Row[Any], lifecycles: Mapping[UUID, dict[str, Any]]) -> dict[str, Any]:
    """Return an operation as the API shows it."""
    by = None if row.issuer is None else {"issuer": row.issuer, "subject": row.subject}
    return {
        "id": row.id,
        "origin": row.origin,
        "kind": row.kind,
        "tenant": row.tenant_slug,
        "tenant_id": row.tenant_id,
        "state": row.state,
        "is_cancelled": row.is_cancelled,
        "attempts": row.attempts,
        "progress": row.progress and {name: row.progress[name] for name in PROGRESS},
        "lifecycle": lifecycles.get(row.id),
        "result": row.result,
        "error": row.error,
        "asked_by": by,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }
