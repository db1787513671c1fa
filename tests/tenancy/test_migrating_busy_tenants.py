"""Migrations leave a tenant alone while an operation works on it, and an operation a migration."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleets import Fleet
from migrating_fleets import HEAD, NEXT, Migrate, migrate, recorded, write_next
from sqlalchemy import delete, insert, text, update

from trially.tenancy.advisory_locks import tenant_lock_key
from trially.tenancy.catalog import Operation, PlacementRecord, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.migrating.migration_failures import FleetMigrationError
from trially.tenancy.migrating.places import read_places
from trially.tenancy.migrating.reporting import raise_if_unfinished
from trially.tenancy.migrating.status import TenantRevision
from trially.tenancy.migrating.tenant_locks import TenantBusyError, holding, tenant_locks
from trially.tenancy.migration_runs import PlaceMigration, PlaceState, RunState
from trially.tenancy.schema.revisions import Revision

__all__ = ["migrate", "write_next"]


@contextmanager
def working_on(fleet: Fleet, *slugs: str) -> Iterator[None]:
    """Hold the locks of tenants, and leave their operations, as a process that moves them does."""
    ids = [fleet.tenants[slug].id for slug in slugs]
    lock = text(f"SELECT pg_advisory_lock({tenant_lock_key(':tenant_id')})")
    with fleet.app.app_context(), control_engine().connect() as catalog:
        for slug, tenant_id in zip(slugs, ids, strict=True):
            catalog.execute(lock, {"tenant_id": tenant_id})
            catalog.execute(
                insert(Operation).values(
                    tenant_id=tenant_id, tenant_slug=slug, kind="move", state="running"
                )
            )
        catalog.commit()
        try:
            yield
        finally:
            catalog.execute(delete(Operation).where(Operation.tenant_id.in_(ids)))
            catalog.execute(text("SELECT pg_advisory_unlock_all()"))
            catalog.commit()


def test_tenants_that_are_being_moved_are_skipped_and_named(fleet: Fleet, migrate: Migrate) -> None:
    moved = ("dedicated-one", "schema-one", "pooled-one")
    with working_on(fleet, *moved):
        progress = migrate(stop_at="1")
        with pytest.raises(FleetMigrationError, match="The tenant schema-one is being moved;"):
            raise_if_unfinished(progress)

    assert progress.state is RunState.FAILED
    assert (progress.failed, len(progress.skipped)) == ([], 2)
    assert {each.place.name for each in progress.skipped} == {"dedicated-one", "schema-one"}
    states = recorded(fleet)
    assert {slug for slug, state in states.items() if state == (HEAD, None)} == {
        *("dedicated-one", "schema-one")
    }
    assert states["pooled-one"] == (NEXT, None)
    reasons = [each.failure.reason for each in progress.skipped if each.failure is not None]
    assert min(reasons) == (
        "The tenant dedicated-one is being moved; its tables were left alone. Run"
        " `flask tenants migrate --resume` when that is done."
    )

    resumed = migrate(resumes=True)
    assert (resumed.state, len(resumed.migrated)) == (RunState.DONE, 2)
    assert set(recorded(fleet).values()) == {(NEXT, None)}


def test_a_command_that_skips_a_tenant_ends_with_1(fleet: Fleet, migrate: Migrate) -> None:
    with working_on(fleet, "dedicated-one"):
        told = fleet.run("tenants", "migrate", "--all")
        items = fleet.run("tenants", "migrate", "--all", "--json")

    assert told.exit_code == items.exit_code == 1
    assert "1 skipped" in told.stdout
    [skipped] = json.loads(items.stdout)["skipped"]
    assert (skipped["place"], skipped["state"]) == ("dedicated-one", "skipped")
    assert json.loads(items.stdout)["failed"] == []


def test_status_says_why_a_tenant_was_skipped(fleet: Fleet) -> None:
    record = fleet.tenants["dedicated-one"].placement
    attempt = PlaceMigration(state=PlaceState.SKIPPED, error="The tenant is being moved.")
    assert TenantRevision(record, Revision.BEHIND, attempt).reason == "The tenant is being moved."


def test_a_tenant_that_has_moved_since_is_named(fleet: Fleet, migrate: Migrate) -> None:
    """The list of places is older than the switch of a move that ended meanwhile."""
    tenant = fleet.tenants["dedicated-one"]
    place = update(PlacementRecord).where(PlacementRecord.tenant_id == tenant.id)
    with fleet.app.app_context(), tenant_locks() as locks:
        (listed,) = [each for each in read_places() if "dedicated-one" in each.slugs]
        with catalog_transaction() as session:
            session.execute(place.values(is_active=False))
        try:
            with pytest.raises(TenantBusyError, match="has moved since"), locks.held(listed):
                pass
        finally:
            with catalog_transaction() as session:
                session.execute(place.values(is_active=True))
        with locks.held(listed):
            pass


def test_no_operation_works_on_a_tenant_that_is_migrated(fleet: Fleet) -> None:
    own, pooled = fleet.tenants["schema-one"], fleet.tenants["pooled-one"]
    is_free = text(f"SELECT pg_try_advisory_xact_lock({tenant_lock_key(':tenant_id')})")
    with fleet.app.app_context(), control_engine().connect() as catalog:

        def is_held(tenant: Tenant) -> bool:
            return not catalog.scalar(is_free, {"tenant_id": tenant.id})

        for place in read_places():
            with holding(place):
                assert is_held(own) == (place.slugs == ["schema-one"])
                assert not is_held(pooled)
                catalog.rollback()


def test_a_downgrade_leaves_a_tenant_alone_that_is_being_moved(fleet: Fleet) -> None:
    before = f"{int(HEAD) - 1:04d}"
    with working_on(fleet, "dedicated-one"):
        told = fleet.run("tenants", "downgrade", "dedicated-one", "--to", before, "--yes", "--json")

    assert told.exit_code == 1
    [item] = json.loads(told.stdout)
    assert "The tenant dedicated-one is being moved; its tables were left alone." in item["error"]
    assert recorded(fleet)["dedicated-one"] == (HEAD, None)
