"""The stores that can hold something of a tenant. Each declares itself here.

A table of tenants or of the catalog needs no declaration: it is found in the metadata, and a test
fails for one that nothing erases. Everything else is a `Store` that its package registers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from blinker import Signal

from trially.tenancy.erasing.erased_tenant import ErasedTenant


@dataclass(frozen=True)
class Found:
    """How much a store holds of a tenant."""

    store: str
    unit: str
    """What is counted, such as `rows`."""

    count: int
    remains: str | None = None
    """Why it may stay, if it may. Otherwise an erasure leaves nothing."""

    details: dict[str, Any] | None = None


class Store(Protocol):
    """A place that can hold something of a tenant, outside the tables."""

    def look(self, tenant: ErasedTenant) -> Iterable[Found]:
        """Count what the store holds of a tenant. It is called before and after."""

    def remove(self, tenant: ErasedTenant) -> None:
        """Remove it. It may be called again, and may find nothing."""


erasure_ordered = Signal()
"""Sent with the `Tenant`, `after` and `reason`, before the tenant is suspended.

A receiver tells the tenant. It may be called twice.
"""

_registered: list[Store] = []


def register(store: Store) -> Store:
    """Let erasures look into a store."""
    _registered.append(store)
    return store


def registered_stores() -> Sequence[Store]:
    """Return the stores outside the tables that were declared."""
    return tuple(_registered)
