"""Count tenants as if their days had ended."""

import datetime as dt

import pytest
from flask import Flask
from sqlalchemy import select, text
from usage_days import ONE_DAY, Count, Days, DaysOf, MakeOlder

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import administered_tenant
from trially.usage.bringing_up_to_date import copy_to_catalog, count_days
from trially.usage.model import DailyUsage, DailyUsageCopy


@pytest.fixture
def count(app: Flask) -> Count:
    """Count a tenant's days that have ended at an instant, and copy them."""

    def count(tenant: Tenant, now: dt.datetime) -> list[dt.date]:
        with app.app_context(), administered_tenant(str(tenant.id)):
            with transaction():
                counted = count_days(now)
            with transaction():
                copy_to_catalog(now)
        return counted

    return count


@pytest.fixture
def days_of(app: Flask) -> DaysOf:
    """Return a tenant's rows of usage."""

    def days_of(tenant: Tenant) -> Days:
        with app.app_context(), administered_tenant(str(tenant.id)):
            rows = fetch_items(select(table_of(DailyUsage)).where(of_current_tenant(DailyUsage)))
        return {(row["day"], row["meter"]): row for row in rows}

    return days_of


@pytest.fixture
def copies_of(app: Flask) -> DaysOf:
    """Return the copies of a tenant's rows in the catalog."""

    def copies_of(tenant: Tenant) -> Days:
        with app.app_context(), control_engine().connect() as catalog:
            table = DailyUsageCopy.__table__
            rows = catalog.execute(select(table).where(table.c.tenant_id == tenant.id)).mappings()
            return {(row["day"], row["meter"]): dict(row) for row in rows}

    return copies_of


@pytest.fixture
def make_older(app: Flask) -> MakeOlder:
    """Let a tenant, and the installation, have been there for some days."""

    def make_older(tenant: Tenant, days: int) -> None:
        values = {"id": tenant.id, "at": dt.datetime.now(dt.UTC) - days * ONE_DAY}
        with app.app_context(), control_engine().begin() as catalog:
            catalog.execute(text("UPDATE tenant SET created_at = :at WHERE id = :id"), values)
            catalog.execute(
                text("UPDATE usage_start SET started_at = least(started_at, :at)"), values
            )

    return make_older
