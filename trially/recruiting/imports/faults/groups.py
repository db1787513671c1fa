"""The faults of an import in groups, with examples of each."""

from uuid import UUID

from sqlalchemy import select

from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.recruiting.imports.faults.counts import NO_TYPE, OTHER_TYPES
from trially.recruiting.imports.faults.model import ImportFault

EXAMPLES_SHOWN = 3
MOST_GROUPS = 200

FAULT_COLUMNS = (
    "id",
    "code",
    "concerns",
    "resource_type",
    "resource_id",
    "missing_id",
    "other_id",
    "pointer",
    "file",
    "line",
    "reason",
)


def group_faults(job: Item, examples: int = EXAMPLES_SHOWN) -> list[Item]:
    """Return the groups of an import's faults by code and type of resource, the largest first."""
    groups = [
        {"code": code, "resource_type": None if kind == NO_TYPE else kind, "count": count}
        for code, types in job["error_groups"].items()
        for kind, count in types.items()
    ]
    groups.sort(key=lambda group: (-group["count"], group["code"], group["resource_type"] or ""))
    return [
        {**group, "examples": _fetch_examples(job["id"], group, examples)}
        for group in groups[:MOST_GROUPS]
    ]


def find_first_fault(import_id: UUID) -> Item | None:
    """Return the first fault of an import: one that concerns the whole input, if there is one."""
    fault = table_of(ImportFault).c
    with transaction():
        found = fetch_items(
            select(*columns_named(ImportFault, FAULT_COLUMNS))
            .where(of_current_tenant(ImportFault), fault.import_id == import_id)
            .order_by(fault.concerns, fault.id)
            .limit(1)
        )
    return found[0] if found else None


def _fetch_examples(import_id: UUID, group: Item, number: int) -> list[Item]:
    if group["resource_type"] == OTHER_TYPES:
        return []
    fault = table_of(ImportFault).c
    kind = group["resource_type"]
    return fetch_items(
        select(*columns_named(ImportFault, FAULT_COLUMNS))
        .where(
            of_current_tenant(ImportFault),
            fault.import_id == import_id,
            fault.code == group["code"],
            fault.resource_type.is_(None) if kind is None else fault.resource_type == kind,
        )
        .order_by(fault.concerns, fault.id)
        .limit(number)
    )
