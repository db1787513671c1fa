"""What can go wrong in a move, and what stays right."""

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from moved_tenants import at, contents, left_behind, placements_of, writable_sides
from sqlalchemy import select, update
from tenant_databases import ask

from trially.tenancy.catalog import PlacementRecord, Tenant, Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.errors import (
    BusyTenantError,
    DifferentTablesError,
    LostStreamError,
    MismatchError,
)
from trially.tenancy.lifecycle.moving.moves import (
    BlockedMoveError,
    MoveOptions,
    NothingKeptError,
    check_move_back,
    move_back,
    move_tenant,
)
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.lifecycle.moving.settling import settle
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.operations import all_operations
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.servers.connections import execute

OPTIONS = MoveOptions(max_pause=5, give_up_seconds=30)
POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA


@pytest.fixture
def member(make_member: Callable[[Tier], Member]) -> Member:
    """A member of a pooled tenant with three patients."""
    return make_member(POOLED)


def target_of(app: Flask, member: Member) -> PlacementRecord:
    return placements_of(app, member.tenant.id)[1]


def run_at(app: Flask, record: PlacementRecord, statement: str) -> None:
    """Run a statement at a placement, past triggers and the guard, also while the mover writes."""
    with app.app_context():
        side = side_of(record)
        with side.administered() as raw:
            execute(raw, "SET session_replication_role = replica")
            execute(raw, f"SET search_path = {side.schema}")
            execute(raw, statement)


def assert_unmoved(app: Flask, member: Member, tier: Tier = POOLED) -> None:
    (only,) = placements_of(app, member.tenant.id)
    assert only.tier == tier
    assert [each.id for each in writable_sides(app, member.tenant.id)] == [only.id]
    assert left_behind(app, member.tenant.id) == []
    assert len(member.get("/patients").json["data"]) == 3


def test_a_row_that_changed_at_the_target_stops_the_move_and_is_named(
    app: Flask, member: Member
) -> None:
    patient = member.get("/patients").json["data"][0]["id"]

    def damage() -> None:
        run_at(
            app,
            target_of(app, member),
            f"UPDATE patient SET family_name = 'Changed' WHERE id = '{patient}'",
        )

    with (
        app.app_context(),
        at("lock", lambda: member.patch(f"/patients/{patient}", json={"phone": "+1 555 0100"})),
        at("compare", damage),
        pytest.raises(MismatchError, match=f"patient differ.*{patient}"),
    ):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)


@pytest.mark.parametrize("step", ["copy", "catch_up", "lock", "drain", "compare", "fence"])
def test_an_abort_before_the_switch_leaves_the_tenant_as_it_was(
    app: Flask, member: Member, step: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with app.app_context(), at(step, interrupt), pytest.raises(KeyboardInterrupt):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)


def test_a_failure_behind_the_fence_serves_the_source_again_at_a_new_epoch(
    app: Flask, member: Member
) -> None:
    before = placements_of(app, member.tenant.id)[0].epoch

    def fail() -> None:
        raise RuntimeError("The target is gone.")

    with app.app_context(), at("switch", fail), pytest.raises(RuntimeError):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)
    assert placements_of(app, member.tenant.id)[0].epoch == before + 2


def test_a_long_transaction_of_the_tenant_puts_off_the_switch_and_no_request_fails(
    app: Flask, member: Member
) -> None:
    record = placements_of(app, member.tenant.id)[0]
    with app.app_context():
        side = side_of(record)
    with app.app_context(), side.administered() as raw, raw.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_lock_shared(uuid_hash_extended(%s, 0))", [str(member.tenant.id)]
        )
        with pytest.raises(BusyTenantError, match=r"lasts longer|has run for"):
            move_tenant(
                member.tenant.slug,
                DEDICATED,
                None,
                replace(OPTIONS, max_pause=1, give_up_seconds=5),
            )
    assert_unmoved(app, member)


