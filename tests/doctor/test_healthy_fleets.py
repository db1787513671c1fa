"""A fleet without holes has no difference, whatever it has gone through."""

import json
import subprocess

import pytest
from installed_postgres import installed_binaries
from members import Member

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.session import db
from trially.doctor.examining import doctor_of
from trially.doctor.fleet import read_fleet
from trially.embedded_postgres.cluster import find_binaries
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access

EXPECTED_WARNINGS = {"the secret key is strong", "the version does not leak rows"}


@pytest.fixture
def run(fleet):
    """Run a command that must succeed."""

    def run(*arguments):
        result = fleet.run(*arguments)
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def find_problems(fleet):
    """Run `flask doctor`, and return what it finds."""

    def find(*options):
        result = fleet.run("doctor", "--json", *options)
        findings = json.loads(result.stdout)
        problems = [
            finding
            for finding in findings
            if finding["level"] not in ("ok", "declared")
            and finding["check"] not in EXPECTED_WARNINGS
        ]
        has_errors = any(problem["level"] == "error" for problem in problems)
        assert result.exit_code == int(has_errors)
        return problems

    return find


def test_a_new_installation_is_healthy(fleet, find_problems):
    assert find_problems() == []

    places = {finding["where"] for finding in json.loads(fleet.run("doctor", "--json").stdout)}
    databases = {f"default/{tenant.placement.database}" for tenant in fleet.tenants.values()}
    assert places == {"installation", "catalog", "default"} | databases


def test_the_references_are_dropped(fleet, find_problems):
    find_problems()

    catalog = f"{fleet.catalog}_reference_%"
    assert fleet.administer("SELECT datname FROM pg_database WHERE datname LIKE %s", catalog) == []
    assert fleet.administer("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", catalog) == []


def test_a_suspended_and_resumed_tenant_is_healthy(fleet, run, find_problems):
    for slug in fleet.tenants:
        run("tenants", "suspend", slug, "--yes")
    assert find_problems() == []

    for slug in fleet.tenants:
        run("tenants", "resume", slug)
    assert find_problems() == []


def test_a_renamed_tenant_is_healthy(run, find_problems):
    run("tenants", "rename", "pooled-two", "pooled-renamed", "--yes")
    assert find_problems() == []

    run("tenants", "rename", "pooled-renamed", "pooled-two", "--yes")


def test_imports_and_requests_change_nothing(fleet, find_problems):
    lines = [
        json.dumps({"resourceType": "Patient", "id": str(number), "name": [{"family": "Example"}]})
        for number in range(300)
    ]
    for slug, tenant in fleet.tenants.items():
        with fleet.app.app_context(), tenant_context(slug):
            add_member(f"importer|{slug}", Role.ADMIN)
        token = state_of(fleet.app).dev_issuer.issue_token(subject=f"importer|{slug}", tenant=slug)
        member = Member(fleet.app.test_client(), token, tenant, f"importer|{slug}")
        body, kind = "\n".join(lines).encode(), "application/fhir+ndjson"
        answer = member.post("/imports?source=fhir", data=body, content_type=kind)
        assert answer.status_code in (200, 201), answer.json

    assert find_problems() == []


def test_new_tenants_are_healthy(fleet, run, find_problems):
    with fleet.app.app_context():
        extra = [
            create_tenant(f"extra-{slug}", "Extra", tier=tenant.placement.tier)
            for slug, tenant in fleet.tenants.items()
        ]
    fleet.tenants.update({tenant.slug: tenant for tenant in extra})

    assert find_problems() == []


def test_statistics_vacuum_and_temporary_tables_change_nothing(fleet, find_problems):
    for slug in fleet.tenants:
        fleet.administer("VACUUM (FULL, ANALYZE)", of=slug)
        with fleet.app.app_context():
            database = fleet.database(slug)
            with server_access().administer(database) as raw, raw.cursor() as cursor:
                schema = fleet.tenants[slug].placement.schema
                cursor.execute(f"CREATE TEMP TABLE mine () INHERITS ({schema}.canary)")
    assert find_problems() == []


def test_a_downgraded_fleet_is_only_behind_and_an_upgraded_one_healthy(run, find_problems):
    run("db", "downgrade", "--yes", "--", "-1")
    behind = find_problems()
    assert {problem["check"] for problem in behind} == {"schemas are at the head revision"}

    run("db", "upgrade")
    assert find_problems() == []

    run("db", "downgrade", "--yes", "base")
    behind = find_problems()
    assert "schemas are at the head revision" in {problem["check"] for problem in behind}

    run("db", "upgrade")
    assert find_problems() == []


def test_two_doctors_do_not_disturb_each_other(fleet, find_problems):
    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        for examine in doctor.examinations():
            examine()
        assert find_problems() == []


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-one", "pooled-one"])
def test_a_database_is_healthy_after_a_dump_and_a_restore(fleet, find_problems, tmp_path, slug):
    database = fleet.database(slug)
    with fleet.app.app_context():
        url = server_access().admin_url.set(drivername="postgresql")
        for engine in db.engines.values():
            engine.dispose()
    fleet.administer(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database
    )
    binaries = installed_binaries() or find_binaries()

    def run_program(name, database, *arguments):
        connection = url.set(database=database).render_as_string(hide_password=False)
        command = [binaries / name, "--dbname", connection, *arguments]
        subprocess.run(command, check=True, timeout=60)

    run_program("pg_dump", database, "--format=custom", "--create", "--file", tmp_path / "dump")
    run_program(
        "pg_restore", "postgres", "--create", "--clean", "--exit-on-error", tmp_path / "dump"
    )

    fleet.administer("DROP SCHEMA public", of=slug)  # template0 has one

    assert find_problems() == []
