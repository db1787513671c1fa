"""The catalog's log: what is recorded, that nothing is changed, and who may read it."""

import json
import re
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import click
import psycopg2
import pytest
from sqlalchemy import text
from tenant_databases import access_of

from tools.command_table import all_commands
from trially.auth.connections import add_connection
from trially.auth.members.managing import change_member, list_members, remove_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.database.connecting import connect
from trially.database.session import db, transaction
from trially.state import state_of
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.operators import keeping
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role, reader_role
from trially.terminal import NOTHING, Command, command

ONLY_READ = {
    *("doctor", "openapi", "tenants list", "tenants show", "tenants members list"),
    "tenants api-keys list",
    *("tenants connections list", "operations list", "servers list", "servers show"),
    "operators list",
    *("servers backups", "servers status"),
    *("jobs list", "jobs show"),
    *("audit status", "audit verify", "keys status", "imports list", "support list", "demo status"),
    *("terminologies list", "match status", "plans list", "plans show"),
    *("usage report", "usage export"),
    *("organisations list", "organisations show", "analytics show"),
    *("tenants advise", "servers rebalance"),
    *("tenants top", "tenants erased", "backups list", "backups show"),
    *("db branches", "db check", "db current", "db edit", "db heads", "db history", "db init"),
    *("tenants status", "tenants diff", "tenants backfill status", "db lint"),
    *("db list-templates", "db merge", "db migrate", "db revision", "db show"),
}


@contextmanager
def in_catalog(app, role=None):
    """Connect to the catalog: as the administrator, as the tables' owner or as its reader."""
    settings = state_of(app).settings
    if role == "reader":
        reader = reader_role(settings)
        url = access_of(app).role_url(reader, settings.catalog_database)
    else:
        url = access_of(app).administrator_url(settings.catalog_database)
    with closing(connect(url)) as raw:
        if role == "owner":
            execute(raw, f'SET ROLE "{owner_role(settings)}"')
        yield raw


def test_a_command_is_recorded_with_its_result_and_its_changes(run_command, tenant, records):
    run_command("tenants", "suspend", tenant.slug, "--yes", "--reason", "non-payment")

    start, *changes, end = records()
    assert (start["stage"], start["action"], start["target"]) == (
        "started",
        "tenants suspend",
        tenant.slug,
    )
    assert start["reason"] == end["reason"] == "non-payment"
    assert (end["stage"], end["outcome"], end["started"]) == ("finished", "done", start["id"])
    assert {each["started"] for each in changes} == {start["id"]}
    [suspended] = [each for each in changes if each["action"] == "tenant update"]
    assert suspended["details"] == {"old": {"status": "active"}, "new": {"status": "suspended"}}
    assert suspended["tenant_id"] == str(tenant.id)
    run_command("tenants", "resume", tenant.slug)


def test_a_failure_is_recorded_without_what_may_be_phi(app, run_command, records):
    run_command("tenants", "suspend", "there-is-none", "--yes")

    @command("cook", loses=NOTHING)
    def cook():
        raise ValueError("Jane Roe")

    app.test_cli_runner().invoke(cook)

    first, second = [each for each in records() if each["stage"] == "finished"]
    assert (first["outcome"], first["details"]["error"]) == ("failed", "UnknownTenantError")
    assert (second["outcome"], second["details"]) == ("failed", {"error": "ValueError"})


def test_an_action_that_cannot_be_recorded_does_not_happen(app, run_command, tenant, records):
    done = []

    @command("cook", loses=NOTHING)
    def cook():
        done.append("cooked")

    with in_catalog(app) as raw:
        execute(raw, "ALTER TABLE operator_action RENAME TO hidden")
        try:
            refused = run_command("tenants", "suspend", tenant.slug, "--yes")
        finally:
            execute(raw, "ALTER TABLE hidden RENAME TO operator_action")
        execute(raw, "ALTER TABLE operator_action ADD CONSTRAINT closed CHECK (false) NOT VALID")
        try:
            also_refused = app.test_cli_runner().invoke(cook)
        finally:
            execute(raw, "ALTER TABLE operator_action DROP CONSTRAINT closed")

    assert (refused.exit_code, also_refused.exit_code, done) == (1, 1, [])
    assert json.loads(run_command("tenants", "show", tenant.slug, "--json").output)["status"] == (
        "active"
    )
    assert records() == []


