"""Tenants behind are counted in readiness and metrics, named by `flask doctor`, and migrated.

A tenant whose migration fails is named by `flask db upgrade`, which goes on with the others.
"""

import json
from typing import Any

import flask_migrate
import pytest
from fleets import Fleet
from prometheus_client import REGISTRY
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from tenant_databases import TIERS
from test_broken_tenants import broken

from trially.config import ROOT
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.schema import fleet_revisions
from trially.tenancy.schema.migration_commands import init_migrations
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE, TENANT_LINEAGE, newest_revision

HEAD = newest_revision(TENANT_LINEAGE)
BEFORE = f"{int(HEAD) - 1:04d}"


@pytest.fixture(autouse=True)
def _count_always_and_run_at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each probe count the tenants, and run `flask db` where its migrations are."""
    monkeypatch.setattr(fleet_revisions, "COUNTING_SECONDS", 0)
    monkeypatch.chdir(ROOT)


def readiness(fleet: Fleet) -> tuple[int, str, dict[str, str]]:
    answer = fleet.app.test_client().get("/readyz")
    return answer.status_code, answer.json["status"], answer.json["checks"]


def counted(revision: str) -> float | None:
    return REGISTRY.get_sample_value("trially_tenants", {"revision": revision})


def recorded(fleet: Fleet) -> dict[str, str | None]:
    with fleet.app.app_context(), catalog_transaction() as session:
        records = session.scalars(
            select(PlacementRecord).options(joinedload(PlacementRecord.tenant))
        )
        return {record.tenant.slug: record.revision for record in records}


def errors_of(fleet: Fleet) -> list[dict[str, Any]]:
    findings = json.loads(fleet.run("doctor", "--json").stdout)
    return [finding for finding in findings if finding["level"] == "error"]


def test_new_tenants_of_each_tier_are_recorded_at_the_head(fleet: Fleet) -> None:
    assert recorded(fleet) == dict.fromkeys(fleet.tenants, HEAD)
    assert len(TIERS) * 2 == len(fleet.tenants)
    status, _, checks = readiness(fleet)
    assert (status, checks["migrations"]) == (200, "ok")
    assert (counted("current"), counted("behind")) == (len(fleet.tenants), 0)


def test_a_forgotten_upgrade_and_a_failed_one_are_reported(fleet: Fleet) -> None:
    with fleet.app.app_context():
        init_migrations(fleet.app)
        flask_migrate.downgrade(directory=str(TENANT_LINEAGE), revision=BEFORE)
    assert recorded(fleet) == dict.fromkeys(fleet.tenants, BEFORE)
    status, word, checks = readiness(fleet)
    assert (status, word) == (503, "unavailable")
    assert checks["migrations"] == "of 6 tenants: 6 behind"
    assert (counted("current"), counted("behind")) == (0, 6)

    with broken(fleet, "dedicated-one", "renamed"), broken(fleet, "schema-one", "no schema"):
        result = fleet.run("db", "upgrade")

    assert result.exit_code == 1
    error = result.stderr[result.stderr.index("Error: ") :]
    # A shared database has a blank schema too, and the pooled tenants share one placement.
    assert error.startswith("Error: The command failed for 2 of 6 placements.\n")
    name = fleet.database("dedicated-one")
    assert f'database "{name}" does not exist\n  - the tenant dedicated-one (server' in error
    assert "InvalidSchemaName (SQLSTATE 3F000)" in error
    assert "  - the tenant schema-one (server default, database " in error
    assert not [slug for slug in ("dedicated-two", "schema-two", "pooled") if slug in error]
    failed = {"dedicated-one": BEFORE, "schema-one": None}
    assert recorded(fleet) == dict.fromkeys(fleet.tenants, HEAD) | failed
    status, word, checks = readiness(fleet)
    assert (status, word) == (200, "degraded")
    assert checks["migrations"] == "of 6 tenants: 1 behind, 1 unknown, 2 quarantined"
    assert {error["tenant"] for error in errors_of(fleet)} == {"dedicated-one", "schema-one"}

    assert fleet.run("db", "upgrade").exit_code == 0
    assert recorded(fleet) == dict.fromkeys(fleet.tenants, HEAD)
    assert readiness(fleet)[1] == "ok"


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-two", "pooled-one"])
def test_doctor_notices_a_downgrade_that_nothing_recorded(fleet: Fleet, slug: str) -> None:
    table = f"{fleet.tenants[slug].placement.schema}.alembic_version"
    fleet.administer(f"UPDATE {table} SET version_num = %s", BEFORE, of=slug)
    try:
        errors = errors_of(fleet)
    finally:
        fleet.administer(f"UPDATE {table} SET version_num = %s", HEAD, of=slug)

    who = "2 tenants" if slug == "pooled-one" else slug
    told = [error for error in errors if error["check"] == "recorded revisions are true"]
    assert [error["what"].split(" is ")[1] for error in told] == [
        f"at {BEFORE}, and the catalog records {HEAD} for {who}"
    ]


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (f"{int(newest_revision(CATALOG_LINEAGE)) - 1:04d}", (503, "not migrated")),
        ("0000", (503, "not migrated")),
        ("of another lineage", (503, "not migrated")),
        ("9999", (200, "newer than this version")),
    ],
)
def test_a_process_whose_catalog_is_behind_is_not_ready(
    fleet: Fleet, revision: str, expected: tuple[int, str]
) -> None:
    change = "UPDATE catalog.alembic_version SET version_num = %s"
    fleet.administer(change, revision, of="catalog")
    try:
        status, _, checks = readiness(fleet)
        result = fleet.run("tenants", "list")
    finally:
        fleet.administer(change, newest_revision(CATALOG_LINEAGE), of="catalog")

    assert (status, checks["catalog"]) == expected
    if revision == "9999":
        assert (result.exit_code, result.stderr[:28]) == (1, "Error: A newer version of tr")
    assert readiness(fleet)[2]["catalog"] == "ok"


def test_a_catalog_without_tables_is_not_ready(fleet: Fleet) -> None:
    fleet.administer("ALTER TABLE catalog.alembic_version RENAME TO away", of="catalog")
    try:
        status, _, checks = readiness(fleet)
    finally:
        fleet.administer("ALTER TABLE catalog.away RENAME TO alembic_version", of="catalog")

    assert (status, checks["catalog"]) == (503, "not migrated")


def test_no_answer_names_a_tenant(fleet: Fleet) -> None:
    record = fleet.tenants["dedicated-one"].placement
    change = "UPDATE catalog.placement SET revision = NULL WHERE id = %s"
    fleet.administer(change, str(record.id), of="catalog")
    answer = fleet.app.test_client().get("/readyz").text
    with fleet.app.app_context():
        init_migrations(fleet.app)
        flask_migrate.upgrade(directory=str(TENANT_LINEAGE))

    assert "1 unknown" in answer
    assert not [slug for slug in fleet.tenants if slug in answer]
    assert str(record.tenant_id) not in answer
    assert record.database not in answer
    assert state_of(fleet.app).fleet_revisions.tenants is not None
