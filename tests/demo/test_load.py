"""The ledger of a load finds each write that is lost, doubled or elsewhere, and nothing else."""

import json
import time
from collections.abc import Callable, Iterator
from threading import Thread, Timer
from typing import Any

import pytest
from flask import Flask
from loads import ServedApp, served_app
from psycopg2 import sql
from tenant_databases import access_of
from uuid_utils.compat import uuid7

from faults.ports import free_port
from trially.config import Settings
from trially.demo.load import Kind, Load, running_load
from trially.demo.load.ledger import Entry
from trially.jobs.worker import Worker
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.servers.connections import execute

DEADLINE_SECONDS = 60
WRITES = {Kind.CREATE, Kind.CHANGE, Kind.DELETE, Kind.REPLAY}
READS = {Kind.READ, Kind.SEARCH, Kind.PAGE}


@pytest.fixture(scope="module")
def served(
    app: Flask, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApp]:
    with served_app(app, settings, tmp_path_factory.mktemp("load")) as served:
        yield served


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Run jobs meanwhile."""
    worker = Worker(app)
    thread = Thread(target=worker.run)
    thread.start()
    yield
    worker.stop()
    thread.join()


@pytest.fixture
def run_load(served: ServedApp) -> Callable[..., Load]:
    """Load tenants until each has had all kinds of requests, and return the load."""

    def run(*tenants: Tenant, meanwhile: Callable[[Load], Any] = lambda _load: None) -> Load:
        loaded = [served.loaded(tenant) for tenant in tenants]
        with running_load(served.url, loaded, thinking_seconds=0.0) as load:
            wait_for(load, WRITES | READS, *tenants)
            meanwhile(load)
        return load

    return run


def wait_for(load: Load, kinds: set[Kind], *tenants: Tenant) -> None:
    """Wait until requests of each kind were answered for each tenant."""
    wanted = {(tenant.slug, kind) for tenant in tenants for kind in kinds}
    wait_until(lambda: wanted <= load.traffic.timings.keys())


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tamper(app: Flask, tenant: Tenant, statement: str, *parameters: Any) -> list[Any]:
    """Run a statement past all triggers and constraints, where `{}` is the table of patients."""
    table = sql.Identifier(tenant.placement.schema, "patient")
    with access_of(app).administer(tenant.placement.database) as raw:
        execute(raw, "SET session_replication_role = replica")
        return execute(raw, sql.SQL(statement).format(table), *parameters)


def copy_patient(app: Flask, tenant: Tenant, entry: Entry, **changes: str) -> None:
    """Insert a copy of a patient's row with other values."""
    names = tamper(
        app,
        tenant,
        "SELECT attname FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' AND attname <> 'audit_number'",
    )
    columns = ", ".join(name for (name,) in names)
    copied = ", ".join(f"copied.{name}" for (name,) in names)
    tamper(
        app,
        tenant,
        f"INSERT INTO {{0}} ({columns}) SELECT {copied} FROM {{0}} AS patient,"
        " jsonb_populate_record(NULL::{0}, to_jsonb(patient) || %s::jsonb) AS copied"
        " WHERE patient.id = %s",
        json.dumps(changes),
        entry.id,
    )


def forget_keys(app: Flask, load: Load) -> bool:
    """Delete all keys of the first tenant, and return whether the load has noticed it."""
    with app.app_context():
        place = get_tenant(load.tenants[0].slug).placement
    with access_of(app).administer(place.database) as raw:
        statement = sql.SQL("DELETE FROM {} WHERE tenant_id = %s")
        table = sql.Identifier(place.schema, "idempotency_key")
        execute(raw, statement.format(table), str(place.tenant_id))
    return bool(load.findings)


def some_entry(load: Load, tenant: Tenant, *, states: int = 1) -> Entry:
    """Return a record that exists and has been written at least so many times."""
    return next(
        entry
        for entry in load.ledgers[tenant.slug].entries.values()
        if entry.is_alive and len(entry.history) >= states
    )


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_nothing_is_amiss_if_all_writes_are_kept(run_load, make_tenant, tier):
    load = run_load(make_tenant(tier), make_tenant(tier))

    verdict = load.verdict()

    assert verdict.findings == ()
    assert verdict.is_clean
    assert verdict.acknowledged > verdict.compared > 0
    assert load.traffic.longest.seconds > 0


def test_a_lost_record_is_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant)
    tamper(app, tenant, "DELETE FROM {} WHERE id = %s", some_entry(load, tenant).id)

    assert load.verdict().amiss == {"lost": 1}


def test_a_lost_change_is_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant)
    entry = some_entry(load, tenant, states=2)
    former = entry.history[-2]
    tamper(
        app,
        tenant,
        "UPDATE {} SET phone = %s, clinical_version = %s, version = %s WHERE id = %s",
        former.values["phone"],
        former.values["clinical_version"],
        former.etag.strip('"'),
        entry.id,
    )

    assert load.verdict().amiss == {"lost": 1}


