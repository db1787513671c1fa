"""Read and change the issuers of the current tenant in the catalog, for its requests.

Requests may not write the catalog's tables. They call functions of it, each of which changes an
issuer of one tenant.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trially.auth.refusals import control_plane_unavailable
from trially.database.placement import current_placement
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.directory import directory
from trially.tenancy.own_issuers import TenantIssuer

Answer = TypeVar("Answer")

_ACTOR = text("SELECT set_config('trially.actor', :actor, true)")
_REGISTER = text(
    "SELECT register_issuer(:tenant_id, :id, :issuer, :name, :max_lifetime_seconds, :most)"
)
_PROVE = text("SELECT prove_issuer(:tenant_id, :id)")
_CHANGE = text(
    "SELECT change_issuer(:tenant_id, :id, :version, :name, :is_enabled, :max_lifetime_seconds)"
)
_REMOVE = text("SELECT remove_issuer(:tenant_id, :id, :version)")


class Registered(StrEnum):
    """What became of a registration."""

    REGISTERED = "registered"
    EXISTS = "exists"
    """The tenant has registered this issuer already."""
    TOO_MANY = "too_many"
    """The tenant has as many issuers as it may have."""


def read_issuers() -> Sequence[TenantIssuer]:
    """Return the issuers that the current tenant has registered, oldest first.

    Answers 503 if the catalog does not answer, as all functions of this module do.
    """
    tenant_id = current_placement().tenant_id

    def read() -> Sequence[TenantIssuer]:
        statement = select(TenantIssuer).where(TenantIssuer.tenant_id == tenant_id)
        with Session(reader_engine(), expire_on_commit=False) as session:
            return session.scalars(statement.order_by(TenantIssuer.id)).all()

    return _ask(read)


def register(values: Mapping[str, Any], most: int) -> Registered:
    """Register an issuer with these columns, unless the tenant has `most` issuers."""
    return Registered(_call(_REGISTER, {**values, "most": most}))


def prove(issuer_id: UUID) -> bool:
    """Record that an issuer has been proven now. Returns False if it is registered no more."""
    return bool(_call(_PROVE, {"id": issuer_id}))


def change(issuer_id: UUID, version: int, values: Mapping[str, Any]) -> bool:
    """Change an issuer that has this version. Returns False if it has another one, or is gone."""
    return bool(_call(_CHANGE, {**values, "id": issuer_id, "version": version}))


def remove(issuer_id: UUID, version: int) -> bool:
    """Remove an issuer that has this version. Returns False if it has another one, or is gone."""
    return bool(_call(_REMOVE, {"id": issuer_id, "version": version}))


def _call(statement: Any, values: Mapping[str, Any]) -> Any:
    """Call a function of the catalog for the current tenant, and let this process see the change.

    The catalog's log names the tenant as the actor. The tenant's own log names the member.
    """
    tenant_id = current_placement().tenant_id

    def call() -> Any:
        with reader_engine().begin() as catalog:
            catalog.execute(_ACTOR, {"actor": f"tenant {tenant_id}"})
            return catalog.scalar(statement, {**values, "tenant_id": tenant_id})

    answer = _ask(call)
    directory().forget(tenant_id)
    return answer


def _ask(query: Callable[[], Answer]) -> Answer:
    try:
        return catalog_reader().ask(query)
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None
