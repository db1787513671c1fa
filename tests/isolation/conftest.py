"""Two tenants with data in each tier, and the record of which walls held."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from attacks import ATTACKS
from examples import create_all
from flask import Flask
from psycopg2 import sql
from sqlalchemy import select
from tenant_databases import access_of
from walls import DIRECT, POOLER, WAYS, Wall

from trially.database.model import TenantModel
from trially.database.session import db
from trially.request_cycle import refusal_time
from trially.tenancy.catalog import Tenant, Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

EVERY_SITE = "SELECT count(*) FROM {}.site WHERE tenant_id = {}"


@dataclass
class Household:
    """A tenant with two of each resource; `ids` has one id by the name of each route argument."""

    member: Any
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> Tenant:
        tenant: Tenant = self.member.tenant
        return tenant


Held = Callable[..., None]


@pytest.fixture(scope="session")
def findings() -> dict[tuple[str, Tier, str], Wall]:
    """The walls that held so far."""
    return {}


@pytest.fixture
def held(findings: dict[tuple[str, Tier, str], Wall], tier: Tier) -> Held:
    """Record the wall that held against an attack, and fail if another one was expected."""

    def note(attack: str, wall: Wall, way: str = DIRECT) -> None:
        expected = ATTACKS[attack].wall_in(tier, way)
        assert wall is expected, f"{attack}: {wall} instead of {expected} in {tier}, {way}"
        findings[attack, tier, way] = wall

    return note


@pytest.fixture(scope="module")
def make_household(
    make_tenant: Callable[..., Any],
    as_member: Callable[..., Any],
    make_fact: Callable[..., Any],
    tier: Tier,
) -> Callable[[], Household]:
    def make() -> Household:
        tenant = make_tenant(tier)
        member, _ = as_member(tenant), as_member(tenant)
        for _ in range(2):
            ids = create_all(member, tenant.slug)
        for _ in range(2):
            make_fact(member.tenant, ids["patient_id"])
        return Household(member, ids)

    return make


@pytest.fixture(scope="module")
def ours(make_household: Callable[[], Household]) -> Household:
    return make_household()


@pytest.fixture(scope="module")
def theirs(ours: Household, make_household: Callable[[], Household], tier: Tier) -> Household:
    """The other tenant: in the same database, if the tier shares databases."""
    other = make_household()
    is_shared = ours.tenant.placement.database == other.tenant.placement.database
    assert is_shared is (tier is not Tier.DEDICATED_DATABASE)
    return other


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delay of refusals, in tests that compare only their content."""
    monkeypatch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """The way to the database: direct, or through the pooler."""
    return str(request.param)


@pytest.fixture(scope="module")
def serving(
    request: pytest.FixtureRequest, way: str, app: Flask, ours: Household, theirs: Household
) -> Flask:
    """The app whose transactions take that way: to the server, or through the pooler."""
    if way != POOLER:
        return app
    request.getfixturevalue("pooler").learn_roles()
    pooled: Flask = request.getfixturevalue("pooled_app")
    return pooled


@pytest.fixture(scope="module")
def hiding(app: Flask, ours: Any, theirs: Any) -> Wall:
    """The wall that hides the other tenant's rows: the policy, or another schema or database."""

    def has_theirs(schema: str) -> bool:
        parts = sql.Identifier(schema), sql.Literal(str(theirs.tenant.id))
        with access_of(app).administer(ours.tenant.placement.database) as raw:
            return bool(execute(raw, sql.SQL(EVERY_SITE).format(*parts))[0][0])

    our, their = ours.tenant.placement, theirs.tenant.placement
    if has_theirs(our.schema):
        return Wall.POLICY
    is_near = their.database == our.database and has_theirs(their.schema)
    return Wall.OWN_SCHEMA if is_near else Wall.OWN_DATABASE


@pytest.fixture(scope="session")
def dump(app: Flask) -> Callable[[Household], dict[str, list[Any]]]:
    """Return all rows of all tables of a tenant."""

    def read(household: Household) -> dict[str, list[Any]]:
        with app.app_context(), tenant_context(str(household.member.tenant.id)):
            return {
                table.name: [
                    tuple(row)
                    for row in db.session.execute(select(table).order_by(table.c.id)).all()
                ]
                for table in TenantModel.metadata.sorted_tables
            }

    return read
