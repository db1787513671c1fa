"""Map the connections of identity providers to tenants."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import TenantConnection
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.names import check_line


class ConnectionTakenError(OperatorError):
    """The connection is already mapped to a tenant."""


class NoConnectionError(OperatorError):
    """The connection is not mapped to the tenant."""


def add_connection(reference: str, connection_id: str) -> bool:
    """Map a connection to a tenant: tokens of logins through it are for this tenant.

    Returns False if it was mapped to this tenant already. Raises `ConnectionTakenError` if it is
    mapped to another tenant, `UnknownTenantError` or `UnsafeTextError`.
    """
    check_line(connection_id, "The connection's id", length_of(TenantConnection.connection_id))
    tenant = get_tenant(reference)
    statement = (
        insert(TenantConnection)
        .values(connection_id=connection_id, tenant_id=tenant.id)
        .on_conflict_do_nothing()
        .returning(TenantConnection.connection_id)
    )
    with catalog_transaction() as session:
        if session.scalars(statement).first() is not None:
            return True
        holder = session.scalar(
            select(TenantConnection.tenant_id).where(
                TenantConnection.connection_id == connection_id
            )
        )
        if holder != tenant.id:
            raise ConnectionTakenError(
                f"The connection {connection_id!r} is already mapped to a tenant. Remove it there"
                " first."
            )
        return False


def list_connections(reference: str) -> Sequence[str]:
    """Return the ids of a tenant's connections, in order, or raise `UnknownTenantError`."""
    tenant = get_tenant(reference)
    with catalog_transaction() as session:
        return session.scalars(
            select(TenantConnection.connection_id)
            .where(TenantConnection.tenant_id == tenant.id)
            .order_by(TenantConnection.connection_id)
        ).all()


def remove_connection(reference: str, connection_id: str) -> None:
    """Remove a connection from a tenant.

    Raises `NoConnectionError` or `UnknownTenantError`.
    """
    statement = (
        delete(TenantConnection)
        .where(
            TenantConnection.tenant_id == get_tenant(reference).id,
            TenantConnection.connection_id == connection_id,
        )
        .returning(TenantConnection.connection_id)
    )
    with catalog_transaction() as session:
        if session.scalars(statement).first() is None:
            raise NoConnectionError(
                f"The tenant {reference!r} has no connection {connection_id!r}."
                f" `flask tenants connections list {reference}` shows its connections."
            )
