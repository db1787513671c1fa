"""Insert new data keys, wrapped, in an open transaction of the catalog."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trially.database.rows import table_of
from trially.keys.data_keys import new_data_key
from trially.state import app_state
from trially.tenancy.data_keys.model import TenantKey

_INSERT = insert(table_of(TenantKey)).on_conflict_do_nothing()


def insert_first_version(session: Session, tenant_id: UUID) -> None:
    """Give a tenant its first data key, unless it has one."""
    insert_version(session, tenant_id, 1)


def insert_version(session: Session, tenant_id: UUID, version: int) -> None:
    """Insert a new version of a tenant's data key, unless it exists. Raises a `KeyProviderError`.

    The provider is asked first, so that no row is locked meanwhile.
    """
    wrapped = app_state().data_keys.masters.wrap(new_data_key(tenant_id, version))
    session.execute(_INSERT, {"tenant_id": tenant_id, "version": version, "sealed": str(wrapped)})