def test_a_killed_command_stays_unfinished(app, run_command, tmp_path, records):
    """The process kills itself within the command, after the start was recorded."""
    script = tmp_path / "killed.py"
    script.write_text(
        "import os, signal, sys\n"
        "from dataclasses import replace\n"
        "from trially import create_app\n"
        "from trially.config import read_settings\n"
        "from trially.terminal import NOTHING, command\n"
        "from sqlalchemy import make_url\n"
        "from pathlib import Path\n"
        "settings = replace(read_settings(Path(sys.argv[1])), database_url=make_url(sys.argv[2]))\n"
        "app = create_app(settings)\n"
        "@command('cook', loses=NOTHING)\n"
        "def cook():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "app.test_cli_runner().invoke(cook, ['--reason', 'killed'])\n"
    )
    settings = state_of(app).settings
    url = access_of(app).administrator_url().render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, script, str(settings.instance), url],
        cwd=ROOT,
        env={
            "PYTHONPATH": str(ROOT),
            "TRIALLY_DEVELOPMENT": "1",
            "TRIALLY_SECRET_KEY": settings.secret_key,
        },
        check=False,
    )

    assert killed.returncode == -9
    assert [each["stage"] for each in records()] == ["started"]
    shown = run_command("audit", "operators", "--action", "cook", "--limit", "1", "--json")
    [item] = json.loads(shown.output)
    assert (item["outcome"], item["reason"], item["ended_at"]) == ("unfinished", "killed", None)


def test_secrets_and_names_of_files_are_not_recorded(app, records):
    @command("cook", loses=NOTHING)
    @click.argument("slug")
    @click.argument("files", nargs=-1, type=click.Path(path_type=Path))
    @click.option("--url")
    @click.option("--client-secret")
    @click.option("--count", type=int, default=3)
    def cook(**_):
        pass

    arguments = ["acme", "jane-roe.csv", "john.csv", "--url", "https://me:hunter2@host/x"]
    result = app.test_cli_runner().invoke(cook, [*arguments, "--client-secret", "hunter2"])

    assert result.exit_code == 0, result.output
    start = records()[0]
    assert start["target"] == "acme"
    assert start["details"]["parameters"] == {
        "slug": "acme",
        "files": "2 files",
        "url": "https://…@host/x",
        "client_secret": "…",
    }


def test_every_command_is_recorded_unless_it_only_reads():
    found = {words for words, each in all_commands() if each.only_reads}

    assert found == ONLY_READ
    assert all(isinstance(each, Command) for _, each in all_commands())


def test_a_command_that_says_it_only_reads_cannot_change_anything(app, tenant, records):
    @command("catalog", loses=NOTHING, only_reads=True)
    def change_catalog():
        with catalog_transaction() as session:
            session.execute(text("UPDATE tenant SET name = 'changed'"))

    @command("tenant", loses=NOTHING, only_reads=True)
    def change_tenant():
        with tenant_context(tenant.slug), transaction():
            db.session.execute(text("UPDATE site SET name = 'changed'"))

    results = [app.test_cli_runner().invoke(each) for each in (change_catalog, change_tenant)]

    assert [each.exit_code for each in results] == [1, 1]
    assert all("25006" in each.output for each in results)
    assert records() == []


WRITES = {
    "update": "UPDATE {} SET {} = {}",
    "delete": "DELETE FROM {}",
    "truncate": "TRUNCATE {}",
}
LOGS = {"operator_action": "actor", "operator_action_2026": "actor", "operator_seal": "hash"}


@pytest.mark.parametrize("role", [None, "owner", "reader"])
@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("write", WRITES)
def test_nobody_changes_a_record(app, run_command, tenant, role, log, write):
    """Not even a superuser, who would have to disable the triggers first, which seals show."""
    run_command("audit", "seal", "--operators")
    statement = WRITES[write].format(log, LOGS[log], LOGS[log])

    with in_catalog(app, role) as raw:
        if role is None:
            execute(raw, "SET session_replication_role = replica")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(raw, statement)