def test_a_command_that_holds_the_tenants_row_puts_off_the_switch(
    app: Flask, member: Member
) -> None:
    held = ExitStack()

    def hold() -> None:
        session = held.enter_context(catalog_transaction())
        session.execute(select(Tenant).where(Tenant.id == member.tenant.id).with_for_update())

    def release(progress: MoveProgress) -> None:
        if progress.waited_for:
            held.close()

    with app.app_context(), at("catch_up", hold), held, progressed.connected_to(release):
        operation = move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert operation.parameters["result"]["attempts"] > 1
    assert placements_of(app, member.tenant.id)[0].tier == DEDICATED


def test_a_column_that_is_added_during_the_move_stops_it(
    app: Flask, make_member: Callable[[Tier], Member]
) -> None:
    member = make_member(DEDICATED)
    source = placements_of(app, member.tenant.id)[0]

    def migrate() -> None:
        run_at(app, source, "ALTER TABLE patient ADD COLUMN later text DEFAULT 'x'")
        run_at(app, source, "UPDATE patient SET later = 'y'")

    with app.app_context(), at("catch_up", migrate), pytest.raises(DifferentTablesError):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    run_at(app, source, "ALTER TABLE patient DROP COLUMN later")
    assert_unmoved(app, member, DEDICATED)


def test_a_revision_that_changes_during_the_move_stops_it(
    app: Flask, make_member: Callable[[Tier], Member]
) -> None:
    member = make_member(DEDICATED)
    source = placements_of(app, member.tenant.id)[0]
    [(revision,)] = ask(
        app, "SELECT version_num FROM tenant.alembic_version", database=source.database
    )

    with (
        app.app_context(),
        at("drain", lambda: run_at(app, source, "UPDATE alembic_version SET version_num = '9999'")),
        pytest.raises(DifferentTablesError, match="revision 9999"),
    ):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    run_at(app, source, f"UPDATE alembic_version SET version_num = '{revision}'")
    assert_unmoved(app, member, DEDICATED)


def test_a_stream_that_the_source_ends_stops_the_move(app: Flask, member: Member) -> None:
    def end_stream() -> None:
        ask(
            app,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
            " WHERE application_name = 'trially-move'",
        )

    with app.app_context(), at("catch_up", end_stream), pytest.raises(LostStreamError):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)


@pytest.mark.parametrize("there", [DEDICATED, SCHEMA])
def test_a_suspended_tenant_moves_and_stays_suspended(
    app: Flask, member: Member, there: Tier
) -> None:
    with app.app_context():
        suspend_tenant(member.tenant.slug)
        move_tenant(member.tenant.slug, there, None, OPTIONS)

    assert member.get("/patients").status_code == 403
    with app.app_context():
        resume_tenant(member.tenant.slug)
    assert len(member.get("/patients").json["data"]) == 3


@pytest.mark.parametrize("step", ["copy", "catch_up"])
def test_a_tenant_can_be_suspended_while_it_moves(app: Flask, member: Member, step: str) -> None:
    with app.app_context(), at(step, lambda: suspend_tenant(member.tenant.slug)):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert placements_of(app, member.tenant.id)[0].tier == DEDICATED
    assert member.get("/patients").status_code == 403


