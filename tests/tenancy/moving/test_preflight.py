"""What stops a move of a tenant, found before anything is changed."""

import itertools

import pytest
from plain_fleets import plain_fleet
from sqlalchemy import delete, update
from tenant_databases import TIERS, ask

from trially.tenancy.catalog import Operation, PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import OperationState, TenantStatus, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.estimating import Estimate, MeasuredRate, TableSize, estimate
from trially.tenancy.lifecycle.moving.preflight import find_blockers, find_unchecked
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

__all__ = ["plain_fleet"]

DEDICATED, SCHEMA, POOLED = Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS

_numbers = itertools.count(1)


@pytest.fixture
def second_server(app):
    """Register the tests' server once more, under another name. New tenants may be placed on it."""
    added = []

    def add(url=None, **values):
        with app.app_context(), catalog_transaction() as session:
            text = (url or server_access().admin_url).render_as_string(hide_password=False)
            server = Server(name=f"second-{next(_numbers)}", url=text, **values)
            session.add(server)
            session.flush()
            added.append(server.id)
            return server

    yield add
    with app.app_context(), catalog_transaction() as session:
        session.execute(delete(Server).where(Server.id.in_(added)))


@pytest.fixture
def change(app):
    """Change rows of the catalog."""

    def change(statement):
        with app.app_context(), catalog_transaction() as session:
            session.execute(statement)

    return change


def codes(blockers):
    return [blocker.code for blocker in blockers]


@pytest.mark.parametrize(("tier", "target"), list(itertools.permutations(TIERS, 2)))
def test_nothing_stops_a_move_between_tiers(make_tenant, find, tier, target):
    assert find(make_tenant(tier), target) == []


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_stops_a_move_to_another_server(make_tenant, find, second_server, tier):
    assert find(make_tenant(tier), tier, second_server()) == []


def test_nothing_is_left_behind(app, make_tenant, find, second_server):
    tenant = make_tenant()
    find(tenant, POOLED)
    databases = set(ask(app, "SELECT datname FROM pg_database"))
    for tier in TIERS:
        find(tenant, tier, second_server())
    assert set(ask(app, "SELECT datname FROM pg_database")) == databases


@pytest.mark.parametrize("tier", TIERS)
def test_a_tenant_is_not_moved_to_where_it_is(make_tenant, find, tier):
    [blocker] = find(make_tenant(tier), tier)
    assert blocker.code == "same_placement"
    assert f"is in the tier {tier} on the server 'default' already" in blocker.what


def test_no_tenant_is_moved_into_a_silo(make_tenant, find):
    [blocker] = find(make_tenant(), Tier.SILO)
    assert blocker.code == "cannot_move"
    assert "`flask tenants silo` writes the files" in blocker.advice


@pytest.mark.parametrize(
    ("values", "objection"),
    [
        ({"is_draining": True}, "is draining"),
        ({"tiers": [SCHEMA]}, "does not accept the tier pooled_rows"),
        ({"capacity": 0}, "is full (0 of 0)"),
    ],
)
def test_a_server_that_accepts_no_tenant_is_told(
    make_tenant, find, second_server, values, objection
):
    tenant, server = make_tenant(), second_server(**values)
    [blocker] = find(tenant, POOLED, server)
    assert blocker.code == "server_refuses"
    assert blocker.what == f"The server {server.name!r} {objection}."


def test_a_tenant_stays_in_its_region(make_tenant, find, change, second_server):
    tenant = make_tenant()
    change(update(Tenant).where(Tenant.id == tenant.id).values(region="eu"))
    assert "has no region" in find(tenant, POOLED)[0].what
    assert "is in 'us'" in find(tenant, POOLED, second_server(region="us"))[0].what
    assert find(tenant, POOLED, second_server(region="eu")) == []


