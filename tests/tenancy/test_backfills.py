"""Backfills: batches with their position, resumed after a failure or a kill, in every tier."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fleets import Fleet
from sqlalchemy import update

from trially.backfills import filling, registry
from trially.backfills.registry import BackfillError, read_backfills
from trially.backfills.running import (
    FillingOptions,
    FillingProgress,
    Outcome,
    find_tenants,
    run_backfills,
)
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.migrating.pacing import Rate
from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.revision_files import newest_revision

HEAD = newest_revision(TENANT_LINEAGE)
NAME = f"{HEAD}_mark_cities"
ROWS = 7
FILE = """
from sqlalchemy import func, update

from trially.backfills.registry import Backfill
from trially.database.changes import note_derived
from trially.database.rows import of_current_tenant
from trially.database.session import db
from trially.recruiting.sites.model import Site


def fill(ids):
    marked = func.coalesce(Site.city, "") + "+"
    rows = update(Site).where(of_current_tenant(Site), Site.id.in_(ids)).values(city=marked)
    changed = db.session.execute(rows).rowcount
    {more}
    note_derived("site")
    return changed


backfill = Backfill(Site, fill, batch_size=2)
"""
"""A backfill that would show it if a row were filled twice."""

Write = Callable[[str], None]


@pytest.fixture
def write(fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Let the commands use a folder with one backfill; its code has one more line."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr(filling, "TARGET_SECONDS", 1_000.0)
    empty(fleet)
    for slug, tenant in fleet.tenants.items():
        fleet.administer(
            f"INSERT INTO {tenant.placement.schema}.site (tenant_id, id, name) SELECT %s,"
            f" gen_random_uuid(), 'Site ' || number FROM generate_series(1, {ROWS}) AS number",
            str(tenant.id),
            of=slug,
        )

    def write_file(more: str = "pass") -> None:
        (tmp_path / f"{NAME}.py").write_text(FILE.format(more=more))

    write_file()
    yield write_file
    empty(fleet)


def empty(fleet: Fleet) -> None:
    for slug, tenant in fleet.tenants.items():
        for table in ("site", "backfill_progress"):
            fleet.administer(f"DELETE FROM {tenant.placement.schema}.{table}", of=slug)


def run(fleet: Fleet, *slugs: str) -> dict[str, Outcome]:
    with fleet.app.app_context():
        progress: FillingProgress = run_backfills(
            read_backfills(), find_tenants(slugs), FillingOptions(rate=1_000_000)
        )
    return {each.slug: each.outcome for each in progress.filled}


def cities(fleet: Fleet, slug: str) -> dict[str | None, int]:
    """Return how many rows of a tenant have each city."""
    tenant = fleet.tenants[slug]
    counted = (
        f"SELECT city, count(*) FROM {tenant.placement.schema}.site WHERE tenant_id = %s GROUP BY 1"
    )
    return dict(fleet.administer(counted, str(tenant.id), of=slug))


def status(fleet: Fleet, *arguments: str) -> dict[str, Any]:
    listed = json.loads(fleet.run("tenants", "backfill", "status", "--json", *arguments).stdout)
    return {item["slug"]: item for item in listed}


@pytest.mark.usefixtures("write")
def test_one_tenant_is_filled_and_no_other(fleet: Fleet) -> None:
    for slug in ("dedicated-one", "schema-one", "pooled-one"):
        assert run(fleet, slug) == {slug: Outcome.DONE}
        assert cities(fleet, slug) == {"+": ROWS}

    for slug in ("dedicated-two", "schema-two", "pooled-two"):
        assert cities(fleet, slug) == {None: ROWS}
    assert {slug for slug, item in status(fleet).items() if item["state"] == "not_begun"} == {
        *("dedicated-two", "schema-two", "pooled-two")
    }


@pytest.mark.usefixtures("write")
def test_the_commands_tell_what_is_done(fleet: Fleet) -> None:
    fleet.run("tenants", "suspend", "schema-two", "--yes")
    try:
        done = fleet.run("tenants", "backfill", "run", "--all", "--json")
        again = fleet.run("tenants", "backfill", "run", "--all", "--name", NAME)
    finally:
        fleet.run("tenants", "resume", "schema-two")

    told = json.loads(done.stdout)
    assert (told["done"], told["visited"], told["left"]) == (6, 6 * ROWS, [])
    assert told["rate"] > 0
    assert (again.exit_code, again.stdout) == (0, "6 backfills of tenants: 6 done.\n")
    assert {slug: cities(fleet, slug) for slug in fleet.tenants} == {
        slug: {"+": ROWS} for slug in fleet.tenants
    }
    assert status(fleet) == {}
    told = status(fleet, "--all")["pooled-one"]
    assert (told["state"], told["visited"], told["changed"]) == ("done", ROWS, ROWS)
    unknown = fleet.run("tenants", "backfill", "run", "--all", "--name", "0001_unknown")
    assert (unknown.exit_code, NAME in unknown.stderr) == (1, True)
    assert fleet.run("tenants", "backfill", "run").exit_code == 2
    record = (
        "SELECT count(*), bool_and(operator <> '') FROM {0}.audit_record JOIN {0}.audit_form"
        " ON audit_form.tenant_id = audit_record.tenant_id AND audit_form.id = form_id"
        f" WHERE route = 'backfill {NAME}' AND details->>'rows' IS NOT NULL"
    )
    schema = fleet.tenants["dedicated-one"].placement.schema
    assert fleet.administer(record.format(schema), of="dedicated-one")[0][1] is True


def test_a_failure_is_named_and_the_rest_goes_on_from_its_batch(fleet: Fleet, write: Write) -> None:
    write("assert str(ids[0]) != '00000000-0000-7000-8000-000000000000', 'a secret value'")
    schema = fleet.tenants["schema-one"].placement.schema
    bad = "'00000000-0000-7000-8000-000000000000'"
    fleet.administer(f"UPDATE {schema}.site SET id = {bad} WHERE name = 'Site 1'", of="schema-one")

    outcomes = run(fleet)

    assert {slug for slug, outcome in outcomes.items() if outcome is Outcome.FAILED} == {
        "schema-one"
    }
    assert set(outcomes.values()) == {Outcome.DONE, Outcome.FAILED}
    item = status(fleet)["schema-one"]
    assert (item["state"], item["visited"], item["error"]) == ("failed", 0, "AssertionError")
    write()
    assert run(fleet, "schema-one") == {"schema-one": Outcome.DONE}
    assert cities(fleet, "schema-one") == {"+": ROWS}


def test_a_batch_that_is_too_large_is_tried_again_with_fewer_rows(
    fleet: Fleet, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "pause_after", lambda _number: 0)
    monkeypatch.setattr(filling, "TARGET_SECONDS", 0.0)
    canceled = "DO $$ BEGIN RAISE SQLSTATE '57014'; END $$"
    write(f"if len(ids) > 1: db.session.connection().exec_driver_sql({canceled!r})")

    assert run(fleet, "schema-one") == {"schema-one": Outcome.DONE}
    assert cities(fleet, "schema-one") == {"+": ROWS}


def test_a_killed_process_loses_no_batch_and_repeats_none(fleet: Fleet, write: Write) -> None:
    write(
        "import os, signal; len(ids) < 2 and os.environ.get('KILLED') and os.kill(os.getpid(), 9)"
    )
    child = os.fork()
    if child == 0:
        os.environ["KILLED"] = "1"
        with fleet.app.app_context():
            control_engine().dispose(close=False)
            for engine in list(db.engines.values()):
                engine.dispose(close=False)
        run(fleet, "pooled-one")
        os._exit(0)
    _, ended = os.waitpid(child, 0)

    assert os.WTERMSIG(ended) == signal.SIGKILL
    assert cities(fleet, "pooled-one") == {"+": ROWS - 1, None: 1}
    told = status(fleet)["pooled-one"]
    assert (told["visited"], told["left"], told["rate"] > 0) == (ROWS - 1, 1, True)
    assert told["seconds_left"] >= 0
    assert status(fleet)["pooled-two"]["left"] == ROWS
    assert run(fleet, "pooled-one") == {"pooled-one": Outcome.DONE}
    assert cities(fleet, "pooled-one") == {"+": ROWS}


def test_a_change_that_the_audit_log_would_not_show_is_refused(fleet: Fleet, write: Write) -> None:
    write("return changed")

    assert run(fleet, "dedicated-one") == {"dedicated-one": Outcome.FAILED}
    assert cities(fleet, "dedicated-one") == {None: ROWS}
    assert status(fleet)["dedicated-one"]["error"] == "UnauditedChangeError"


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize("revision", [f"{int(HEAD) - 1:04d}", "0001", None])
def test_a_tenant_that_is_not_migrated_is_left_out(fleet: Fleet, revision: str | None) -> None:
    tenant = fleet.tenants["dedicated-one"]

    def record(recorded: str | None) -> None:
        with fleet.app.app_context(), catalog_transaction() as session:
            of_tenant = PlacementRecord.tenant_id == tenant.id
            session.execute(update(PlacementRecord).where(of_tenant).values(revision=recorded))
        state_of(fleet.app).directory.forget(tenant.id)

    record(revision)
    try:
        result = fleet.run("tenants", "backfill", "run", "dedicated-one", "dedicated-two", "--json")
        found = status(fleet, "dedicated-one")["dedicated-one"]["state"]
    finally:
        record(HEAD)

    assert result.exit_code == 1
    (left,) = json.loads(result.stdout)["left"]
    assert (left["slug"], left["state"], found) == ("dedicated-one", *["not_migrated"] * 2)
    assert cities(fleet, "dedicated-one") == {None: ROWS}


def test_the_rate_counts_rows() -> None:
    waited = []

    class Waits(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return False

    rate = Rate(10.0)
    for rows in (5, 20, 1):
        rate.wait(Waits(), rows)

    assert waited == pytest.approx([0.0, 0.5, 2.5], abs=0.1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fill_places.py", FILE),
        ("9999_of_no_migration.py", FILE),
        ("0001_before_there_was_a_table.py", FILE),
        (f"{HEAD}_without_backfill.py", "backfill = None"),
    ],
)
def test_a_backfill_that_is_not_written_as_it_must_be(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content.replace("{more}", "pass"))

    with pytest.raises(BackfillError, match=name):
        read_backfills(tmp_path)


def test_the_backfills_of_this_version_can_be_read() -> None:
    assert [each.name for each in read_backfills()] == sorted(
        path.stem for path in registry.FOLDER.glob("*.py")
    )
