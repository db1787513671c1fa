"""Tenants and their placements as read from the catalog, and a cache of them."""

import datetime as dt
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from threading import Lock
from uuid import UUID

from trially.database.placement import Placement
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.entitlements.tenant_plan import TenantPlan
from trially.tenancy.own_issuers import OwnIssuer

MAX_ENTRIES = 10_000
RENEWED_AT_ONCE = 2_000


@dataclass(frozen=True)
class SupportAccess:
    """The approved grant with which an operator may enter a tenant until it expires."""

    grant_id: UUID
    operator: str
    """The account of the operator who asked for the grant."""

    role: str
    phi_level: str
    expires_at: float
    """In seconds since 1970."""

    @property
    def is_active(self) -> bool:
        """Whether the grant has not expired."""
        return time.time() < self.expires_at


@dataclass(frozen=True)
class TenantEntry:
    """A tenant and its placement, as last read from the catalog."""

    tenant_id: UUID
    slug: str
    name: str
    kind: str
    time_zone: str
    status: TenantStatus
    placement: Placement

    cut_offs: Mapping[tuple[str, str], float]
    """Revocation cut-offs by issuer and subject, in seconds since 1970.

    Tokens issued before a cut-off are rejected. An empty issuer or subject stands for all.
    """

    supporters: Mapping[tuple[str, str], SupportAccess]
    """Operators who may enter the tenant, by issuer and subject."""

    next_placement: Placement | None
    """Where a move is about to place the tenant, else None."""

    plan: TenantPlan
    """What the tenant is allowed."""

    stamp: str = field(repr=False)
    """Changes whenever the catalog's rows about the tenant change."""

    erase_after: dt.datetime | None = None
    """When an erasure that is ordered can no longer be cancelled."""

    own_issuers: Mapping[UUID, OwnIssuer] = field(default_factory=dict)
    """The issuers that the tenant's owners have registered, and whose tokens count, by id."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The names by which requests may choose the tenant: its slug and its id."""
        return frozenset({self.slug, str(self.tenant_id)})

    @property
    def is_suspended(self) -> bool:
        """Whether requests of the tenant's members are refused."""
        return self.status is TenantStatus.SUSPENDED


class EntryCache:
    """Tenant entries by slug and by id, at most `MAX_ENTRIES`; the oldest is dropped first.

    An entry expires `max_age_seconds` after it was read or renewed. An expired entry stays stored,
    because it can be renewed. The cache may be used from several threads.
    """

    def __init__(self, max_age_seconds: float) -> None:
        self._max_age_seconds = max_age_seconds
        self._entries: dict[str, tuple[TenantEntry, float]] = {}
        """Entries and when they expire, in the order in which they were read or renewed."""

        self._lock = Lock()

    def get(self, reference: str) -> TenantEntry | None:
        """Return the entry of a slug or id, or None if there is none or it has expired."""
        cached = self._entries.get(reference)
        if cached is None:
            return None
        entry, expires_at = cached
        return entry if time.monotonic() < expires_at else None

    def is_due(self, reference: str) -> bool:
        """Return whether an entry has reached half of its age, so that it should be renewed."""
        cached = self._entries.get(reference)
        return cached is not None and time.monotonic() > cached[1] - self._max_age_seconds / 2

    def get_expired(self, reference: str, seconds: float = float("inf")) -> TenantEntry | None:
        """Return the entry of a slug or id also if it expired, but at most `seconds` ago."""
        cached = self._entries.get(reference)
        if cached is None:
            return None
        entry, expires_at = cached
        return entry if time.monotonic() < expires_at + seconds else None

    def has_any(self, seconds: float) -> bool:
        """Return whether `get_expired` would return any entry."""
        with self._lock:
            _, expires_at = next(reversed(self._entries.values()), (None, float("-inf")))
        return time.monotonic() < expires_at + seconds

    def put(self, reference: str, entry: TenantEntry) -> None:
        """Store an entry that was read from the catalog."""
        expires_at = time.monotonic() + self._max_age_seconds
        with self._lock:
            self._entries.pop(reference, None)
            self._entries[reference] = entry, expires_at
            while len(self._entries) > MAX_ENTRIES:
                del self._entries[next(iter(self._entries))]

    def oldest_tenants(self) -> set[UUID]:
        """Return the ids of the tenants whose `RENEWED_AT_ONCE` entries are the oldest."""
        with self._lock:
            oldest = islice(self._entries.values(), RENEWED_AT_ONCE)
            return {entry.tenant_id for entry, _ in oldest}

    def renew(self, tenant_ids: Collection[UUID], stamps: Mapping[UUID, str]) -> None:
        """Renew the entries of these tenants whose stamp is unchanged, and drop the others."""
        expires_at = time.monotonic() + self._max_age_seconds
        with self._lock:
            for reference, (entry, _) in list(self._entries.items()):
                if entry.tenant_id not in tenant_ids:
                    continue
                del self._entries[reference]
                if stamps.get(entry.tenant_id) == entry.stamp:
                    self._entries[reference] = entry, expires_at

    def expire(self, tenant_id: UUID) -> None:
        """Let the entries of a tenant expire now, under each of its names."""
        now = time.monotonic()
        with self._lock:
            for reference, (entry, expires_at) in self._entries.items():
                if entry.tenant_id == tenant_id:
                    self._entries[reference] = entry, min(expires_at, now)

    def forget(self, tenant_id: UUID) -> None:
        """Drop the entries of a tenant, under each of its names."""
        with self._lock:
            for reference, (entry, _) in list(self._entries.items()):
                if entry.tenant_id == tenant_id:
                    del self._entries[reference]

    def __len__(self) -> int:
        """Return the number of stored entries, expired ones included."""
        return len(self._entries)