def test_a_lost_deletion_is_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant)
    entries = load.ledgers[tenant.slug].entries.values()
    deleted = next(entry for entry in entries if not entry.is_alive)
    changes = {"id": deleted.id, "source_id": deleted.id, "mrn": deleted.key}
    copy_patient(app, tenant, some_entry(load, tenant), **changes)

    assert load.verdict().amiss == {"lost": 1}


def test_a_doubled_record_is_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant)
    new_id = str(uuid7())
    changes = {"id": new_id, "source_id": new_id, "mrn_system": "copied"}
    copy_patient(app, tenant, some_entry(load, tenant), **changes)

    assert load.verdict().amiss["doubled"] == 1


def test_a_change_that_was_made_twice_is_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant)
    tamper(
        app,
        tenant,
        "UPDATE {} SET clinical_version = clinical_version + 1 WHERE id = %s",
        some_entry(load, tenant).id,
    )

    assert load.verdict().amiss == {"wrong": 1}


def test_a_record_elsewhere_is_found(app, run_load, make_tenant):
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    load = run_load(tenant, other)
    entry = some_entry(load, tenant)
    tamper(app, tenant, "UPDATE {} SET tenant_id = %s WHERE id = %s", str(other.id), entry.id)

    verdict = load.verdict()

    assert verdict.amiss["lost"] == 1
    assert set(verdict.amiss) == {"lost", "elsewhere"}
    assert any(entry.key in finding.what for finding in verdict.findings)


def test_forgotten_keys_are_found(app, run_load, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)

    load = run_load(tenant, meanwhile=lambda load: wait_until(lambda: forget_keys(app, load)))

    assert set(load.verdict().amiss) == {"doubled"}


def test_imports_are_followed_and_compared(app, served, make_tenant, working):
    tenant = make_tenant(Tier.POOLED_ROWS)
    loaded = served.loaded(tenant, writers=1, importers=1)
    with running_load(served.url, [loaded], imported_patients=50) as load:
        imported = load.ledgers[tenant.slug].imported
        wait_until(lambda: bool(imported))
    tamper(app, tenant, "UPDATE {} SET phone = '+1 1' WHERE source = 'load' AND source_id = '7'")

    verdict = load.verdict()

    assert [finding.what for finding in verdict.findings] == [
        f"The imported patient 7 is not as import {imported[-1]} left it."
    ]


def test_writes_survive_that_all_workers_are_killed(served, make_tenant):
    tenant = make_tenant(Tier.POOLED_ROWS)
    with running_load(served.url, [served.loaded(tenant)]) as load:
        wait_for(load, WRITES, tenant)
        for worker in served.gunicorn.workers():
            worker.kill()
        wait_until(lambda: load.traffic.repeated() > 0)

    verdict = load.verdict()

    assert verdict.findings == ()


def test_the_command_prints_the_verdict(served, make_tenant, run_command):
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    words = ("demo", "load", tenant.slug, "--beside", other.slug, "--url", served.url)
    options = ("--for", "1s", "--no-imports", "--writers", "2")

    as_text = run_command(*words, *options)
    as_json = run_command(*words, *options, "--json")

    assert as_text.exit_code == as_json.exit_code == 0, as_text.output
    assert "Found: 0 lost, 0 doubled, 0 elsewhere," in as_text.output
    assert "Longest wait:" in as_text.output
    printed = json.loads(as_json.output)
    assert printed["acknowledged"] > 0
    assert printed["lost"] == printed["doubled"] == printed["elsewhere"] == 0
    assert {row["tenant"] for row in printed["requests"]} == {tenant.slug, other.slug}
    assert printed["longest_wait"]["ms"] == max(row["max_ms"] for row in printed["requests"])


def test_the_command_needs_a_server(app, served, make_tenant, run_command):
    tenant = make_tenant(Tier.POOLED_ROWS)
    words = ("demo", "load", tenant.slug, "--for", "1s", "--no-imports", "--writers", "1")
    url = f"http://127.0.0.1:{free_port()}"

    refused = run_command(*words, "--url", url)

    assert refused.exit_code == 1
    assert f"No server answers at {url}." in refused.output


def test_a_server_that_does_not_answer_any_more_is_no_clean_verdict(served, make_tenant):
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    loaded = [served.loaded(tenant), served.loaded(other)]
    with running_load(served.url, loaded, patience=0.1) as load:
        wait_for(load, {Kind.CREATE}, tenant, other)
    load._url = f"http://127.0.0.1:{free_port()}"

    assert load.verdict().amiss == {"unanswered": 4}


@pytest.mark.parametrize(("options", "status"), [([], 1), (["--allow-errors"], 0)])
def test_repeated_requests_fail_the_command_unless_they_are_allowed(
    served, make_tenant, run_command, options, status
):
    tenant = make_tenant(Tier.POOLED_ROWS)
    words = ("demo", "load", tenant.slug, "--url", served.url, "--for", "3s", "--no-imports")
    killer = Timer(1.5, lambda: [worker.kill() for worker in served.gunicorn.workers()])

    killer.start()
    result = run_command(*words, *options)
    killer.join()

    assert "Found: 0 lost, 0 doubled, 0 elsewhere, 0 wrong, 0 stale, 0 refused" in result.output
    assert "connection re" in result.output
    assert result.exit_code == status
