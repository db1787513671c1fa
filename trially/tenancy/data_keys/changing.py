"""Create, rotate and destroy the data keys of tenants."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from trially.keys.data_keys import DataKey
from trially.state import app_state
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys.errors import DestroyedKeyError
from trially.tenancy.data_keys.finding import data_key_of_version
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.data_keys.wrapping import insert_first_version, insert_version


def add_data_key(session: Session, tenant_id: UUID) -> None:
    """Give a new tenant its data key in a transaction of the catalog, if a master key is set.

    Raises a `KeyProviderError`. The tenant is then not created.
    """
    if app_state().data_keys.masters.is_set:
        insert_first_version(session, tenant_id)


def rotate_data_key(tenant_id: UUID) -> DataKey:
    """Create the next version of a tenant's data key, and return it.

    Values of former versions can still be read. Other processes use the new version within
    `TRIALLY_PLACEMENT_MAX_AGE_SECONDS`. Two rotations at the same time create one version.
    Raises `DestroyedKeyError` or a `KeyProviderError`.
    """
    version = _next_version(tenant_id)
    with catalog_transaction() as session:
        insert_version(session, tenant_id, version)
    app_state().data_keys.forget(tenant_id)
    return data_key_of_version(tenant_id, version)


def destroy_data_keys(tenant_id: UUID) -> list[int]:
    """Destroy every version of a tenant's data key, and return the versions that this destroyed.

    This cannot be undone. No value that the key encrypts can be read any more.
    """
    with catalog_transaction() as session:
        destroyed = session.scalars(
            update(TenantKey)
            .where(TenantKey.tenant_id == tenant_id, TenantKey.sealed.is_not(None))
            .values(sealed=None, destroyed_at=func.now())
            .returning(TenantKey.version)
        ).all()
    app_state().data_keys.forget(tenant_id)
    return sorted(destroyed)


def _next_version(tenant_id: UUID) -> int:
    with catalog_transaction() as session:
        rows = session.execute(
            select(TenantKey.version, TenantKey.destroyed_at)
            .where(TenantKey.tenant_id == tenant_id)
            .order_by(TenantKey.version)
        ).all()
    if rows and rows[-1].destroyed_at is not None:
        raise DestroyedKeyError(tenant_id, [row.version for row in rows])
    return rows[-1].version + 1 if rows else 1
