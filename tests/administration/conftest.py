"""People who sign in to tenants of each tier."""

from typing import Any

import pytest
from administered import Allow, SignIn
from flask import Flask
from members import AsMember, MakeTenant, Member

from trially.auth.roles import Role
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.directory import directory
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """Return an HTTP client of a person who need not be a member; `claims` are added."""

    def sign_in(tenant: Tenant, subject: str, **claims: Any) -> Member:
        token = state_of(app).dev_issuer.issue_token(subject=subject, tenant=tenant.slug, **claims)
        return Member(app.test_client(), token, tenant, subject)

    return sign_in


@pytest.fixture
def tier_tenant(tier: Tier, make_tenant: MakeTenant) -> Tenant:
    """A tenant of each tier in turn."""
    return make_tenant(tier)


@pytest.fixture
def owner(tier_tenant: Tenant, as_member: AsMember) -> Member:
    """The owner of a tenant of each tier in turn."""
    return as_member(tier_tenant, Role.OWNER)


@pytest.fixture(scope="session")
def allow(app: Flask) -> Allow:
    """Limit what a tenant may have by its plan."""

    def allow(tenant: Tenant, **limits: int) -> None:
        named = {Limit(name): most for name, most in limits.items()}
        with app.app_context():
            change_tenant(tenant.slug, TenantChange(limits=named, reason="A test"))
            directory().forget(tenant.id)

    return allow
