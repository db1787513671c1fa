"""Tenants with limits."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from tenant_databases import ask_in

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.tenancy.lifecycle.plans.using import count_use

Allow = Callable[..., None]
"""`allow(tenant, patients=3)` limits a tenant; None is unlimited."""

Used = Callable[[Tenant], dict[str, int]]
"""`used(tenant)` returns what the triggers have counted, by quota."""


@pytest.fixture(scope="session")
def allow(app: Flask) -> Allow:
    def allow(tenant: Tenant, **limits: int | None) -> None:
        change = TenantChange(
            limits={Limit(name): most for name, most in limits.items()}, reason="A test"
        )
        with app.app_context():
            change_tenant(tenant.slug, change)

    return allow


@pytest.fixture(scope="session")
def used(app: Flask) -> Used:
    def used(tenant: Tenant) -> dict[str, int]:
        with app.app_context():
            placement = get_tenant(tenant.slug).placement
        tenant.placement = placement
        rows = ask_in(
            app,
            tenant,
            f"SELECT quota, sum(used)::bigint FROM {placement.schema}.quota_use"
            " WHERE tenant_id = %s GROUP BY quota HAVING bool_or(most IS NOT NULL)",
            tenant.id,
        )
        return dict(rows)

    return used


@pytest.fixture(scope="session")
def stored(app: Flask) -> Callable[[Tenant], dict[Limit, int]]:
    """Count a tenant's rows."""

    def stored(tenant: Tenant) -> dict[Limit, int]:
        with app.app_context():
            return count_use(get_tenant(tenant.slug).placement)

    return stored


@pytest.fixture
def member_in(make_tenant: MakeTenant, as_member: AsMember) -> Callable[[Tier], Member]:
    """Return an administrator of a new tenant."""

    def member_in(tier: Tier, **options: Any) -> Member:
        return as_member(make_tenant(tier, **options))

    return member_in
