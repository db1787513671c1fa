"""Each wall is taken away in turn: the others keep the tenants apart all the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from examples import ROUTES, options_for, url_for
from flask import Flask
from populated_tenants import PopulatedTenant
from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import func, select
from tenant_databases import access_of, as_tenant, placement_of
from walls import Wall

from trially.config import current_settings
from trially.database.model import TenantModel
from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.schema.append_only import REMOVED_TENANT
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers import tier_of
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

TABLES = TenantModel.metadata.sorted_tables
OWN_LOG = ("audit.list_audit_records", "audit.list_disclosures")
"""Views that show what was asked since."""
SHOWN = [rule for rule, method in ROUTES if method == "GET" and rule.endpoint not in OWN_LOG]


def without_own_log(answer: Any) -> Any:
    """Return an answer without the part of a person's export that shows what was asked since."""
    if "exported_at" not in answer:
        return answer
    return [each for each in answer["files"] if each["path"] != "disclosures.csv"]


def test_the_filter_is_forgotten(
    serving_app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    hiding_wall: Wall,
    record_wall: Callable[..., None],
    way: str,
) -> None:
    counts = {}

    with serving_app.app_context(), tenant_context(str(attacker.tenant.id)):
        for table in TABLES:
            is_foreign = table.c.tenant_id != attacker.tenant.id
            counted = select(func.count(), func.count().filter(is_foreign)).select_from(table)
            counts[table.name] = tuple(db.session.execute(counted).one())

    assert counts["patient"][0] > 0
    assert {foreign for _, foreign in counts.values()} == {0}
    record_wall("the application's filter", hiding_wall, way)


@contextmanager
def ruined(app: Flask, tenant: Any, ruin: str) -> Iterator[connection]:
    """Take something from each table of a tenant's placement, in a transaction not committed."""
    place = placement_of(app, tenant)
    with access_of(app).administer(tenant.placement.database) as raw:
        execute(raw, "BEGIN")
        for table in TABLES:
            execute(raw, ruin.format(f"{place.schema}.{table.name}"))
        execute(raw, f"SET LOCAL ROLE {place.role or place.url.username}")
        execute(raw, f"SET LOCAL search_path = {place.schema}, pg_temp")
        execute(raw, "SELECT set_config('trially.tenant_id', %s, true)", str(tenant.id))
        yield raw
        execute(raw, "ROLLBACK")


def test_the_policy_is_dropped(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    hiding_wall: Wall,
    record_wall: Callable[..., None],
) -> None:
    with ruined(app, attacker.tenant, "DROP POLICY tenant_rows ON {}") as raw:
        shown = {str(tenant_id) for (tenant_id,) in execute(raw, "SELECT tenant_id FROM site")}

    # Row security without a policy shows nothing: it fails closed.
    assert shown == (set() if hiding_wall is Wall.POLICY else {str(attacker.tenant.id)})
    record_wall("the policy", hiding_wall)


@pytest.mark.parametrize(
    "said", [None, "", "'; --", "not an id", str(UUID(int=0)), str(UUID(int=7))]
)
def test_the_setting_is_wrong(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    hiding_wall: Wall,
    record_wall: Callable[..., None],
    said: str | None,
) -> None:
    place = placement_of(app, attacker.tenant)
    with as_tenant(app, attacker.tenant) as raw:
        execute(raw, f"BEGIN; SET LOCAL search_path = {place.schema}, pg_temp")
        if place.role:
            execute(raw, f"SET LOCAL ROLE {place.role}")
        if said is not None:
            execute(raw, "SELECT set_config('trially.tenant_id', %s, true)", said)
        try:
            shown = {str(tenant_id) for (tenant_id,) in execute(raw, "SELECT tenant_id FROM site")}
        except errors.InvalidTextRepresentation:
            shown = set()
        execute(raw, "ROLLBACK")

    assert shown == (set() if hiding_wall is Wall.POLICY else {str(attacker.tenant.id)})
    record_wall("the setting: none, empty, or not an id", hiding_wall)


@pytest.fixture(scope="module")
def pair(
    make_populated_tenant: Callable[[], PopulatedTenant],
) -> tuple[PopulatedTenant, PopulatedTenant]:
    """New tenants: a test here deletes rows of the attacker."""
    return make_populated_tenant(), make_populated_tenant()


@pytest.fixture
def plant(app: Flask, attacker: PopulatedTenant) -> Iterator[Callable[[], UUID]]:
    """Take the database's walls away, and give someone else a copy of each of our rows.

    The copies have our rows' ids, and lie where our own statements look.
    """
    record, stranger = attacker.tenant.placement, uuid4()
    with app.app_context():
        owner = sql.Identifier(owner_role(current_settings()))
        post_migration_sql = tier_of(record).post_migration_sql(record)
    tables = [sql.Identifier(record.schema, table.name) for table in TABLES]
    copied = [
        sql.SQL(", ").join(
            sql.Identifier(column.name)
            for column in table.c
            if column.name != "tenant_id" and column.computed is None
        )
        for table in TABLES
    ]

    def copy_rows() -> UUID:
        bare = "ALTER TABLE {} DISABLE ROW LEVEL SECURITY, DROP CONSTRAINT IF EXISTS {}"
        copying = "INSERT INTO {0} (tenant_id, {1}) SELECT %s, {1} FROM {0} WHERE tenant_id = %s"
        with access_of(app).administer(record.database) as raw:
            # Triggers refuse new criteria of versions that are active.
            execute(raw, "SET session_replication_role = replica")
            for table in tables:
                execute(raw, sql.SQL(bare).format(table, sql.Identifier(TENANT_CHECK)))
            for table, columns in zip(tables, copied, strict=True):
                statement = sql.SQL(copying).format(table, columns)
                execute(raw, statement, str(stranger), str(attacker.tenant.id))
        return stranger

    yield copy_rows
    with access_of(app).administer(record.database) as raw:
        execute(raw, "SET session_replication_role = replica")
        execute(raw, f"SELECT set_config('{REMOVED_TENANT}', %s, false)", str(stranger))
        for table in reversed(tables):
            clearing = sql.SQL("DELETE FROM {} WHERE tenant_id = %s").format(table)
            execute(raw, clearing, str(stranger))
        execute(raw, sql.SQL("SET ROLE {};").format(owner) + post_migration_sql)


def test_the_database_has_no_wall_left(
    app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    plant: Callable[[], UUID],
    record_wall: Callable[..., None],
) -> None:
    def show() -> list[object]:
        answers = [
            attacker.member.get(url_for(rule, attacker.ids), **options_for(rule, attacker.ids))
            for rule in SHOWN
        ]
        assert {answer.status_code for answer in answers} == {200}
        return [without_own_log(answer.json) for answer in answers]

    before = show()
    stranger = plant()

    assert show() == before
    site, patient = f"/sites/{attacker.ids['site_id']}", f"/patients/{attacker.ids['patient_id']}"
    assert attacker.member.patch(site, json={"city": "Changed"}).status_code == 200
    assert attacker.member.delete(patient).status_code == 204
    with access_of(app).administer(attacker.tenant.placement.database) as raw:
        for table, condition, number in (
            ("site", "city = 'Changed'", 0),
            ("patient", f"id = '{attacker.ids['patient_id']}'", 1),
        ):
            rows = f"FROM {attacker.tenant.placement.schema}.{table} WHERE tenant_id = %s"
            counted = execute(raw, f"SELECT count(*) {rows} AND {condition}", str(stranger))
            assert counted == [(number,)]
    record_wall("row security and CHECK, with another tenant's row inserted", Wall.FILTER)
