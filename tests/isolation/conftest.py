"""Two tenants with data in each tier, and the record of which walls held."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from attacks import ATTACKS
from examples import EXAMPLES, PREPARED, add_more_to_study, create_all, new_word
from flask import Flask
from members import AsMember, MakeFact, MakeTenant
from populated_tenants import PopulatedTenant
from psycopg2 import sql
from sqlalchemy import Text, column, false, literal, or_, select, true, union_all
from support_requests import ask_for_support
from tenant_databases import access_of
from walls import DIRECT, POOLER, WAYS, Wall

from trially.audit.model import AuditForm, AuditRecord
from trially.auth.members.model import Member
from trially.auth.roles import Role
from trially.database.model import TenantModel
from trially.database.rows import insert_item, table_of
from trially.database.session import db, transaction
from trially.recruiting.imports.missing_records.model import MissingRecord
from trially.recruiting.search.model import PatientName
from trially.request_cycle import refusal_time
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

EVERY_SITE = "SELECT count(*) FROM {}.site WHERE tenant_id = {}"


RecordWall = Callable[..., None]


@pytest.fixture(scope="session")
def findings() -> dict[tuple[str, Tier, str], Wall]:
    """The walls that held so far."""
    return {}


@pytest.fixture
def record_wall(findings: dict[tuple[str, Tier, str], Wall], tier: Tier) -> RecordWall:
    """Record the wall that held against an attack, and fail if another one was expected."""

    def note(attack: str, wall: Wall, way: str = DIRECT) -> None:
        expected = ATTACKS[attack].wall_in(tier, way)
        assert wall is expected, f"{attack}: {wall} instead of {expected} in {tier}, {way}"
        findings[attack, tier, way] = wall

    return note


@pytest.fixture(scope="module")
def make_populated_tenant(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_fact: MakeFact,
    tier: Tier,
) -> Callable[[], PopulatedTenant]:
    def make() -> PopulatedTenant:
        tenant = make_tenant(tier)
        member, _ = as_member(tenant, role=Role.OWNER), as_member(tenant)
        for _ in range(2):
            ids = create_all(member, tenant.slug)
        for _ in range(2):
            make_fact(member.tenant, ids["patient_id"])
            ask_for_support(app, tenant, tenant.slug)
        with app.app_context(), tenant_context(str(tenant.id)), transaction():
            for number in range(2):
                missing = {"source_type": "Patient", "source_id": f"{tenant.slug}-{number}"}
                insert_item(
                    MissingRecord, {**missing, "import_id": UUID(ids["import_id"])}, ("id",)
                )
                name = {"position": number + 1, "family_name": tenant.slug}
                insert_item(PatientName, {**name, "patient_id": UUID(ids["patient_id"])}, ("id",))
        EXAMPLES["document"].create(member, ids, new_word(tenant.slug))
        add_more_to_study(member, ids, tenant.slug)
        imported = PREPARED["studies.show_registry_record"](member, ids)["study_id"]
        ids["studies.show_registry_record study_id"] = imported
        matched = PREPARED["matches.explain_match"](member, ids)["study_id"]
        for view in ("explain_match", "show_attrition", "start_match_run"):
            ids[f"matches.{view} study_id"] = matched
        ids["fhir.show_measure_report study_id"] = matched
        for view in ("count_affected_patients", "list_affected_patients"):
            amended = PREPARED[f"matches.{view}"](member, ids)
            ids |= {f"matches.{view} {name}": each for name, each in amended.items()}
        held = PREPARED["erasures.show_hold"](member, ids)["patient_id"]
        ids["erasures.show_hold patient_id"] = held
        # The first count stores what it has read. Later ones write nothing.
        path = "/studies/{study_id}/versions/{version}/diff/{other_version}/patients"
        assert member.get(path.format(**amended)).status_code == 200
        return PopulatedTenant(member, ids)

    return make


@pytest.fixture(scope="session")
def pairs() -> dict[Tier, tuple[PopulatedTenant, PopulatedTenant]]:
    """The attacker and the victim of each tier, which all tests share."""
    return {}


@pytest.fixture(scope="module")
def pair(
    pairs: dict[Tier, tuple[PopulatedTenant, PopulatedTenant]],
    make_populated_tenant: Callable[[], PopulatedTenant],
    tier: Tier,
) -> tuple[PopulatedTenant, PopulatedTenant]:
    if tier not in pairs:
        pairs[tier] = make_populated_tenant(), make_populated_tenant()
    return pairs[tier]


@pytest.fixture(scope="module")
def attacker(pair: tuple[PopulatedTenant, PopulatedTenant]) -> PopulatedTenant:
    return pair[0]


@pytest.fixture(scope="module")
def victim(pair: tuple[PopulatedTenant, PopulatedTenant], tier: Tier) -> PopulatedTenant:
    """The other tenant: in the same database, if the tier shares databases."""
    attacker, other = pair
    is_shared = attacker.tenant.placement.database == other.tenant.placement.database
    assert is_shared is (tier is not Tier.DEDICATED_DATABASE)
    return other


@pytest.fixture
def short_refusal_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delay of refusals, in tests that compare only their content."""
    monkeypatch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """The way to the database: direct, or through the pooler."""
    return str(request.param)


@pytest.fixture(scope="module")
def serving_app(
    request: pytest.FixtureRequest,
    way: str,
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
) -> Flask:
    """The app whose transactions take that way: to the server, or through the pooler."""
    if way != POOLER:
        return app
    request.getfixturevalue("pooler").learn_roles()
    pooled: Flask = request.getfixturevalue("pooled_app")
    return pooled


@pytest.fixture(scope="module")
def hiding_wall(app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant) -> Wall:
    """The wall that hides the other tenant's rows: the policy, or another schema or database."""

    def has_theirs(schema: str) -> bool:
        parts = sql.Identifier(schema), sql.Literal(str(victim.tenant.id))
        with access_of(app).administer(attacker.tenant.placement.database) as raw:
            return bool(execute(raw, sql.SQL(EVERY_SITE).format(*parts))[0][0])

    our, their = attacker.tenant.placement, victim.tenant.placement
    if has_theirs(our.schema):
        return Wall.POLICY
    is_near = their.database == our.database and has_theirs(their.schema)
    return Wall.OWN_SCHEMA if is_near else Wall.OWN_DATABASE


@pytest.fixture(scope="session")
def dump(app: Flask) -> Callable[[PopulatedTenant], list[Any]]:
    """Return all rows of all tables of a tenant, but not what its audit log says of its members.

    One statement reads the rows as PostgreSQL writes them as text, with the names of their tables.
    """
    record = table_of(AuditRecord)
    is_of_others = {
        record.name: or_(
            record.c.member_id.is_(None), record.c.member_id.not_in(select(Member.id))
        ),
        # A form belongs to a record.
        table_of(AuditForm).name: false(),
    }
    rows = [
        select(literal(table.name), column(table.name).cast(Text).label("row"))
        .select_from(table)
        .where(is_of_others.get(table.name, true()))
        for table in TenantModel.metadata.sorted_tables
    ]
    query = union_all(*rows).order_by("row")

    def read(populated: PopulatedTenant) -> list[Any]:
        with app.app_context(), tenant_context(str(populated.member.tenant.id)):
            return [tuple(row) for row in db.session.execute(query)]

    return read