def test_a_full_server_has_room_for_a_tenant_that_it_holds(
    make_tenant, find, change, second_server
):
    tenant, other = make_tenant(POOLED), make_tenant()
    server = second_server(capacity=1)
    assert find(tenant, POOLED, server) == []
    place = update(PlacementRecord).where(PlacementRecord.tenant_id == tenant.id)
    former = tenant.placement.server_id
    change(place.values(server_id=server.id))
    try:
        assert find(tenant, DEDICATED, server) == []
        [blocker] = find(other, POOLED, server)
        assert "is full (1 of 1)" in blocker.what
    finally:
        change(place.values(server_id=former))


def test_an_unfinished_operation_is_told_with_its_id(app, make_tenant, find):
    tenant = make_tenant()
    with app.app_context(), catalog_transaction() as session:
        operation = Operation(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            kind="provision",
            state=OperationState.RUNNING,
        )
        session.add(operation)
        session.flush()
        operation_id = operation.id
    try:
        [blocker] = find(tenant, POOLED)
        assert blocker.code == "unfinished_operation"
        assert f"`flask operations resume {operation_id}`" in blocker.advice
    finally:
        with app.app_context(), catalog_transaction() as session:
            session.execute(delete(Operation).where(Operation.id == operation_id))


def test_a_quarantined_tenant_is_migrated_first(make_tenant, find, change):
    tenant = make_tenant()
    failed = update(PlacementRecord).where(PlacementRecord.tenant_id == tenant.id)
    change(failed.values(quarantine="A column is missing."))
    [blocker] = find(tenant, POOLED)
    assert blocker.code == "quarantined"
    assert "failed: A column is missing." in blocker.what


def test_a_tenant_that_is_being_created_is_not_moved(make_tenant, find, change):
    tenant = make_tenant()
    status = update(Tenant).where(Tenant.id == tenant.id)
    change(status.values(status=TenantStatus.PROVISIONING))
    try:
        assert codes(find(tenant, POOLED)) == ["not_served"]
    finally:
        change(status.values(status=TenantStatus.ACTIVE))


def test_a_server_that_does_not_answer_is_told(app, make_tenant, find, second_server):
    with app.app_context():
        nowhere = server_access().admin_url.update_query_dict({"host": "/nowhere"})
    tenant, server = make_tenant(), second_server(nowhere)
    [blocker] = find(tenant, POOLED, server)
    assert blocker.code == "unreachable"
    assert f"The server {server.name!r} does not answer" in blocker.what


def test_the_settings_of_the_source_are_read(app, make_tenant, find):
    tenant = make_tenant()
    with app.app_context(), server_access().administer() as raw:
        execute(raw, "ALTER SYSTEM SET output_plugin_libraries = test_decoding")
        execute(raw, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        execute(raw, "SELECT pg_reload_conf()")
    try:
        assert codes(find(tenant, POOLED)) == ["output_plugin"]
    finally:
        with app.app_context(), server_access().administer() as raw:
            execute(raw, "ALTER SYSTEM RESET output_plugin_libraries")
            execute(raw, "ALTER SYSTEM RESET max_slot_wal_keep_size")
            execute(raw, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-one", "pooled-one"])
def test_an_administrator_that_is_no_superuser_is_told_its_missing_rights(plain_fleet, slug):
    with plain_fleet.app.app_context():
        source = get_tenant(slug).placement
        target = SCHEMA if source.tier == DEDICATED else DEDICATED
        blockers = find_blockers(source, source.server, target, kept=None)
        unchecked = find_unchecked(source, estimate(source, MeasuredRate(1, 1, 1, 0)))

    assert codes(blockers) == ["no_replication", "no_replication_role"]
    assert "does not see the transactions of other roles" in unchecked[1]


def test_what_cannot_be_known_is_said(app, make_tenant):
    tenant = make_tenant()
    estimated = Estimate([TableSize("fact", 10, 50 * 2**20)], 1.0, 0.1)
    with app.app_context():
        [disk] = find_unchecked(get_tenant(str(tenant.id)).placement, estimated)
    assert "PostgreSQL does not tell how much disk is free. The target needs about 50 MiB" in disk
