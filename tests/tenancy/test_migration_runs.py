"""Runs of migrations over a fleet: failures, quarantine, resuming, kills, locks and servers."""

import json
import os
import signal
from collections.abc import Callable

import pytest
from fleets import Fleet
from migrating_fleets import HEAD, NEXT, Migrate, migrate, names, recorded, run_in, write_next
from sqlalchemy import select, text, update

from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.migrating import rehearsing, running
from trially.tenancy.migrating.ledger import NothingToResumeError
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.migration_runs import MigrationRun, PlaceMigration, RunState

__all__ = ["migrate", "write_next"]


def test_failures_are_named_and_the_others_migrated(fleet: Fleet, migrate: Migrate) -> None:
    run_in(fleet, "dedicated-one", "CREATE TABLE {0}.visit (is_in_the_way int)")
    run_in(fleet, "schema-one", "UPDATE {0}.site SET name = 'Nameless'")

    first = migrate()

    assert first.state is RunState.FAILED
    assert names(first) == {"dedicated-one", "schema-one"}
    failures = {each.place.name: each.failure for each in first.failed}
    assert {name: failure and failure.sqlstate for name, failure in failures.items()} == {
        "dedicated-one": "42P07",
        "schema-one": "23514",
    }
    assert "Nameless" not in str([failure and failure.reason for failure in failures.values()])
    assert failures["schema-one"].reason == (
        "CheckViolation (SQLSTATE 23514): constraint ck_site_named, table site"
    )
    states = recorded(fleet)
    assert {slug for slug, (_, quarantine) in states.items() if quarantine} == names(first)
    assert {revision for slug, (revision, _) in states.items() if slug in names(first)} == {HEAD}
    assert {revision for slug, (revision, _) in states.items() if slug not in names(first)} == {
        NEXT
    }
    for slug in names(first):
        version = "SELECT version_num FROM {}.alembic_version"
        schema = fleet.tenants[slug].placement.schema
        assert fleet.administer(version.format(schema), of=slug) == [(HEAD,)]

    second = migrate()
    assert (second.total, second.at_target, names(second)) == (
        2,
        4,
        names(first),
    )  # with a blank schema
    run_in(fleet, "schema-one", "UPDATE {0}.site SET name = 'Here'")
    run_in(fleet, "dedicated-one", "DROP TABLE {0}.visit")
    third = migrate(resumes=True)

    assert (third.state, len(third.migrated)) == (RunState.DONE, 2)
    assert set(recorded(fleet).values()) == {(NEXT, None)}
    with pytest.raises(NothingToResumeError):
        migrate(resumes=True)
    with fleet.app.app_context(), catalog_transaction() as session:
        newest = session.scalars(select(MigrationRun).order_by(MigrationRun.id.desc())).first()
        assert newest is not None
        assert newest.state == RunState.DONE
        rows = session.scalars(
            select(PlaceMigration).where(PlaceMigration.run_id == newest.id)
        ).all()
        assert {(row.state, row.from_revision, row.to_revision) for row in rows} == {
            ("done", HEAD, NEXT)
        }


def test_a_failing_canary_stops_the_run(fleet: Fleet, migrate: Migrate) -> None:
    run_in(fleet, "dedicated-one", "CREATE TABLE {0}.visit (is_in_the_way int)")

    progress = migrate(canaries=("dedicated-one",))

    assert progress.state is RunState.STOPPED
    assert names(progress) == {"dedicated-one"}
    assert {slug for slug, (revision, _) in recorded(fleet).items() if revision == NEXT} == set()

    run_in(fleet, "dedicated-one", "DROP TABLE {0}.visit")
    assert migrate(resumes=True).state is RunState.DONE
    assert {revision for revision, _ in recorded(fleet).values()} == {NEXT}


def test_the_failure_limit_stops_the_run(fleet: Fleet, migrate: Migrate) -> None:
    for slug in ("dedicated-one", "schema-one"):
        run_in(fleet, slug, "CREATE TABLE {0}.visit (is_in_the_way int)")

    progress = migrate(stop_at="1", workers=1, groups=("tier=dedicated_database",))

    assert progress.state is RunState.STOPPED
    assert names(progress) == {"dedicated-one"}
    assert recorded(fleet)["schema-two"] == (HEAD, None)


