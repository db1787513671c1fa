"""The run of the doctor: places that cannot be examined, leftovers, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from psycopg2 import errors

from trially.doctor import examining
from trially.doctor.databases import opened
from trially.doctor.examining import doctor_of, run_in_parallel
from trially.doctor.findings import Level
from trially.doctor.fleet import read_fleet
from trially.doctor.leftovers import drop_leftovers
from trially.doctor.references import references_on
from trially.state import state_of
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute


def find_errors(fleet):
    findings = json.loads(fleet.run("doctor", "--json").stdout)
    return [finding for finding in findings if finding["level"] == "error"]


def reference_names(fleet):
    pattern = f"{fleet.catalog}_reference_%"
    return fleet.administer(
        "SELECT datname FROM pg_database WHERE datname LIKE %s"
        " UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE %s",
        pattern,
        pattern,
    )


@contextmanager
def locked(fleet, table, of):
    """Hold a lock that stops every other use of a table."""
    with fleet.app.app_context(), server_access().administer(fleet.database(of)) as raw:
        execute(raw, f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        execute(raw, "ROLLBACK")


def test_an_error_is_printed_and_in_the_exit_status(fleet, hole):
    hole("ALTER ROLE {dedicated_one.role} SUPERUSER", "ALTER ROLE {dedicated_one.role} NOSUPERUSER")

    result = fleet.run("doctor")

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    role = fleet.tenants["dedicated-one"].placement.role
    assert lines[1].split()[:3] == ["error", "default", "dedicated-one"]
    assert f"{role} has SUPERUSER" in lines[1]
    assert f"ALTER ROLE {role} NOSUPERUSER;" in lines[1]
    assert lines[-1].startswith("1 error, ")


def test_a_difference_names_its_tenant(fleet, hole):
    hole(
        "CREATE TABLE {schema_one.schema}.loose (); CREATE TABLE trially.loose ()",
        "DROP TABLE {schema_one.schema}.loose, trially.loose",
        "schema-one",
    )

    found = {finding["what"]: finding["tenant"] for finding in find_errors(fleet)}

    schema = fleet.tenants["schema-one"].placement.schema
    assert found == {
        f"unexpected table {schema}.loose": "schema-one",
        "unexpected table trially.loose": None,
    }


def test_an_unreachable_server_is_an_error_and_the_rest_is_examined(fleet, monkeypatch):
    access = state_of(fleet.app).servers["default"]
    unreachable = replace(
        access, admin_url=access.admin_url.set(username="nobody-at-all"), _kept={}
    )
    monkeypatch.setattr(examining, "server_access", lambda *_: unreachable)

    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        findings = [f for found in run_in_parallel(doctor.examinations()) for f in found]

    failed = [finding for finding in findings if finding.check == "every place can be examined"]
    assert {finding.level for finding in failed} == {Level.ERROR}
    databases = {tenant.placement.database for tenant in fleet.tenants.values()}
    assert {finding.where for finding in failed} == {
        "catalog",
        "default",
        *(f"default/{name}" for name in databases),
    }
    assert [finding for finding in findings if finding.where == "installation"]


def test_a_failing_reference_stops_no_other_tier(fleet, monkeypatch):
    def fail(*_arguments, **_options):
        raise errors.DiskFull("no space left on device")

    monkeypatch.setattr("trially.tenancy.tiers.own_schema.OwnSchema.create_storage", fail)

    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        found = {
            database.name: doctor.examine_database(database) for database in doctor.fleet.databases
        }

    failed = {name for name, findings in found.items() if findings[-1].level is Level.ERROR}
    assert failed == {fleet.database("schema-one")}


def test_a_locked_table_is_named_and_its_neighbour_is_examined(fleet, hole):
    hole(
        "CREATE TABLE {schema_two.schema}.loose ()",
        "DROP TABLE {schema_two.schema}.loose",
        "schema-two",
    )
    schema = fleet.tenants["schema-one"].placement.schema

    with locked(fleet, f"{schema}.patient", "schema-one"):
        began = time.monotonic()
        found = {finding["tenant"]: finding["what"] for finding in find_errors(fleet)}
        seconds = time.monotonic() - began

    other = fleet.tenants["schema-two"].placement.schema
    assert found.pop("schema-two") == f"unexpected table {other}.loose"
    # Not every version reads a locked table's definition with a lock.
    assert all("patient cannot be examined: process " in what for what in found.values())
    assert found.keys() <= {"schema-one"}
    assert seconds < 60


def test_tenants_that_are_created_meanwhile_are_no_difference(fleet):
    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        for slug in ("schema-one", "dedicated-one", "pooled-one"):
            tenant = create_tenant(f"new-{slug}", "New", tier=fleet.tenants[slug].placement.tier)
            fleet.tenants[tenant.slug] = tenant
        findings = [f for examine in doctor.examinations() for f in examine()]

    assert [finding for finding in findings if finding.level is Level.ERROR] == []
    unexpected = [finding.what for finding in findings if "no tenant" in finding.what]
    assert unexpected == []


def test_a_doctor_changes_nothing_in_a_tenants_database(fleet):
    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        [database] = [
            each for each in doctor.fleet.databases if each.name == fleet.database("pooled-one")
        ]
        with opened(database, doctor.fleet, doctor.references["default"]) as examined:
            with pytest.raises(errors.ReadOnlySqlTransaction):
                examined.rows("DELETE FROM tenant.site")
            [(statement, lock)] = examined.rows(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
            )
    assert (statement, lock) == ("2min", "2s")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_doctor_leaves_nothing_for_long(fleet, settings, end):
    with fleet.app.app_context():
        url = server_access().administrator_url().render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url,
        "TRIALLY_CATALOG_DATABASE": fleet.catalog,
        "FLASK_APP": "wsgi:app",
    }
    command = [sys.executable, "-m", "flask", "doctor"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while len(reference_names(fleet)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(end)
        process.wait(30)
    finally:
        process.kill()
        process.wait()

    if end == signal.SIGKILL:
        assert reference_names(fleet)
        wait_for_the_end_of_sessions(fleet)
        assert find_errors(fleet) == []
    assert reference_names(fleet) == []


def wait_for_the_end_of_sessions(fleet):
    """Wait until the server has noticed that a client was killed.

    Its lock is free then, and no session of it still creates a database or a role.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        [(count,)] = fleet.administer(
            "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND (classid::bigint << 32 | objid::bigint) IN (SELECT"
            " hashtextextended(left(datname, %s), 0) FROM pg_database WHERE datname LIKE %s))"
            " + (SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND query LIKE %s AND pid <> pg_backend_pid())",
            len(f"{fleet.catalog}_reference_") + 6,
            f"{fleet.catalog}_reference_%",
            f"%{fleet.catalog}_reference_%",
        )
        if not count:
            return
        time.sleep(0.1)
    pytest.fail("A session of the killed process did not end.")


