"""Map the connections of identity providers to tenants, and list what tenants have registered."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import TenantConnection
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.names import check_line
from trially.tenancy.own_issuers import TenantIssuer


class Origin(StrEnum):
    """Who has brought a connection."""

    OPERATOR = "operator"
    """An operator has mapped it with `flask tenants connections add`."""
    TENANT = "tenant"
    """An owner of the tenant has registered the issuer."""


@dataclass(frozen=True)
class Connection:
    """A way to sign in to one tenant."""

    connection_id: str
    origin: Origin
    issuer: str | None = None
    """The issuer that an owner has registered; None for a connection of an operator's issuer."""

    state: str | None = None
    """Whether its tokens count: pending, active or disabled. None for an operator's connection."""


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


def list_connections(reference: str) -> Sequence[Connection]:
    """Return a tenant's connections by id, and then the issuers that its owners have registered.

    Raises `UnknownTenantError`.
    """
    tenant = get_tenant(reference)
    with catalog_transaction() as session:
        mapped = session.scalars(
            select(TenantConnection.connection_id)
            .where(TenantConnection.tenant_id == tenant.id)
            .order_by(TenantConnection.connection_id)
        ).all()
        own = session.scalars(
            select(TenantIssuer)
            .where(TenantIssuer.tenant_id == tenant.id)
            .order_by(TenantIssuer.id)
        ).all()
    return [
        *(Connection(each, Origin.OPERATOR) for each in mapped),
        *(Connection(str(row.id), Origin.TENANT, row.issuer, _state_of(row)) for row in own),
    ]


def remove_connection(reference: str, connection_id: str) -> None:
    """Remove a connection from a tenant, or an issuer that its owners have registered.

    Every process applies it within 5 seconds. Raises `NoConnectionError` or `UnknownTenantError`.
    """
    tenant = get_tenant(reference)
    statement = (
        delete(TenantConnection)
        .where(
            TenantConnection.tenant_id == tenant.id,
            TenantConnection.connection_id == connection_id,
        )
        .returning(TenantConnection.connection_id)
    )
    with catalog_transaction() as session:
        is_removed = session.scalars(statement).first() is not None
        if not is_removed and not _remove_issuer(session, tenant.id, connection_id):
            raise NoConnectionError(
                f"The tenant {reference!r} has no connection {connection_id!r}."
                f" `flask tenants connections list {reference}` shows its connections."
            )
    directory().forget(tenant.id)


def _remove_issuer(session: Session, tenant_id: UUID, connection_id: str) -> bool:
    """Remove an issuer that a tenant has registered. Returns False if it has none of this id."""
    try:
        issuer_id = UUID(connection_id)
    except ValueError:
        return False
    statement = delete(TenantIssuer).where(
        TenantIssuer.tenant_id == tenant_id, TenantIssuer.id == issuer_id
    )
    return session.scalars(statement.returning(TenantIssuer.id)).first() is not None


def _state_of(row: TenantIssuer) -> str:
    if not row.is_enabled:
        return "disabled"
    return "pending" if row.proven_at is None else "active"