def test_nothing_to_do_takes_no_lock_and_writes_nothing(fleet: Fleet, migrate: Migrate) -> None:
    migrate()
    written = "SELECT max(xmin::text::bigint) FROM pg_class"
    before = {slug: fleet.administer(written, of=slug) for slug in fleet.tenants}
    schema = fleet.tenants["pooled-one"].placement.schema
    with (
        fleet.app.app_context(),
        running.server_access().administer(fleet.database("pooled-one")) as raw,
        raw.cursor() as cursor,
    ):
        cursor.execute(f"BEGIN; LOCK TABLE {schema}.site IN ACCESS EXCLUSIVE MODE")
        progress = migrate()
        cursor.execute("ROLLBACK")

    assert (progress.state, progress.total) == (RunState.DONE, 0)
    assert {slug: fleet.administer(written, of=slug) for slug in fleet.tenants} == before


def test_a_lock_is_tried_again_and_stays_in_its_place(fleet: Fleet, migrate: Migrate) -> None:
    schema = fleet.tenants["dedicated-two"].placement.schema
    with (
        fleet.app.app_context(),
        running.server_access().administer(fleet.database("dedicated-two")) as raw,
        raw.cursor() as cursor,
    ):
        cursor.execute(f"BEGIN; SELECT FROM {schema}.site")
        progress = migrate(lock_timeout_ms=50)
        cursor.execute("ROLLBACK")

    (failed,) = progress.failed
    assert (failed.place.name, failed.attempts) == ("dedicated-two", 2)
    assert failed.failure is not None
    assert failed.failure.sqlstate == "55P03"
    assert migrate(resumes=True).state is RunState.DONE


ROWS_OF_A_POOL = (
    "UPDATE site SET name = 'Renamed ' || name",
    "DO $$ BEGIN EXECUTE 'UPDATE s' || 'ite SET name = name || 1'; END $$",
)


@pytest.mark.parametrize("statement", [None, *ROWS_OF_A_POOL])
def test_a_pool_is_locked_only_where_a_migration_touches_it(
    fleet: Fleet, migrate: Migrate, write_next: Callable[[str], None], statement: str | None
) -> None:
    """A statement that hides its table locks all tables, so a reader keeps it from its work."""
    if statement is not None:
        write_next(f"    op.execute({statement!r})")
    hides = statement is not None and statement.startswith("DO")
    schema = fleet.tenants["pooled-one"].placement.schema
    with (
        fleet.app.app_context(),
        running.server_access().administer(fleet.database("pooled-one")) as raw,
        raw.cursor() as cursor,
    ):
        cursor.execute(f"BEGIN; SELECT FROM {schema}.patient")
        progress = migrate(slugs=("pooled-one",), lock_timeout_ms=50)
        cursor.execute("ROLLBACK")

    assert (len(progress.migrated), len(progress.failed)) == ((0, 1) if hides else (1, 0))
    if hides:
        assert migrate(resumes=True).state is RunState.DONE
    forced = (
        "SELECT count(*) FILTER (WHERE NOT relforcerowsecurity) FROM pg_class WHERE relkind = 'r'"
        f" AND relnamespace = '{schema}'::regnamespace AND relname <> 'alembic_version'"
    )
    assert fleet.administer(forced, of="pooled-one") == [(0,)]
    if statement is not None:
        names = {
            name for (name,) in fleet.administer(f"SELECT name FROM {schema}.site", of="pooled-one")
        }
        assert len(names) == 1
        assert names != {"Here"}
        fleet.administer(f"UPDATE {schema}.site SET name = 'Here'", of="pooled-one")


