"""Which tenant a connection of an issuer belongs to: what someone signed in with."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from trially.errors import OperatorError
from trially.tenancy.catalog import TenantConnection, catalog_transaction
from trially.tenancy.lifecycle.status import get_tenant


class ConnectionTakenError(OperatorError):
    """The connection belongs to a tenant already."""


class NoConnectionError(OperatorError):
    """The tenant has no such connection."""


def add_connection(reference: str, connection_id: str) -> None:
    """Say that whoever signs in with a connection comes for this tenant."""
    statement = (
        insert(TenantConnection)
        .values(connection_id=connection_id, tenant_id=get_tenant(reference).id)
        .on_conflict_do_nothing()
        .returning(TenantConnection.connection_id)
    )
    with catalog_transaction() as session:
        if session.scalars(statement).first() is None:
            raise ConnectionTakenError(f"The connection {connection_id!r} is taken.")


def list_connections(reference: str) -> Sequence[str]:
    """Return the ids of a tenant's connections."""
    tenant = get_tenant(reference)
    with catalog_transaction() as session:
        return session.scalars(
            select(TenantConnection.connection_id)
            .where(TenantConnection.tenant_id == tenant.id)
            .order_by(TenantConnection.connection_id)
        ).all()


def remove_connection(reference: str, connection_id: str) -> None:
    """Take a connection away from a tenant."""
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
            raise NoConnectionError(f"There is no connection {connection_id!r}.")