def test_the_references_of_a_running_doctor_are_kept(fleet):
    with fleet.app.app_context(), references_on(server_access()) as running:
        name = running.of_template(read_fleet().head).database
        assert find_errors(fleet) == []
        assert (name,) in reference_names(fleet)
        with server_access().administer() as raw:
            drop_leftovers(raw)
        assert (name,) in reference_names(fleet)

    assert reference_names(fleet) == []


def test_a_role_named_like_a_reference_is_still_examined(fleet):
    name = f"{fleet.catalog}_reference_loose"
    fleet.administer(f"CREATE ROLE {name} SUPERUSER")
    try:
        assert f"{name} has SUPERUSER" in find_errors(fleet)[0]["what"]
    finally:
        fleet.administer(f"DROP ROLE IF EXISTS {name}")


def test_a_tenant_restored_by_hand_is_named(fleet):
    """A database that is restored under its name has the rows, and the walls of a new database."""
    database = fleet.database("dedicated-one")
    fleet.administer(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    fleet.administer(f"ALTER DATABASE {database} RENAME TO kept")
    fleet.administer(f"CREATE DATABASE {database} TEMPLATE kept")
    fleet.administer(
        "CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC", of="dedicated-one"
    )
    try:
        found = [finding for finding in find_errors(fleet) if finding["tenant"] == "dedicated-one"]
    finally:
        fleet.administer(f"DROP DATABASE {database} WITH (FORCE)")
        fleet.administer(f"ALTER DATABASE kept RENAME TO {database}")

    whats = [finding["what"] for finding in found]
    assert f"database {database} belongs to postgres, not to {fleet.catalog}_owner" in whats
    assert f"PUBLIC has CONNECT, TEMPORARY on database {database}" in whats
    assert "unexpected schema public" in whats
    assert find_errors(fleet) == []


def test_a_damaged_template_is_found(fleet):
    catalog = fleet.catalog
    [(name,)] = fleet.administer(
        "SELECT datname FROM pg_database WHERE datistemplate AND starts_with(datname, %s)",
        f"{catalog}_template_",
    )
    allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
    fleet.administer(f"{allow} true")
    with fleet.app.app_context(), server_access().administer(name) as raw:
        execute(raw, "ALTER TABLE tenant.site DISABLE TRIGGER grow_version")
    fleet.administer(f"{allow} false")

    [found] = find_errors(fleet)

    assert found["what"].startswith(f"the template {name}: trigger grow_version on tenant.site is")
    for statement in found["remedy"].partition(" --")[0].split("; "):
        fleet.administer(statement)
    assert find_errors(fleet) == []