def test_a_contracting_migration_waits_for_its_backfill(
    fleet: Fleet, migrate: Migrate, write_next: Callable[[str], None]
) -> None:
    write_next("    pass\n\n\nneeds_backfills = ('0030_fill_places',)")
    done = (
        "INSERT INTO {}.backfill_progress (tenant_id, id, name, state)"
        " VALUES (%s, gen_random_uuid(), '0030_fill_places', 'done')"
    )
    for slug in fleet.tenants.keys() - {"dedicated-one", "pooled-two"}:
        tenant = fleet.tenants[slug]
        fleet.administer(done.format(tenant.placement.schema), str(tenant.id), of=slug)

    progress = migrate(stop_at="100%")

    assert {slug for slug, (revision, _) in recorded(fleet).items() if revision == HEAD} == {
        *("dedicated-one", "pooled-one", "pooled-two")
    }
    reasons = {each.failure.reason for each in progress.failed if each.failure is not None}
    assert reasons == {
        f"The backfill 0030_fill_places of {slug} is not done."
        f" Run `flask tenants backfill run {slug}` first."
        for slug in ("dedicated-one", "pooled-two")
    }
    for slug in ("dedicated-one", "pooled-two"):
        tenant = fleet.tenants[slug]
        fleet.administer(done.format(tenant.placement.schema), str(tenant.id), of=slug)
    assert migrate(resumes=True).state is RunState.DONE


def test_an_invalid_index_is_built_again(
    fleet: Fleet, migrate: Migrate, write_next: Callable[[str], None]
) -> None:
    write_next(
        "    with op.get_context().autocommit_block():\n"
        "        op.execute('CREATE UNIQUE INDEX CONCURRENTLY uq_site_seen"
        " ON site (tenant_id, (left(name, 4)))')"
    )
    twice = (
        "INSERT INTO {0}.site (tenant_id, id, name) SELECT tenant_id, gen_random_uuid(), 'Here too'"
    )
    run_in(fleet, "schema-two", f"{twice} FROM {{0}}.site")

    progress = migrate()

    assert names(progress) == {"schema-two"}
    schema = fleet.tenants["schema-two"].placement.schema
    valid = f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{schema}.uq_site_seen'::regclass"
    assert fleet.administer(valid, of="schema-two") == [(False,)]
    one_of_each = "DELETE FROM {0}.site WHERE id NOT IN (SELECT max(id::text)::uuid FROM {0}.site)"
    run_in(fleet, "schema-two", one_of_each)
    assert migrate(resumes=True).state is RunState.DONE
    assert fleet.administer(valid, of="schema-two") == [(True,)]
    fleet.administer("DROP INDEX blank.uq_site_seen", of="schema-one")


def test_a_server_that_is_down_affects_only_its_own_tenants(fleet: Fleet, migrate: Migrate) -> None:
    with fleet.app.app_context(), catalog_transaction() as session:
        away = Server(name="away", url="postgresql://nobody@127.0.0.1:1/postgres")
        session.add(away)
        session.flush()
        here = session.scalar(select(Server.id).where(Server.name == "default"))
        moved = update(PlacementRecord).where(
            PlacementRecord.tenant_id == fleet.tenants["dedicated-two"].id
        )
        session.execute(moved.values(server_id=away.id))
    try:
        progress = migrate(stop_at="1")
    finally:
        with fleet.app.app_context(), catalog_transaction() as session:
            session.execute(moved.values(server_id=here))
            session.execute(text("DELETE FROM catalog.server WHERE name = 'away'"))

    (failed,) = progress.failed
    assert (failed.place.name, failed.is_unreachable) == ("dedicated-two", True)
    states = recorded(fleet)
    assert states.pop("dedicated-two") == (HEAD, None)
    assert set(states.values()) == {(NEXT, None)}


