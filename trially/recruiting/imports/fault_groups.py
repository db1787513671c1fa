"""The faults of an import in groups, with examples of each."""

from typing import Any

from sqlalchemy import select

from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.recruiting.imports.import_run import NO_TYPE, OTHER_TYPES
from trially.recruiting.imports.model import ImportFault

EXAMPLES_SHOWN = 3
MOST_GROUPS = 200

_FIELDS = (
    "id",
    "code",
    "concerns",
    "resource_type",
    "resource_id",
    "missing_id",
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


def _fetch_examples(import_id: Any, group: Item, number: int) -> list[Item]:
    if group["resource_type"] == OTHER_TYPES:
        return []
    fault = table_of(ImportFault).c
    kind = group["resource_type"]
    return fetch_items(
        select(*columns_named(ImportFault, _FIELDS))
        .where(
            of_current_tenant(ImportFault),
            fault.import_id == import_id,
            fault.code == group["code"],
            fault.resource_type.is_(None) if kind is None else fault.resource_type == kind,
        )
        .order_by(fault.concerns, fault.id)
        .limit(number)
    )
