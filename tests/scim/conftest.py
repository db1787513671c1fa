"""An identity provider of a tenant of each tier, and people who sign in."""

from typing import Any

import pytest
from flask import Flask
from identity_providers import IdentityProvider, SignIn, provider_of
from members import AsMember, MakeTenant, Member

from trially.auth.roles import Role
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier


@pytest.fixture
def owner(tier: Tier, make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """The owner of a tenant of each tier in turn."""
    return as_member(make_tenant(tier), Role.OWNER)


@pytest.fixture
def provider(owner: Member) -> IdentityProvider:
    """The identity provider of the owner's tenant."""
    return provider_of(owner)


@pytest.fixture
def sign_in(app: Flask) -> SignIn:
    """Return a client of a person who need not be a member; `claims` are added."""

    def sign_in(tenant: Tenant, subject: str, **claims: Any) -> Member:
        token = state_of(app).dev_issuer.issue_token(subject=subject, tenant=tenant.slug, **claims)
        return Member(app.test_client(), token, tenant, subject)

    return sign_in
