"""Tables that stop a move of a tenant, found before anything is changed."""

from contextlib import contextmanager

import pytest
from tenant_databases import TIERS, ask_in

from trially.tenancy.catalog_choices import Tier

DEDICATED, SCHEMA, POOLED = Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS


@contextmanager
def changed(app, tenant, statement, undo):
    """Change the tenant's schema for the length of a block."""
    schema = tenant.placement.schema
    ask_in(app, tenant, statement.format(schema=schema))
    try:
        yield
    finally:
        ask_in(app, tenant, undo.format(schema=schema))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("statement", "undo"),
    [
        (
            "ALTER TABLE {schema}.site ADD COLUMN extra text",
            "ALTER TABLE {schema}.site DROP COLUMN extra",
        ),
        (
            "ALTER TABLE {schema}.site REPLICA IDENTITY NOTHING",
            "ALTER TABLE {schema}.site REPLICA IDENTITY DEFAULT",
        ),
        (
            "ALTER TABLE {schema}.site ADD CONSTRAINT named CHECK (name <> '')",
            "ALTER TABLE {schema}.site DROP CONSTRAINT named",
        ),
        (
            "ALTER TABLE {schema}.site ALTER name SET DEFAULT 'no name'",
            "ALTER TABLE {schema}.site ALTER name DROP DEFAULT",
        ),
        (
            "CREATE INDEX by_hand ON {schema}.site (name)",
            "DROP INDEX {schema}.by_hand",
        ),
        (
            "CREATE TABLE {schema}.extra (tenant_id uuid, id uuid)",
            "DROP TABLE {schema}.extra",
        ),
    ],
)
def test_tables_that_differ_are_named(app, make_tenant, find, tier, statement, undo):
    tenant = make_tenant(tier)
    target = SCHEMA if tier is DEDICATED else DEDICATED
    with changed(app, tenant, statement, undo):
        [blocker] = find(tenant, target)
    assert blocker.code == "drift"
    assert ("site" if "site" in statement else "extra") in blocker.what
    assert find(tenant, target) == []


def test_another_revision_is_told_with_both(app, make_tenant, find):
    tenant = make_tenant()
    [(head,)] = ask_in(app, tenant, "SELECT version_num FROM tenant.alembic_version")
    with changed(
        app,
        tenant,
        "UPDATE {schema}.alembic_version SET version_num = '0001'",
        f"UPDATE {{schema}}.alembic_version SET version_num = '{head}'",
    ):
        [blocker] = find(tenant, POOLED)
    assert blocker.code == "different_revisions"
    assert f"are at revision 0001, and those of the target at {head}" in blocker.what


@pytest.mark.parametrize("tier", TIERS)
def test_a_backfill_of_this_tenant_is_told(app, make_tenant, find, tier):
    tenant, other = make_tenant(tier), make_tenant(tier)
    for each, name, state, updated in (
        (tenant, "at_work", "running", "now()"),
        (tenant, "interrupted", "running", "now() - interval '1 hour'"),
        (tenant, "complete", "done", "now()"),
        (other, "of_another_tenant", "running", "now()"),
    ):
        ask_in(
            app,
            each,
            f"INSERT INTO {each.placement.schema}.backfill_progress"
            " (tenant_id, id, name, state, visited, updated_at)"
            f" VALUES (%s, gen_random_uuid(), %s, %s, 0, {updated})",
            str(each.id),
            name,
            state,
        )
    [blocker] = find(tenant, SCHEMA if tier is DEDICATED else DEDICATED)
    assert blocker.code == "backfill"
    assert "The backfill at_work of the tenant is running." in blocker.what