def test_requests_add_records_under_their_own_name_and_read_none(app):
    insert = "INSERT INTO operator_action (stage, action, actor{}) VALUES ('noted', 'x', 'y'{})"
    with in_catalog(app, "reader") as raw:
        execute(raw, insert.format("", ""))
        for column, value in {"written_by": "root", "transaction_id": "3", "at": "now"}.items():
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(raw, insert.format(f", {column}", f", '{value}'"))
        for table in ("operator_action", "operator_action_2026", "operator_seal", "support_grant"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(raw, f"SELECT FROM {table}")
    with in_catalog(app) as raw:
        last = "SELECT written_by FROM operator_action WHERE action = 'x' ORDER BY id DESC LIMIT 1"
        assert execute(raw, last) == [(reader_role(state_of(app).settings),)]


def test_changes_of_members_are_recorded_with_what_they_were(app, tenant, as_member, records):
    subject = as_member(tenant, Role.VIEWER).subject
    with app.app_context(), tenant_context(tenant.slug):
        change_member(subject, role=Role.ADMIN)
        remove_member(subject)

    found = {each["action"]: each for each in records() if each["target"] == subject}
    assert {"member add", "member change", "member remove"} <= found.keys()
    assert found["member change"]["details"]["old"]["role"] == "viewer"
    assert found["member change"]["details"]["new"]["role"] == "admin"
    assert {each["tenant_id"] for each in found.values()} == {str(tenant.id)}


def test_a_member_whose_change_cannot_be_recorded_is_not_changed(app, tenant, as_member):
    subject = as_member(tenant, Role.VIEWER).subject
    with in_catalog(app) as raw:
        execute(
            raw,
            "ALTER TABLE operator_action ADD CONSTRAINT closed CHECK (action <> 'member change')"
            " NOT VALID",
        )
        try:
            with (
                app.app_context(),
                tenant_context(tenant.slug),
                pytest.raises(Exception, match="closed"),
            ):
                change_member(subject, role=Role.ADMIN)
        finally:
            execute(raw, "ALTER TABLE operator_action DROP CONSTRAINT closed")
    with app.app_context(), tenant_context(tenant.slug):
        [role] = [each["role"] for each in list_members() if each["subject"] == subject]
    assert role == Role.VIEWER


def test_changes_below_the_app_are_recorded_too(app, tenant, records):
    with app.app_context():
        add_connection(tenant.slug, f"con-{tenant.slug}")
    with in_catalog(app) as raw:
        execute(raw, "DELETE FROM tenant_connection WHERE tenant_id = %s", str(tenant.id))

    added, removed = [each for each in records() if each["target"] == f"con-{tenant.slug}"]
    assert added["action"] == "tenant_connection insert"
    assert (removed["action"], removed["actor"].split()[0]) == (
        "tenant_connection delete",
        "database",
    )


def test_a_sign_in_is_recorded_once_for_each_session(app, tenant, as_member, records):
    member = as_member(tenant)
    for _ in range(2):
        assert member.get("/me").status_code == 200
    wait_for(lambda: any(each["action"] == "sign-in" for each in records()))

    found = [each for each in records() if each["action"] == "sign-in"]
    assert [(each["actor"], each["tenant_id"]) for each in found] == [
        (member.subject, str(tenant.id))
    ]
    assert found[0]["written_by"] == reader_role(state_of(app).settings)


def wait_for(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("It did not happen within five seconds.")


def test_the_log_is_sealed_verified_and_pruned(app, run_command, tenant, tmp_path, monkeypatch):
    witness = tmp_path / "witness"
    use_witness = replace(state_of(app).settings, audit_witnesses=(str(witness),))
    monkeypatch.setattr(state_of(app), "settings", use_witness)
    sealed = run_command("audit", "seal", "--operators", "--json")
    assert json.loads(sealed.output)[0]["records"] > 0
    verified = run_command("audit", "verify", "--operators", "--witness", str(witness), "--json")
    found = json.loads(verified.output)
    assert found["is_intact"], verified.output
    assert found["witnessed"] == found["seals"]

    too_young = run_command("audit", "prune", "--operators", "--before", "2026", "--yes")
    assert "are kept" in too_young.output


def test_an_old_year_is_removed_and_what_is_left_verifies(app, run_command, tenant, records):
    """The year is in the future, so that it is none in which other tests write."""
    with in_catalog(app) as raw:
        for _ in range(3):
            run_command("tenants", "resume", tenant.slug)
            execute(
                raw,
                "INSERT INTO operator_action (id, stage, action, actor)"
                " SELECT overlay(first_id_of(2030)::text PLACING substr(new_record_id()::text, 20)"
                " FROM 20)::uuid, 'noted', 'x', 'y'",
            )
    with app.app_context():
        assert keeping.prune_operators(2030, this_year=2037) == 3
        keeping.seal_operators()
        verdict = keeping.verify_operators()

    assert verdict.is_intact, verdict.fault
    assert verdict.pruned == 3
    [pruned] = [each for each in records() if each["action"] == keeping.PRUNE]
    assert (pruned["target"], pruned["details"]) == ("2030", {"records": 3})
    with in_catalog(app, "owner") as raw:
        for statement in ("DELETE FROM operator_action_2030", "TRUNCATE operator_action_2030"):
            execute(
                raw,
                "BEGIN; INSERT INTO operator_action (id, stage, action, actor)"
                " VALUES (first_id_of(2030), 'noted', 'x', 'y')",
            )
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(raw, statement)
            execute(raw, "ROLLBACK")


def test_a_change_by_a_superuser_is_found(app, run_command, tenant):
    run_command("tenants", "show", tenant.slug)
    run_command("audit", "seal", "--operators")
    with in_catalog(app) as raw:
        execute(raw, "BEGIN; ALTER TABLE operator_action DISABLE TRIGGER only_added")
        [(changed,)] = execute(
            raw,
            "UPDATE operator_action SET actor = 'somebody else' WHERE id ="
            " (SELECT min(id::text)::uuid FROM operator_action) RETURNING id",
        )
        with app.app_context():
            verdict = keeping.verify(raw, keeping.OPERATORS)
        execute(raw, "ROLLBACK")

    assert (verdict.fault.kind, verdict.fault.record) == ("record_changed", str(changed))


def test_the_list_is_filtered_and_safe_in_a_spreadsheet(run_command, tenant, records):
    run_command("tenants", "suspend", tenant.slug, "--yes", "--reason", "=cmd()")
    run_command("tenants", "resume", tenant.slug)
    listed = ("audit", "operators", "--target", tenant.slug)

    items = json.loads(run_command(*listed, "--action", "tenants*", "--json").output)
    assert [each["action"] for each in items] == ["tenants resume", "tenants suspend"]
    assert {each["outcome"] for each in items} == {"done"}
    assert json.loads(run_command(*listed, "--until", "2020-01-01", "--json").output) == []
    as_csv = run_command(*listed, "--csv").output
    assert "'=cmd()" in as_csv
    assert ",=cmd()" not in as_csv


def test_every_table_of_the_catalog_is_followed(app):
    """A new table gets the trigger in its migration, or is a log itself."""
    with in_catalog(app) as raw:
        rows = execute(
            raw,
            "SELECT relname, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid"
            " AND tgname = 'note_change') FROM pg_class"
            " WHERE relnamespace = 'catalog'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition",
        )
    # A wake-up only says when a worker looks at a tenant again. Usage is only added.
    # A logo's digest is in the branding. Shared counts follow from rows of the tenant.
    logs = {
        "branding_logo",
        *("alembic_version", "job_wakeup", "migration_run", "operation", "operator_action"),
        *("operator_era", "operator_seal", "place_migration"),
        # Requests record what they ask for by themselves, and workers what they do.
        *("platform_task", "platform_task_cancellation"),
        *("erasure", "erased_slug", "erased_person"),
        *("daily_usage_copy", "usage_sample", "usage_start", "shared_count"),
    }

    assert {name for name, is_followed in rows if not is_followed} == logs


def test_the_independent_verifier_knows_the_catalogs_log(app, run_command, tenant, tmp_path):
    run_command("tenants", "resume", tenant.slug)
    run_command("audit", "seal", "--operators")
    script = (ROOT / "tools" / "export_operators.sql").read_text("utf-8")
    (tmp_path / "forms.json").touch()
    with in_catalog(app) as raw, raw.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL TimeZone = 'UTC'")
        by_prunes = "SELECT DISTINCT target FROM operator_action WHERE action = %s"
        pruned = execute(raw, by_prunes, keeping.PRUNE)
        for statement, file in re.findall(r"^(COPY .*) \\g (\S+)$", script, re.MULTILINE):
            with (tmp_path / file).open("wb") as target:
                cursor.copy_expert(statement, target)

    def run():
        years = [f"--pruned={year}" for (year,) in pruned]
        command = [sys.executable, "-I", ROOT / "tools" / "verify_audit.py", "-", *years]
        return subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    assert "are intact" in run().stdout
    lines = (tmp_path / "records.tsv").read_bytes()
    (tmp_path / "records.tsv").write_bytes(lines.replace(b"\tdatabase ", b"\tsomebody ", 1))
    changed = run()
    assert (changed.returncode, changed.stderr[:6]) == (1, "Record")
