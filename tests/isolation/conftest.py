"""Two tenants of each tier that have some of everything, and a book of what attacks came to."""

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
    """A tenant with two of everything, by the names of the routes' arguments."""

    member: Any
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> Tenant:
        tenant: Tenant = self.member.tenant
        return tenant


Held = Callable[..., None]


@pytest.fixture(scope="session")
def findings() -> dict[tuple[str, Tier, str], Wall]:
    """What has been found so far."""
    return {}


@pytest.fixture
def held(findings: dict[tuple[str, Tier, str], Wall], tier: Tier) -> Held:
    """Take note that a wall has held against an attack, if it is the one that should."""

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
    """The other tenant: a neighbour in the same database, where the tier has neighbours."""
    other = make_household()
    is_shared = ours.tenant.placement.database == other.tenant.placement.database
    assert is_shared is (tier is not Tier.DEDICATED_DATABASE)
    return other


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep strangers waiting hardly at all: what is compared are the words of their refusals."""
    monkeypatch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How the database is reached."""
    return str(request.param)


@pytest.fixture(scope="module")
def serving(
    request: pytest.FixtureRequest, way: str, app: Flask, ours: Household, theirs: Household
) -> Flask:
    """The app, with its tenants' transactions going to the server or through the pooler."""
    if way != POOLER:
        return app
    request.getfixturevalue("pooler").learn_roles()
    pooled: Flask = request.getfixturevalue("pooled_app")
    return pooled


@pytest.fixture(scope="module")
def hiding(app: Flask, ours: Any, theirs: Any) -> Wall:
    """What hides rows that are looked for in vain: they are there, or they are elsewhere."""

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
    """Read every row of every table of a tenant."""

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
