"""Routes of operations."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.codes import Code
from trially.http.contract import may_conflict, queries, returns, returns_later, returns_page
from trially.http.pages import Page
from trially.http.problems import Conflict
from trially.platform.asking import Item, ask, current_request
from trially.platform.listing import not_found, page_of
from trially.platform.operations.schema import (
    ListedOperationSchema,
    OperationQuerySchema,
    OperationSchema,
)
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.request_cycle.platform import reading
from trially.tenancy.catalog_choices import OperationState
from trially.tenancy.tasks.asking import ask_to_cancel
from trially.tenancy.tasks.model import UNFINISHED
from trially.tenancy.tasks.reading import (
    PLATFORM,
    OperationFilter,
    UnknownOperationError,
    find_operation,
    list_operations,
)

UNFINISHED_LIFECYCLE = (OperationState.RUNNING, OperationState.UNDOING)


@bp.get("/operations")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(OperationQuerySchema())
@returns_page(ListedOperationSchema())
def list_platform_operations(query: dict[str, Any]) -> Page:
    """List operations, newest first.

    The list has what was asked for through this API, and the operations that commands have begun.
    Operations of this API are deleted 90 days after they ended.
    """

    def read(before: str | None, limit: int) -> Sequence[Item]:
        wanted = {name: query.get(name) for name in ("tenant", "state", "kind")}
        last = None if before is None else UUID(before)
        return list_operations(OperationFilter(**wanted, before=last), limit)

    return page_of(query, "id", read)


@bp.get("/operations/<uuid:operation_id>")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(OperationSchema())
def show_platform_operation(operation_id: UUID) -> Item:
    """Show an operation.

    Poll it, once in a second or less often, until its `state` is `done`, `failed` or `cancelled`.
    `progress` says how far it is. An operation that stays `queued` waits for a worker, or for an
    earlier operation of the same tenant.
    """
    return _find(operation_id)


@bp.post("/operations/<uuid:operation_id>/cancel")
@requires_platform(PlatformPermission.OPERATIONS_MANAGE)
@may_conflict
@returns_later(OperationSchema(), OPERATIONS)
def cancel_platform_operation(operation_id: UUID) -> Item:
    """Cancel an operation.

    One that waits is `cancelled` within a second. One that runs is interrupted as a command by
    Ctrl-C: a tenant that moves stays where it is, and a tenant that is created is removed. The
    answer is that operation. An operation that a command has begun, and whose process has died, is
    undone: the answer is then a new operation, which does that. It is 409 if the operation has
    ended, or has come too far.
    """
    found = _find(operation_id)
    if found["origin"] == PLATFORM and found["state"] in UNFINISHED:
        asked = current_request()
        reading(lambda: ask_to_cancel(asked, operation_id))
        return _find(operation_id)
    return _ask_about(found, "operation.undo")


@bp.post("/operations/<uuid:operation_id>/resume")
@requires_platform(PlatformPermission.OPERATIONS_MANAGE)
@may_conflict
@returns_later(OperationSchema(), OPERATIONS)
def resume_platform_operation(operation_id: UUID) -> Item:
    """Finish an operation whose process has died, or that stopped at an error.

    The answer is a new operation, which continues the `lifecycle` of this one after its last
    completed step. It is 409 if nothing is left to finish. A worker resumes the operations of this
    API by itself if a process dies.
    """
    found = _find(operation_id)
    if found["origin"] == PLATFORM and found["state"] in UNFINISHED:
        raise _ended("The operation waits or runs already, so it needs not be resumed.")
    return _ask_about(found, "operation.resume")


def _ask_about(found: Item, kind: str) -> Item:
    """Ask for a task about the lifecycle of an operation, or answer 409 if it has ended."""
    lifecycle = found["lifecycle"]
    if lifecycle is None or lifecycle["state"] not in UNFINISHED_LIFECYCLE:
        raise _ended("The operation has ended.")
    tenant = {"id": found["tenant_id"], "slug": found["tenant"]}
    return ask(kind, {"operation": str(lifecycle["id"])}, tenant)


def _ended(detail: str) -> Conflict:
    return Conflict(detail, code=Code.OPERATION_ENDED)


def _find(operation_id: UUID) -> Item:
    try:
        return reading(lambda: find_operation(operation_id))
    except UnknownOperationError:
        raise not_found(f"operation {operation_id}") from None
