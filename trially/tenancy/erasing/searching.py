"""Count what every store holds of a tenant: before an erasure, and to verify it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trially.tenancy.erasing import (  # noqa: F401  they register
    archive_store,
    base_backups,
    instance_files,
    silo_store,
)
from trially.tenancy.erasing.catalog_stores import look_into_catalog
from trially.tenancy.erasing.database_search import count_at_placement, search_servers
from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, registered_stores


def look(tenant: ErasedTenant, *, everywhere: bool = True) -> Iterator[Found]:
    """Count what each store holds. `everywhere` searches all databases of all servers too."""
    for place in tenant.places:
        yield Found(
            f"placement {place.id} ({place.name})", "rows", count_at_placement(place, tenant)
        )
    yield from look_into_catalog(tenant)
    for store in registered_stores():
        yield from store.look(tenant)
    if everywhere:
        yield from search_servers(tenant)


def compare(before: Sequence[Mapping[str, Any]], after: Sequence[Found]) -> list[dict[str, Any]]:
    """Return each store with its counts before and after.

    What a store could only list before, and keeps, is there after too.
    """
    known = {each["store"]: each for each in before}
    now = {each.store: asdict(each) for each in after}
    return [
        _entry(now.get(name, known.get(name, {})), known.get(name), is_seen=name in now)
        for name in [*known, *(name for name in now if name not in known)]
    ]


def left_over(stores: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the stores that hold something that may not stay."""
    return [each for each in stores if each["after"] and not each.get("remains")]


def _entry(
    found: Mapping[str, Any], before: Mapping[str, Any] | None, *, is_seen: bool
) -> dict[str, Any]:
    stays = found.get("remains")
    entry = {
        "store": found["store"],
        "unit": found["unit"],
        "before": None if before is None else before["count"],
        "after": found["count"] if is_seen or stays else 0,
    }
    extras = {"remains": stays if entry["after"] else None, "details": found.get("details")}
    return entry | {name: value for name, value in extras.items() if value is not None}
