"""`flask operations …`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import click

from trially.tenancy.archives import checking, replacing, restoring
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.cloning import steps as cloning_steps
from trially.tenancy.encrypting.operation import ENCRYPT
from trially.tenancy.erasing.steps import ERASE
from trially.tenancy.lifecycle import provisioning, ready_tenants
from trially.tenancy.lifecycle.attempts import OperationBusyError
from trially.tenancy.lifecycle.moving import kept, steps
from trially.tenancy.lifecycle.operations import (
    KINDS,
    all_operations,
    run_operation,
    undo_operation,
    unfinished_operations,
)
from trially.tenancy.recovery.restoring import RESTORE_AT
from trially.terminal import NOTHING, Loss, json_option, plural, print_items, table_options

OPERATIONS_SHOWN = 100

ALL_KINDS = (
    provisioning.PROVISION,
    ready_tenants.PREPARE,
    steps.MOVE,
    kept.REMOVE_KEPT,
    restoring.RESTORE,
    replacing.REPLACE,
    checking.VERIFY,
    cloning_steps.CLONE,
    ENCRYPT,
    ERASE,
    RESTORE_AT,
)
"""The kinds of operation. An operation can be resumed only where its kind is imported."""


def loss_of_undoing(operation_id: UUID | None, *, undo: bool, **_: Any) -> Loss | None:
    """Return what undoing removes: half-created tenants, and targets of moves."""
    found = [o for o in unfinished_operations() if operation_id in (None, o.id)]
    if not undo or not found:
        return None
    created = [each.tenant_slug for each in found if KINDS[each.kind].creates_tenant]
    others = [each.tenant_slug for each in found if not KINDS[each.kind].creates_tenant]
    sentences = [f"{plural(len(found), 'unfinished operation')} will be undone."]
    if created:
        sentences.append(
            f"The tenants {', '.join(created)} will be removed with everything that was created"
            " for them."
        )
    if others:
        sentences.append(
            f"The tenants {', '.join(others)} stay where they are, and what was created elsewhere"
            " for them will be removed."
        )
    return Loss(" ".join(sentences), "Undo?")


@catalog_command("list", loses=NOTHING, only_reads=True, needs_routes=False)
@table_options
def list_(*, as_json: bool) -> None:
    """List lifecycle operations, newest first."""
    items = [_describe(operation) for operation in all_operations(OPERATIONS_SHOWN)]
    print_items(
        items,
        ("id", "kind", "tenant", "state", "step", "error", "created_at"),
        as_json=as_json,
        texts=("error",),
        optional=("error", "step", "kind", "created_at"),
    )


@catalog_command("resume", loses=loss_of_undoing)
@click.argument("operation_id", required=False, type=click.UUID)
@click.option("--undo", is_flag=True, help="Undo instead of finishing.")
@json_option
def resume(operation_id: UUID | None, *, undo: bool, as_json: bool) -> None:
    """Finish OPERATION_ID, or all interrupted operations.

    An operation is interrupted if its process died.
    """
    ids = [operation_id] if operation_id else [o.id for o in unfinished_operations()]
    finished: list[dict[str, Any]] = []
    for each in ids:
        try:
            operation = undo_operation(each, "undone by command") if undo else run_operation(each)
        except OperationBusyError:
            if operation_id:
                raise
            continue
        finished.append(_describe(operation))
    _print(finished, as_json=as_json)


def _print(finished: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json or finished:
        print_items(
            finished, ("id", "kind", "tenant", "state"), as_json=as_json, optional=("kind",)
        )
    else:
        click.echo("No operation is interrupted.")


def _describe(operation: Operation) -> dict[str, Any]:
    return {
        "id": str(operation.id),
        "kind": operation.kind,
        "tenant": operation.tenant_slug,
        "state": operation.state,
        "step": operation.step,
        "error": operation.error,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }
