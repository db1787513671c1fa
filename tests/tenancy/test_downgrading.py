"""`flask tenants downgrade`: one tenant, after saying what is dropped."""

import json

from fleets import Fleet
from sqlalchemy import select

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.schema.downgrade_losses import dropped_between
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision, revisions_of

HEAD = newest_revision(TENANT_LINEAGE)
BEFORE = sorted(revisions_of(TENANT_LINEAGE))[-2]


def recorded(fleet: Fleet) -> dict[str, str]:
    slugs = {tenant.id: slug for slug, tenant in fleet.tenants.items()}
    with fleet.app.app_context(), catalog_transaction() as session:
        rows = session.execute(select(PlacementRecord.tenant_id, PlacementRecord.revision))
        return {slugs[tenant_id]: revision for tenant_id, revision in rows if tenant_id in slugs}


def test_single_tenants_go_back_and_come_again(fleet: Fleet) -> None:
    chosen = ("dedicated-one", "schema-one", "pooled-one")
    to = ("tenants", "downgrade", *chosen, "--to", BEFORE)

    refused = fleet.run(*to)
    dry = json.loads(fleet.run(*to, "--dry-run", "--json").stdout)
    unchanged = recorded(fleet)
    done = fleet.run(*to, "--yes", "--json")
    after = recorded(fleet)
    again = fleet.run(*to, "--yes")

    try:
        assert refused.exit_code == 1
        assert f"3 placements will be migrated back to {BEFORE}" in refused.output
        assert "the tenant dedicated-one" in refused.output
        assert "pooled-two" in refused.output
        assert "Nothing was changed" in refused.output
        assert set(unchanged.values()) == {HEAD}
        assert [each["from"] for each in dry] == [HEAD] * 3
        assert done.exit_code == 0, done.output
        assert [each["error"] for each in json.loads(done.stdout)] == [None] * 3
        assert {slug for slug, revision in after.items() if revision == BEFORE} == {
            *chosen,
            "pooled-two",
        }
        assert "Nothing was changed" in again.output
    finally:
        assert fleet.run("db", "upgrade").exit_code == 0
    assert set(recorded(fleet).values()) == {HEAD}


def test_wrong_revisions_are_refused(fleet: Fleet) -> None:
    def told(*arguments: str) -> str:
        return str(fleet.run("tenants", "downgrade", *arguments, "--yes").output)

    assert "is no revision" in told("schema-one", "--to", "9999")
    assert "is no revision" in told("schema-one", "--to", "-1")
    assert "does not exist" in told("no-such", "--to", BEFORE)
    assert "Nothing was changed" in told("schema-one", "--to", HEAD)


def test_what_is_dropped_is_found_by_the_migrations_themselves(fleet: Fleet) -> None:
    with fleet.app.app_context():
        dropped = dropped_between({HEAD}, "base")[HEAD]

    assert "patient" in dropped.tables
    assert dropped.columns == ()
    assert "Dropped with all their rows: the tables " in fleet.run("db", "downgrade", "base").output
