"""The steps of an operation that create a tenant's role and storage, and what undoes them."""

from uuid import UUID

from sqlalchemy import bindparam, delete, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from trially.database.rows import table_of
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.data_keys import add_data_key, has_master_key
from trially.tenancy.lifecycle.operations import Step
from trially.tenancy.tiers import tier_of

_tenant, _placement = table_of(Tenant), table_of(PlacementRecord)
_CHANGE_TENANT = update(_tenant).where(_tenant.c.id == bindparam("tenant_id"))
_CHANGE_PLACEMENT = update(_placement).where(_placement.c.id == bindparam("placement_id"))
"""Both set the columns that the parameters name."""


def record_of(operation: Operation) -> PlacementRecord:
    """Return the placement that an operation works on."""
    if operation.placement is None:
        raise NoResultFound(f"The tenant of operation {operation.id} has no active placement.")
    return operation.placement


def remove_tenant(session: Session, operation: Operation) -> None:
    """Remove the tenant's storage and its rows in the catalog."""
    record = record_of(operation)
    tier_of(record).remove(record)
    session.execute(delete(Tenant).where(Tenant.id == operation.tenant_id))


def set_status(session: Session, tenant_id: UUID, status: TenantStatus) -> None:
    """Write the status of a tenant."""
    session.execute(_CHANGE_TENANT, {"tenant_id": tenant_id, "status": status})


def _has_master_key(_operation: Operation) -> bool:
    return has_master_key()


def _create_data_key(session: Session, operation: Operation) -> None:
    add_data_key(session, operation.tenant_id)


def _needs_storage(operation: Operation) -> bool:
    record = record_of(operation)
    return not tier_of(record).is_ready(record)


def _create_role(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tier_of(record).create_role(record)


def _create_storage(_session: Session, operation: Operation) -> None:
    record = record_of(operation)
    tier_of(record).create_storage(record)


def _grant_access(session: Session, operation: Operation) -> None:
    record = record_of(operation)
    revision = tier_of(record).grant_access(record)
    session.execute(_CHANGE_PLACEMENT, {"placement_id": record.id, "revision": revision})


STORAGE_STEPS = (
    Step("create_data_key", _create_data_key, _has_master_key),
    Step("create_role", _create_role, _needs_storage),
    Step("create_storage", _create_storage, _needs_storage),
    Step("grant_access", _grant_access, joins_previous=True),
)
"""After these steps, the tenant has a data key, and its role can use its tables."""
