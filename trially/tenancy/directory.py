"""Where each tenant lives, as this process last saw it: bounded in age, safe to be stale.

The guard refuses a transaction whose placement is no longer current, so an entry that is a few
seconds old costs a second look and never a row in the wrong place.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.cache.memory import Memory
from trially.database.placement import Placement
from trially.tenancy.catalog import (
    Tenant,
    TenantStatus,
    TokenCutOff,
    is_called,
    reader_engine,
)
from trially.tenancy.pinning import is_served
from trially.tenancy.tiers import tier_of

ENTRIES_KEPT = 10_000
MAX_TOKEN_LIFETIME = dt.timedelta(days=30)
"""No issuer's tokens may be good for longer, so that older cut-offs need not be known."""


class UnknownTenantError(LookupError):
    """There is no such tenant, or it is not ready to be served."""


@dataclass(frozen=True)
class Residence:
    """A tenant and where it lives."""

    tenant_id: UUID
    slug: str
    name: str
    kind: str
    status: TenantStatus
    placement: Placement

    cut_offs: Mapping[tuple[str, str], float]
    """Tokens issued before this are refused, by issuer and subject; either may be empty."""

    @cached_property
    def names(self) -> frozenset[str]:
        """What requests may call the tenant by."""
        return frozenset({self.slug, str(self.tenant_id)})

    @property
    def is_suspended(self) -> bool:
        """Whether the tenant's members are refused for now."""
        return self.status is TenantStatus.SUSPENDED


class Directory:
    """What this process knows of tenants, by slug and by id."""

    def __init__(self, max_age_seconds: float) -> None:
        self._known: Memory[str, Residence] = Memory(ENTRIES_KEPT, max_age_seconds)

    def find(self, reference: str, *, fresh: bool = False) -> Residence:
        """Return where the tenant with this slug or id lives, or raise `UnknownTenantError`."""
        known = None if fresh else self._known.get(reference)
        if known is None:
            known = _look_up(reference)
            self._known.put(reference, known)
        return known

    def forget(self, tenant_id: UUID) -> None:
        """Forget what is known of a tenant, under each of its names."""
        self._known.forget(lambda known: known.tenant_id == tenant_id)


def directory() -> Directory:
    """Return the current app's directory."""
    known: Directory = current_app.extensions["trially_directory"]
    return known


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Give the app an empty directory."""
    app.extensions["trially_directory"] = Directory(max_age_seconds)


def _look_up(reference: str) -> Residence:
    with Session(reader_engine()) as session:
        tenant = session.scalar(
            select(Tenant).where(
                is_called(reference), is_served(), Tenant.status != TenantStatus.PROVISIONING
            )
        )
        if tenant is None:
            raise UnknownTenantError("There is no such tenant.")
        record = tenant.placement
        return Residence(
            tenant_id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            kind=tenant.kind,
            status=TenantStatus(tenant.status),
            placement=tier_of(record).placement(record),
            cut_offs=_cut_offs_of(session, tenant.id),
        )


def _cut_offs_of(session: Session, tenant_id: UUID) -> Mapping[tuple[str, str], float]:
    rows = session.execute(
        select(TokenCutOff.issuer, TokenCutOff.subject, TokenCutOff.cut_off_at).where(
            TokenCutOff.tenant_id == tenant_id,
            TokenCutOff.cut_off_at > func.now() - MAX_TOKEN_LIFETIME,
        )
    )
    return {(row.issuer, row.subject): row.cut_off_at.timestamp() for row in rows}
