"""Find tenants by the age of their data key."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import UNBUILT
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.pinning import is_served


@dataclass(frozen=True)
class TenantKeyAge:
    """A tenant, and the current version of its data key; None if it has no key."""

    tenant_id: UUID
    slug: str
    version: int | None
    created_at: dt.datetime | None

    def described(self) -> dict[str, Any]:
        """Return the values to print."""
        return {"tenant": self.slug, "version": self.version, "created_at": self.created_at}


def key_ages(tenant_ids: Collection[UUID] = ()) -> list[TenantKeyAge]:
    """Return these tenants, or all of them, by slug. Tenants with destroyed keys are left out."""
    newest = (
        select(
            TenantKey.tenant_id,
            func.max(TenantKey.version).label("version"),
            func.max(TenantKey.created_at).label("created_at"),
            func.bool_or(TenantKey.destroyed_at.is_not(None)).label("is_destroyed"),
        )
        .group_by(TenantKey.tenant_id)
        .subquery()
    )
    statement = (
        select(Tenant.id, Tenant.slug, newest.c.version, newest.c.created_at)
        .select_from(Tenant.__table__.outerjoin(newest, newest.c.tenant_id == Tenant.id))
        .where(is_served(), Tenant.status.not_in(UNBUILT), newest.c.is_destroyed.is_not(True))
        .order_by(Tenant.slug)
    )
    if tenant_ids:
        statement = statement.where(Tenant.id.in_(tenant_ids))
    with control_engine().connect() as catalog:
        return [TenantKeyAge(*row) for row in catalog.execute(statement)]
