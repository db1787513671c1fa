"""Keep operations away from a tenant while its tables are migrated, and migrations from a move.

An operation holds the tenant's lock on the catalog. A migration of tables that belong to one tenant
holds it shared. Tables of many tenants are migrated whatever happens to one of them: a move out of
them compares the revisions before it switches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from sqlalchemy import Connection, text

from trially.errors import OperatorError
from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.migrating.places import Place
from trially.tenancy.tiers import TIERS

_KEY = tenant_lock_key(":tenant_id")
_LOCK = text(f"SELECT pg_try_advisory_lock_shared({_KEY})")
_UNLOCK = text(f"SELECT pg_advisory_unlock_shared({_KEY})")
_IS_ACTIVE = text("SELECT is_active FROM placement WHERE id = :placement_id")
_OPERATION = text(
    "SELECT kind FROM operation WHERE tenant_id = :tenant_id AND state IN ('running', 'undoing')"
)
_PROCESSES = {"move": "is being moved", "provision": "is being created"}


class TenantBusyError(OperatorError):
    """An operation works on the tenant, so its tables were left alone."""


class TenantLocks:
    """The locks of a run, on one connection to the catalog that its threads share."""

    def __init__(self, catalog: Connection) -> None:
        self._catalog = catalog
        self._lock = Lock()

    @contextmanager
    def held(self, place: Place) -> Iterator[None]:
        """Hold the lock of the tenant whose own tables these are, if they are a tenant's own.

        Raises `TenantBusyError` if an operation works on the tenant, or has moved it.
        """
        record = own_record(place)
        if record is None:
            yield
            return
        self._take(record)
        try:
            yield
        finally:
            with self._lock:
                self._catalog.execute(_UNLOCK, {"tenant_id": record.tenant_id})

    def _take(self, record: PlacementRecord) -> None:
        slug, tenant_id = record.tenant.slug, record.tenant_id
        with self._lock:
            if not self._catalog.scalar(_LOCK, {"tenant_id": tenant_id}):
                raise TenantBusyError(
                    f"The tenant {slug} {self._process(tenant_id)}; its tables were left alone. Run"
                    " `flask tenants migrate --resume` when that is done."
                )
            if not self._catalog.scalar(_IS_ACTIVE, {"placement_id": record.id}):
                self._catalog.execute(_UNLOCK, {"tenant_id": tenant_id})
                raise TenantBusyError(
                    f"The tenant {slug} has moved since the run began. Run"
                    f" `flask tenants migrate {slug}`."
                )

    def _process(self, tenant_id: UUID) -> str:
        kind = self._catalog.scalar(_OPERATION, {"tenant_id": tenant_id})
        return _PROCESSES.get(kind or "", "is being worked on by another process")


@contextmanager
def tenant_locks() -> Iterator[TenantLocks]:
    """Open the connection that holds the locks. They are released when the process dies."""
    with control_engine().connect() as catalog:
        yield TenantLocks(catalog.execution_options(isolation_level="AUTOCOMMIT"))


@contextmanager
def holding(place: Place) -> Iterator[None]:
    """Hold the lock of one place's tenant. Raises `TenantBusyError`."""
    with tenant_locks() as locks, locks.held(place):
        yield


def own_record(place: Place) -> PlacementRecord | None:
    """Return the placement of the one tenant that a place belongs to, None if there is none.

    A tenant that is only kept ready is nobody's yet: a new customer may take it at any time.
    """
    if place.is_unused or TIERS[place.tier].shares_tables:
        return None
    return place.records[0]