def test_rows_of_every_kind_arrive_as_they_were(app: Flask, member: Member) -> None:
    """Large values that an update does not touch, deleted rows, and bytes that COPY escapes."""
    first, second, third = (each["id"] for each in member.get("/patients").json["data"])
    large = "\\ \t \n é " * 3000
    source = placements_of(app, member.tenant.id)[0]
    run_at(
        app,
        source,
        f"UPDATE patient SET address = jsonb_build_object('text', $x${large}$x$)"
        f" WHERE tenant_id = '{member.tenant.id}'",
    )

    def change() -> None:
        run_at(app, source, f"UPDATE patient SET phone = E'a\\\\b\\tc\\nd' WHERE id = '{first}'")
        run_at(app, source, f"UPDATE patient SET given_name = NULL WHERE id = '{second}'")
        assert member.delete(f"/patients/{third}").status_code == 204

    with app.app_context(), at("catch_up", change):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    active, former = placements_of(app, member.tenant.id)
    assert contents(app, active) == contents(app, former)
    assert first in contents(app, active)["patient"]
    assert third not in contents(app, active)["patient"]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("CREATE INDEX by_hand ON site (name)", "drift"),
        ("UPDATE alembic_version SET version_num = '0001'", "different_revisions"),
    ],
)
def test_a_tenant_does_not_move_back_to_tables_that_differ(
    app: Flask, make_member: Callable[[Tier], Member], statement: str, code: str
) -> None:
    member = make_member(DEDICATED)
    with app.app_context():
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)
        assert check_move_back(member.tenant.slug).blockers == []
        run_at(app, target_of(app, member), statement)
        [blocker] = check_move_back(member.tenant.slug).blockers
        with pytest.raises(BlockedMoveError):
            move_back(member.tenant.slug, OPTIONS)

    assert blocker.code == code
    assert member.get("/patients").status_code == 200


def test_a_tenant_moves_back_only_while_its_placement_is_kept(app: Flask, member: Member) -> None:
    with app.app_context():
        with pytest.raises(NothingKeptError):
            move_back(member.tenant.slug, OPTIONS)
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.tenant_id == member.tenant.id, ~PlacementRecord.is_active)
                .values(kept_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
            )
        with pytest.raises(NothingKeptError):
            move_back(member.tenant.slug, OPTIONS)
        former = target_of(app, member)
        assert [each.action for each in settle(member.tenant.id)] == ["remove"]
        with side_of(former).reading() as session:
            assert session.run("SELECT count(*) FROM patient") == [(0,)]

    (only,) = placements_of(app, member.tenant.id)
    assert only.tier == DEDICATED
    assert len(member.get("/patients").json["data"]) == 3


def test_other_tenants_of_the_pool_keep_their_rows(
    app: Flask,
    member: Member,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
) -> None:
    neighbour = as_member(make_tenant(POOLED))
    make_patient(neighbour)
    record = placements_of(app, neighbour.tenant.id)[0]
    before = contents(app, record)
    with app.app_context():
        move_tenant(member.tenant.slug, DEDICATED, None, replace(OPTIONS, keep_seconds=0))
        settle(member.tenant.id)

    assert contents(app, record) == before
    assert len(neighbour.get("/patients").json["data"]) == 1


def test_a_tenant_is_moved_by_one_operation_at_a_time(app: Flask, member: Member) -> None:
    def move_meanwhile() -> None:
        with pytest.raises(BlockedMoveError, match="is running"):
            move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    with app.app_context(), at("copy", move_meanwhile):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
    with app.app_context(), pytest.raises(BlockedMoveError, match="already"):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
    with app.app_context():
        assert [each.state for each in all_operations() if each.tenant_id == member.tenant.id][
            :1
        ] == ["done"]


@pytest.mark.parametrize("tier", [POOLED, SCHEMA])
def test_removing_a_former_placement_takes_nothing_from_a_tenant_that_came_back(
    app: Flask, make_member: Callable[[Tier], Member], tier: Tier
) -> None:
    member = make_member(tier)
    with app.app_context():
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
        move_tenant(member.tenant.slug, tier, None, OPTIONS)
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.tenant_id == member.tenant.id, ~PlacementRecord.is_active)
                .values(kept_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
            )
        assert {each.action for each in settle(member.tenant.id)} == {"remove"}

    assert len(placements_of(app, member.tenant.id)) == 1
    assert len(member.get("/patients").json["data"]) == 3


def test_a_copy_that_would_retain_too_much_wal_does_not_begin(app: Flask, member: Member) -> None:
    options = replace(OPTIONS, max_wal_bytes=1)
    with app.app_context(), pytest.raises(BlockedMoveError, match="--max-wal"):
        move_tenant(member.tenant.slug, DEDICATED, None, options)
    assert len(placements_of(app, member.tenant.id)) == 1
