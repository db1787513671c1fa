"""Moves by command, between two servers: move, move back, drain, settle."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, update
from standbys import Installation, ask, install_on, server_folder, start, text_of, url_of

from trially.config import Settings
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction

SECOND = "second"
DATABASES = "SELECT datname FROM pg_database WHERE datname ~ '^[ts]_[0-9a-f]{12}$' ORDER BY datname"
LEFT = "SELECT count(*) FROM pg_replication_slots"


@pytest.fixture(scope="module")
def servers(settings: Settings) -> Iterator[tuple[Installation, Any]]:
    """An installation with two servers."""
    with server_folder() as folder:
        first = start(folder / "first", wal_level="logical")
        second = start(folder / "second", wal_level="logical")
        installation = install_on(url_of(first), settings, folder)
        added = installation.run(
            "servers", "add", SECOND, "--url", "-", says=f"{text_of(second.url())}\n"
        )
        assert added.exit_code == 0, added.output
        yield installation, second


@pytest.fixture
def installation(servers: tuple[Installation, Any]) -> Installation:
    servers[0].run("servers", "resume", "default")
    servers[0].run("servers", "resume", SECOND)
    return servers[0]


def run_json(installation: Installation, *arguments: str) -> Any:
    result = installation.run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def tenant_with_patients(installation: Installation, tier: Tier) -> tuple[Tenant, Any]:
    tenant = installation.make_tenant(tier=tier, server="default")
    member = installation.make_client(tenant)
    for number in range(3):
        assert member.add_patient(f"m{number}").status_code == 201
    return tenant, member


def amiss(installation: Installation) -> list[Any]:
    """Return the errors that the doctor finds on both servers."""
    findings = json.loads(installation.run("doctor", "--json").stdout)
    return [each for each in findings if each["level"] == "error"]


def patients_of(member: Any) -> int:
    return len(member.get("/patients").json["data"])


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_a_tenant_moves_to_another_server_and_back(installation: Installation, tier: Tier) -> None:
    tenant, member = tenant_with_patients(installation, tier)

    checked = run_json(
        installation, "tenants", "move", tenant.slug, "--to-server", SECOND, "--dry-run"
    )
    assert checked["blockers"] == []
    assert checked["rows"] > 3
    moved = run_json(installation, "tenants", "move", tenant.slug, "--to-server", SECOND)
    assert (moved["from"], moved["to"]) == (f"{tier} on default", f"{tier} on {SECOND}")
    assert moved["rows"] == checked["rows"]
    shown = run_json(installation, "tenants", "show", tenant.slug)
    assert [(each["tier"], each["server"]) for each in shown["former"]] == [(tier, "default")]
    assert patients_of(member) == 3
    assert member.add_patient("there").status_code == 201
    assert amiss(installation) == []
    back = run_json(installation, "tenants", "move-back", tenant.slug)
    assert (back["to"], back["rows"] < moved["rows"]) == (f"{tier} on default", True)
    assert patients_of(member) == 4


def test_a_tenant_changes_its_tier_and_its_server_at_once(installation: Installation) -> None:
    tenant, member = tenant_with_patients(installation, Tier.POOLED_ROWS)

    told = installation.run(
        *("tenants", "move", tenant.slug, "--to-tier", "dedicated_database"),
        *("--to-server", SECOND, "--max-pause", "2s", "--keep-source", "2h"),
    )

    assert told.exit_code == 0, told.output
    assert f"Moved {tenant.slug} from pooled_rows on default to dedicated_database on {SECOND}" in (
        told.stdout
    )
    assert "All rows were compared, and are equal." in told.stdout
    assert "kept for 2 h" in told.stdout
    assert patients_of(member) == 3


def test_what_stands_against_a_move_is_listed_and_nothing_is_changed(
    installation: Installation,
) -> None:
    tenant, member = tenant_with_patients(installation, Tier.DEDICATED_DATABASE)
    installation.run("servers", "drain", SECOND)

    for words in (["--dry-run"], []):
        refused = installation.run("tenants", "move", tenant.slug, "--to-server", SECOND, *words)
        assert refused.exit_code == 1
        assert f"The server '{SECOND}' is draining." in refused.output
    nowhere = installation.run("tenants", "move", tenant.slug)
    assert nowhere.exit_code == 2
    assert "--to-tier, --to-server, or both" in nowhere.output
    kept = installation.run("tenants", "move-back", tenant.slug)
    assert (kept.exit_code, "No placement" in kept.output) == (1, True)
    assert patients_of(member) == 3


def test_a_drained_server_is_emptied_and_who_cannot_move_is_named(
    servers: tuple[Installation, Any], installation: Installation
) -> None:
    tenants = [tenant_with_patients(installation, tier) for tier in Tier if tier != Tier.SILO]
    for tenant, _ in tenants:
        run_json(installation, "tenants", "move", tenant.slug, "--to-server", SECOND)
    stuck = installation.make_tenant(server=SECOND)
    with installation.app.app_context(), catalog_transaction() as session:
        session.execute(update(Tenant).where(Tenant.id == stuck.id).values(region="nowhere"))
    listed = run_json(installation, "servers", "drain", SECOND, "--move", "--dry-run")
    assert {tenant.slug for tenant, _ in tenants} <= {each["tenant"] for each in listed}

    drained = installation.run("servers", "drain", SECOND, "--move", "--json")

    assert drained.exit_code == 1
    by_slug = {each["tenant"]: each for each in json.loads(drained.stdout)}
    assert "nowhere" in by_slug[stuck.slug]["error"]
    for tenant, member in tenants:
        assert by_slug[tenant.slug]["server"] == "default"
        assert patients_of(member) == 3
    with installation.app.app_context(), catalog_transaction() as session:
        session.execute(update(Tenant).where(Tenant.id == stuck.id).values(region=None))
    assert installation.run("servers", "drain", SECOND, "--move").exit_code == 0
    assert installation.run("servers", "drain", SECOND, "--move").stdout == (
        "The server has no tenants.\n"
    )

    with installation.app.app_context(), catalog_transaction() as session:
        session.execute(
            update(PlacementRecord).values(kept_until=func.now()).where(~PlacementRecord.is_active)
        )
    settled = run_json(installation, "tenants", "settle-moves")
    assert {each["action"] for each in settled} == {"remove"}
    assert [each["error"] for each in settled if each["error"]] == []
    assert all(name.startswith("s_") for (name,) in ask(servers[1], DATABASES))
    assert ask(servers[1], LEFT) == [(0,)]
    assert installation.run("tenants", "settle-moves").stdout == "Nothing to settle.\n"
    assert installation.run("servers", "remove", SECOND, "--yes").exit_code == 0
