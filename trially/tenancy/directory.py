"""Tenants and their placements, cached from the catalog for a few seconds.

A stale entry is safe: the guard refuses a transaction whose placement is not current, and the
request then reads the catalog again. So expired entries stay in use while the catalog does not
answer. Expired entries are renewed together: one query reads the stamps of many tenants, and an
unchanged stamp means an unchanged entry. Entries in constant use are renewed before they expire,
so that no request waits for the catalog.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import replace
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
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from trially.database.placement import Placement
from trially.observability.metrics import catalog_stale_answers_total
from trially.state import app_state, state_of
from trially.tenancy.catalog import (
    IS_SWITCHING,
    Operation,
    PlacementRecord,
    Tenant,
    TokenCutOff,
    is_called,
)
from trially.tenancy.catalog_choices import UNSERVED, OperationState, TenantStatus
from trially.tenancy.catalog_reader import SLOW_SECONDS, CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.operators.model import support_access
from trially.tenancy.own_issuers import OWN_ISSUERS_STAMP, active_issuers_of
from trially.tenancy.pinning import is_served
from trially.tenancy.plans.reading import PLAN_STAMP, tenant_plan_of
from trially.tenancy.tenant_entries import EntryCache, SupportAccess, TenantEntry
from trially.tenancy.tiers import tier_of
from trially.tenancy.warming import Warmer

__all__ = ["MAX_TOKEN_LIFETIME", "Directory", "TenantEntry", "UnknownTenantError", "directory"]

MAX_TOKEN_LIFETIME = dt.timedelta(days=30)
"""The longest lifetime that an issuer's tokens may have. Older cut-offs have no effect."""


NO_EPOCH = -1


class Directory:
    """Finds tenants by slug or id, in the process's cache or else in the catalog."""

    def __init__(self, max_age_seconds: float) -> None:
        self._entries = EntryCache(max_age_seconds)
        self._warmer = Warmer()
        self._lock = Lock()
        self._renewal: Future[None] | None = None

    def find(self, reference: str, *, fresh: bool = False) -> TenantEntry:
        """Return the entry of the tenant with this slug or id.

        `fresh` reads it from the catalog in any case, and waits for that without a limit of its
        own. Raises `UnknownTenantError`, or `CatalogUnavailableError` if the tenant is not cached.
        """
        if fresh:
            return self._read(reference)
        entry = self._entries.get(reference)
        if entry is not None:
            if self._entries.is_due(reference):
                catalog_reader().renew_early(lambda: self._read_stamps(entry.tenant_id))
                self._warm(entry)
            return entry
        found = self._renew(reference) or catalog_reader().ask(lambda: self._read(reference))
        self._warm(found)
        return found

    def expire(self, tenant_id: UUID) -> None:
        """Renew a tenant's entry before its next use, if the catalog answers."""
        self._entries.expire(tenant_id)

    def forget(self, tenant_id: UUID) -> None:
        """Drop a tenant from the cache, under each of its names."""
        self._entries.forget(tenant_id)

    def find_current(self, reference: str) -> TenantEntry:
        """Return the entry of a tenant, never an expired one.

        Raises `UnknownTenantError`, or `CatalogUnavailableError` if none is cached.
        """
        entry = self._entries.get(reference)
        return entry or catalog_reader().ask(lambda: self._read(reference))

    def can_serve_stale(self) -> bool:
        """Return whether any tenant can be served while the catalog does not answer."""
        return self._entries.has_any(catalog_reader().stale_seconds)

    def _warm(self, entry: TenantEntry) -> None:
        if entry.next_placement is not None:
            self._warmer.warm(entry.next_placement)

    def _read(self, reference: str) -> TenantEntry:
        entry = _look_up(reference)
        self._entries.put(reference, entry)
        return entry

    def _renew(self, reference: str) -> TenantEntry | None:
        """Renew an expired entry, and other old ones with it, unless they have changed.

        One query reads the stamps of all of them. One such query runs at a time, and all threads
        that need an entry use its result. Returns the expired entry if the catalog does not answer.
        """
        reader = catalog_reader()
        expired = self._entries.get_expired(reference)
        if expired is None:
            return None
        if reader.is_away or reader.is_slow:
            reader.try_again(lambda: self._read_stamps(expired.tenant_id))
        elif self._has_renewed(reference, expired):
            return self._entries.get(reference)
        usable = self._entries.get_expired(reference, reader.stale_seconds)
        if usable is not None:
            catalog_stale_answers_total.labels("tenant").inc()
        return usable

    def _has_renewed(self, reference: str, expired: TenantEntry) -> bool:
        """Renew an entry, or drop it because it has changed. Return False without an answer."""
        try:
            # A query of another thread may not have been about this entry.
            while not self._join_renewal(expired.tenant_id):
                if self._entries.get(reference) is not None:
                    break
        except (CatalogUnavailableError, TimeoutError):
            return False
        return True

    def _join_renewal(self, tenant_id: UUID) -> bool:
        """Wait for the query that runs, or begin one and return True."""
        with self._lock:
            renewal, is_mine = self._renewal, False
            if renewal is None or renewal.done():
                renewal = catalog_reader().send(lambda: self._read_stamps(tenant_id))
                self._renewal, is_mine = renewal, True
        renewal.result(SLOW_SECONDS)
        return is_mine

    def _read_stamps(self, tenant_id: UUID) -> None:
        tenant_ids = {tenant_id} | self._entries.oldest_tenants()
        self._entries.renew(tenant_ids, _read_stamps(tenant_ids))


