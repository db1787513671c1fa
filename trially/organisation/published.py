"""What the catalog holds of the current tenant, for its own settings."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from psycopg2.errors import UndefinedTable
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from trially.organisation.model import TenantDomain
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.context import current_tenant


@dataclass(frozen=True)
class DomainState:
    """What is known about the domain of a tenant."""

    domain: str
    checked_at: dt.datetime | None
    verified_at: dt.datetime | None
    expires_at: dt.datetime | None
    failure: str | None

    @property
    def is_held(self) -> bool:
        """Whether the domain counts as the tenant's now."""
        return self.expires_at is not None and self.expires_at > dt.datetime.now(dt.UTC)


def read_name_and_zone() -> dict[str, str]:
    """Return the name and the time zone of the current tenant, as the catalog has them now.

    Raises `CatalogUnavailableError`.
    """
    return catalog_reader().ask(partial(_read_name_and_zone, current_tenant().tenant_id))


def read_domain_state() -> DomainState | None:
    """Return the state of the current tenant's domain, or None if none was published.

    Raises `CatalogUnavailableError`.
    """
    return catalog_reader().ask(partial(_read_domain_state, current_tenant().tenant_id))


def _read_name_and_zone(tenant_id: UUID) -> dict[str, str]:
    with reader_engine().connect() as catalog:
        row = catalog.execute(
            select(Tenant.name, Tenant.time_zone).where(Tenant.id == tenant_id)
        ).one()
    return {"name": row.name, "time_zone": row.time_zone}


def _read_domain_state(tenant_id: UUID) -> DomainState | None:
    try:
        with Session(reader_engine()) as session:
            row = session.get(TenantDomain, tenant_id)
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        return None  # The catalog is not migrated yet.
    if row is None:
        return None
    return DomainState(row.domain, row.checked_at, row.verified_at, row.expires_at, row.failure)