def test_status_names_the_reason_and_the_next_command(fleet: Fleet, migrate: Migrate) -> None:
    run_in(fleet, "dedicated-one", "CREATE TABLE {0}.visit (is_in_the_way int)")
    migrate()

    listed = json.loads(fleet.run("tenants", "status", "--json").stdout)

    (item,) = [each for each in listed if each["quarantined"]]
    assert (item["slug"], item["sqlstate"]) == ("dedicated-one", "42P07")
    assert item["reason"].startswith("DuplicateTable (SQLSTATE 42P07)")
    assert "CREATE TABLE visit" in item["statement"]
    assert item["next"] == "flask tenants diff dedicated-one"
    told = fleet.run("tenants", "status")
    assert told.exit_code == 0
    assert "1 quarantined." in told.stdout
    answer = fleet.app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert "dedicated" not in answer.text

    differing = fleet.run("tenants", "diff", "dedicated-one", "--json")
    assert differing.exit_code == 1
    assert "visit" in json.loads(differing.stdout)[0]["difference"]
    alike = fleet.run("tenants", "diff", "dedicated-one", "dedicated-one")
    assert (alike.exit_code, alike.stdout) == (0, "No difference.\n")


def test_a_rehearsal_migrates_clones_and_no_tenant(
    fleet: Fleet, migrate: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "alembic_config", running.alembic_config)
    before = recorded(fleet)
    run_in(fleet, "schema-two", "UPDATE {0}.site SET name = 'Nameless'")

    with fleet.app.app_context():
        rehearsal = rehearsing.rehearse(RunOptions())
    run_in(fleet, "schema-two", "UPDATE {0}.site SET name = 'Here'")

    assert {each.place.tier for each in rehearsal.rehearsed} == {
        *("dedicated_database", "own_schema", "pooled_rows")
    }
    assert rehearsal.places == 5
    for each in rehearsal.rehearsed:
        is_broken = each.place.name == "schema-two"
        assert (each.failure is not None) == is_broken
        assert is_broken or "AccessExclusiveLock on site" in each.locks
    assert recorded(fleet) == before
    clones = "SELECT datname FROM pg_database WHERE datname LIKE '%rehearsal%'"
    assert fleet.administer(clones) == []


def test_the_clone_of_a_killed_rehearsal_is_dropped(fleet: Fleet, migrate: Migrate) -> None:
    prefix = f"{fleet.catalog}_template_rehearsal_"
    dead, used = f"{prefix}dead0000", f"{prefix}used0000"
    for name in (dead, used):
        fleet.administer(f"CREATE DATABASE {name}")
    clones = f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}')"
    try:
        with (
            fleet.app.app_context(),
            running.server_access().administer() as raw,
            raw.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (used,))
            migrate()
            assert fleet.administer(clones) == [(used,)]
            cursor.execute("SELECT pg_advisory_unlock_all()")
        migrate()
        assert fleet.administer(clones) == []
    finally:
        for name in (dead, used):
            fleet.administer(f"DROP DATABASE IF EXISTS {name}")


def test_a_killed_run_leaves_each_place_whole_and_is_resumed(
    fleet: Fleet, migrate: Migrate, write_next: Callable[[str], None]
) -> None:
    write_next(
        "    op.execute('ALTER TABLE site ADD COLUMN IF NOT EXISTS killed text')\n"
        "    import os, signal\n"
        "    if os.environ.get('KILLED'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)"
    )
    child = os.fork()
    if child == 0:
        os.environ["KILLED"] = "1"
        with fleet.app.app_context():
            control_engine().dispose(close=False)
            state_of(fleet.app).servers["default"]._kept.clear()
            migrate_tenants(RunOptions(workers=1))
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert {revision for revision, _ in recorded(fleet).values()} == {HEAD}
    added = "SELECT count(*) FROM pg_attribute WHERE attname = 'killed' AND attnum > 0"
    assert {fleet.administer(added, of=slug)[0][0] for slug in fleet.tenants} == {0}
    resumed = migrate(resumes=True)
    assert resumed.state is RunState.DONE
    assert {revision for revision, _ in recorded(fleet).values()} == {NEXT}
    for slug in fleet.tenants:
        run_in(fleet, slug, "ALTER TABLE {0}.site DROP COLUMN IF EXISTS killed")
    fleet.administer("ALTER TABLE blank.site DROP COLUMN IF EXISTS killed", of="schema-one")