def directory() -> Directory:
    """Return the current app's directory."""
    return app_state().directory


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Create the app's directory, with an empty cache."""
    state_of(app).directory = Directory(max_age_seconds)


def _look_up(reference: str) -> TenantEntry:
    with Session(reader_engine()) as session:
        row = session.execute(
            select(Tenant, _STAMP).where(
                is_called(reference), is_served(), Tenant.status.not_in(UNSERVED)
            )
        ).first()
        if row is None:
            raise UnknownTenantError(reference)
        tenant, stamp = row
        # All that follows is read after the stamp: what is written in between changes the next one.
        record, plan = tenant.placement, tenant_plan_of(session, tenant)
        return TenantEntry(
            tenant_id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            kind=tenant.kind,
            time_zone=tenant.time_zone,
            status=TenantStatus(tenant.status),
            placement=replace(
                tier_of(record).placement(record),
                fields=tenant.fields,
                quotas=plan.quota_setting,
            ),
            cut_offs=_cut_offs_of(session, tenant.id),
            supporters=_supporters_of(session, tenant.id),
            next_placement=_next_placement_of(session, tenant.id),
            plan=plan,
            stamp=stamp,
            erase_after=tenant.erase_after,
            own_issuers=active_issuers_of(session, tenant.id),
        )


_STAMP: ColumnElement[str] = literal_column(
    "concat_ws('/', tenant.xmin,"
    " (SELECT concat(p.id, p.xmin, s.xmin) FROM placement p JOIN server s ON s.id = p.server_id"
    "  WHERE p.tenant_id = tenant.id AND p.is_active),"
    " (SELECT string_agg(o.id::text, '/') FROM operation o WHERE o.tenant_id = tenant.id"
    f"  AND o.state = '{OperationState.RUNNING}' AND o.parameters->'{IS_SWITCHING}' = 'true'),"
    " (SELECT string_agg(concat(c.issuer, ' ', c.subject, c.xmin), '/')"
    "  FROM token_cut_off c WHERE c.tenant_id = tenant.id),"
    " (SELECT string_agg(concat(a.id, a.stamp), '/')"
    "  FROM support_access a WHERE a.tenant_id = tenant.id),"
    f"{OWN_ISSUERS_STAMP}{PLAN_STAMP})",
    String,
)
"""The transactions (`xmin`) that last wrote the catalog's rows about a tenant.

PostgreSQL keeps `xmin` itself, so no code that changes the catalog can forget to update the stamp.
"""


def _read_stamps(tenant_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Return the stamps of those of these tenants that are still served."""
    ids = bindparam("ids", list(tenant_ids), ARRAY(Uuid))
    statement = select(Tenant.id, _STAMP.label("stamp")).where(
        Tenant.id == any_(ids), is_served(), Tenant.status.not_in(UNSERVED)
    )
    with reader_engine().connect() as connection:
        return {row.id: row.stamp for row in connection.execute(statement)}


def _next_placement_of(session: Session, tenant_id: UUID) -> Placement | None:
    """Return the target of a move that is about to switch, or None.

    It has an epoch that no guard serves. That of the record is 0, which a closed guard has too.
    """
    record = session.scalar(
        select(PlacementRecord)
        .join(Operation, Operation.parameters["target"].astext == cast(PlacementRecord.id, String))
        .where(
            Operation.tenant_id == tenant_id,
            Operation.state == OperationState.RUNNING,
            Operation.parameters[IS_SWITCHING].as_boolean(),
            PlacementRecord.tenant_id == tenant_id,
            ~PlacementRecord.is_active,
        )
    )
    return None if record is None else replace(tier_of(record).placement(record), epoch=NO_EPOCH)


def _supporters_of(session: Session, tenant_id: UUID) -> Mapping[tuple[str, str], SupportAccess]:
    """Return the active grants, by issuer and subject; of several the one that ends last."""
    access = support_access.c
    rows = session.execute(
        select(support_access).where(access.tenant_id == tenant_id).order_by(access.expires_at)
    )
    return {
        (row.issuer, row.subject): SupportAccess(
            grant_id=row.id,
            operator=row.requested_by,
            role=row.role,
            phi_level=row.phi_level,
            expires_at=row.expires_at.timestamp(),
        )
        for row in rows
    }


def _cut_offs_of(session: Session, tenant_id: UUID) -> Mapping[tuple[str, str], float]:
    rows = session.execute(
        select(TokenCutOff.issuer, TokenCutOff.subject, TokenCutOff.cut_off_at).where(
            TokenCutOff.tenant_id == tenant_id,
            TokenCutOff.cut_off_at > func.now() - MAX_TOKEN_LIFETIME,
        )
    )
    return {(row.issuer, row.subject): row.cut_off_at.timestamp() for row in rows}
