"""Where each tenant lives, as this process last saw it: bounded in age, safe to be stale.

The guard refuses a transaction whose placement is no longer current, so an entry that is a few
seconds old costs a second look and never a row in the wrong place. Entries are renewed together:
one question tells which of them still are as they were.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from uuid import UUID

from flask import Flask
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    Uuid,
    any_,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from trially.cache.ttl_cache import TTLCache
from trially.database.placement import Placement
from trially.errors import OperatorError
from trially.state import app_state, state_of
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
RENEWED_AT_ONCE = 2_000
MAX_TOKEN_LIFETIME = dt.timedelta(days=30)
"""No issuer's tokens may be good for longer, so that older cut-offs need not be known."""


class UnknownTenantError(OperatorError):
    """There is no such tenant, or it is not ready to be served."""


@dataclass(frozen=True)
class TenantEntry:
    """A tenant and where it lives."""

    tenant_id: UUID
    slug: str
    name: str
    kind: str
    status: TenantStatus
    placement: Placement

    cut_offs: Mapping[tuple[str, str], float]
    """Tokens issued before this are refused, by issuer and subject; either may be empty."""

    stamp: str = field(repr=False)
    """Another one as soon as the catalog says anything else of the tenant."""

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
        self._known: TTLCache[str, TenantEntry] = TTLCache(ENTRIES_KEPT, max_age_seconds)
        self._renewing = Lock()

    def find(self, reference: str, *, fresh: bool = False) -> TenantEntry:
        """Return where the tenant with this slug or id lives, or raise `UnknownTenantError`."""
        known = None if fresh else self._known.get(reference) or self._renew(reference)
        if known is None:
            known = _look_up(reference)
            self._known.put(reference, known)
        return known

    def _renew(self, reference: str) -> TenantEntry | None:
        """Renew an entry whose time is up, and others with it, unless they have changed."""
        asked = self._known.recall(reference)
        if asked is None:
            return None
        with self._renewing:
            if self._known.get(reference) is None:
                due = {known.tenant_id for known in (asked, *self._known.oldest(RENEWED_AT_ONCE))}
                stamps = _read_stamps(due)
                self._known.renew(lambda known: stamps.get(known.tenant_id) == known.stamp)
                self._known.forget(
                    lambda known: (
                        known.tenant_id in due and stamps.get(known.tenant_id) != known.stamp
                    )
                )
        return self._known.get(reference)

    def forget(self, tenant_id: UUID) -> None:
        """Forget what is known of a tenant, under each of its names."""
        self._known.forget(lambda known: known.tenant_id == tenant_id)


def directory() -> Directory:
    """Return the current app's directory."""
    return app_state().directory


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Give the app an empty directory."""
    state_of(app).directory = Directory(max_age_seconds)


def _look_up(reference: str) -> TenantEntry:
    with Session(reader_engine()) as session:
        found = session.execute(
            select(Tenant, _STAMP).where(
                is_called(reference), is_served(), Tenant.status != TenantStatus.PROVISIONING
            )
        ).first()
        if found is None:
            raise UnknownTenantError("There is no such tenant.")
        tenant, stamp = found
        record = tenant.placement
        return TenantEntry(
            tenant_id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            kind=tenant.kind,
            status=TenantStatus(tenant.status),
            placement=tier_of(record).placement(record),
            # Read after the stamp: what comes in between makes the stamp another one.
            cut_offs=_cut_offs_of(session, tenant.id),
            stamp=stamp,
        )


_STAMP: ColumnElement[str] = literal_column(
    "concat_ws('/', tenant.xmin,"
    " (SELECT concat(p.id, p.xmin, s.xmin) FROM placement p JOIN server s ON s.id = p.server_id"
    "  WHERE p.tenant_id = tenant.id AND p.is_active),"
    " (SELECT string_agg(concat(c.issuer, ' ', c.subject, c.xmin), '/')"
    "  FROM token_cut_off c WHERE c.tenant_id = tenant.id))",
    String,
)
"""Which transactions wrote what the catalog says of a tenant: PostgreSQL keeps that by itself."""


def _read_stamps(tenant_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return the stamps of the tenants that are served as ever."""
    wanted = bindparam("ids", list(tenant_ids), ARRAY(Uuid))
    statement = select(Tenant.id, _STAMP.label("stamp")).where(
        Tenant.id == any_(wanted), is_served(), Tenant.status != TenantStatus.PROVISIONING
    )
    with reader_engine().connect() as connection:
        return {row.id: row.stamp for row in connection.execute(statement)}


def _cut_offs_of(session: Session, tenant_id: UUID) -> Mapping[tuple[str, str], float]:
    rows = session.execute(
        select(TokenCutOff.issuer, TokenCutOff.subject, TokenCutOff.cut_off_at).where(
            TokenCutOff.tenant_id == tenant_id,
            TokenCutOff.cut_off_at > func.now() - MAX_TOKEN_LIFETIME,
        )
    )
    return {(row.issuer, row.subject): row.cut_off_at.timestamp() for row in rows}
