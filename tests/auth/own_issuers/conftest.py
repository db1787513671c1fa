"""Real issuers on loopback, and the owners of two tenants who register them."""

from collections.abc import Callable, Iterator

import pytest
from http_issuers import Issuer
from members import AsMember, MakeTenant, Member
from own_issuers import Registered, register

from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier


@pytest.fixture
def other_issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def owner(tier: Tier, make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """The owner of a tenant of each tier in turn, who signs in at an issuer of the operators."""
    return as_member(make_tenant(tier), Role.OWNER)


@pytest.fixture
def pooled_owner(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """The owner of a tenant, for tests in which the tenant's rows do not matter."""
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER)


@pytest.fixture
def neighbour(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """The owner of another tenant in the same pool."""
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER)


@pytest.fixture
def registered(pooled_owner: Member, issuer: Issuer) -> Registered:
    """An issuer that is registered and not proven."""
    return register(pooled_owner, issuer)


@pytest.fixture
def proven(registered: Registered) -> Registered:
    """An issuer whose tokens count."""
    registered.prove()
    return registered


@pytest.fixture
def prove_for() -> Callable[[Member, Issuer], Registered]:
    """Register and prove an issuer for the tenant of an owner."""

    def prove(owner: Member, issuer: Issuer) -> Registered:
        registered = register(owner, issuer)
        registered.prove()
        return registered

    return prove
