"""How old the backups of tenants are."""

import datetime as dt
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true

from trially.state import app_state
from trially.tenancy.archives.model import Archive
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine

BACKED_UP = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)
"""Tenants in these states have all their rows, so they can be backed up."""

READ_SECONDS = 30.0
"""How often a process reads the ages, however often it is asked."""

newest_of_tenant = (
    select(func.max(Archive.snapshot_at))
    .where(Archive.tenant_id == Tenant.id, Archive.removed_at.is_(None))
    .correlate(Tenant)
    .scalar_subquery()
)
"""The time of a tenant's newest archive, NULL without one."""


@dataclass(frozen=True)
class BackupAges:
    """How old the newest backups of all tenants are."""

    oldest_seconds: float
    """The age of the oldest of them; 0 if no tenant has a backup."""

    tenants_without: int
    """The number of tenants without a backup."""


def read_ages() -> BackupAges:
    """Return the ages of backups, as read within the last half minute.

    Raises `CatalogUnavailableError`.
    """
    state = app_state()
    if time.monotonic() >= state.read_backups_again_at or state.backup_ages is None:
        state.backup_ages = catalog_reader().ask(_read_ages)
        state.read_backups_again_at = time.monotonic() + READ_SECONDS
    return state.backup_ages


def last_backup_of(tenant_id: UUID) -> dt.datetime | None:
    """Return the time of the tenant's newest archive, None without one."""
    with catalog_transaction() as session:
        return session.scalar(select(newest_of_tenant).where(Tenant.id == tenant_id))


def ages_of(tenants: ColumnElement[bool]) -> BackupAges:
    """Return the ages of the backups of those tenants that a condition chooses."""
    with catalog_transaction() as session:
        return _ages(*session.execute(_select_ages(tenants)).one())


def _read_ages() -> BackupAges:
    with reader_engine().connect() as catalog:
        return _ages(*catalog.execute(_select_ages(true())).one())


def _select_ages(tenants: ColumnElement[bool]) -> Select[float | None, int]:
    newest = (
        select(newest_of_tenant.label("at")).where(Tenant.status.in_(BACKED_UP), tenants).subquery()
    )
    age = func.extract("epoch", func.now() - func.min(newest.c.at))
    missing = func.count().filter(newest.c.at.is_(None))
    return select(age, missing).select_from(newest)


def _ages(oldest: float | None, without: int) -> BackupAges:
    return BackupAges(max(0.0, float(oldest or 0)), without)
