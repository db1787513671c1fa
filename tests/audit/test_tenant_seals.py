"""The seals of tenants' audit logs: in each tier, each forgery by the database's owner is found."""

from contextlib import contextmanager

import orjson
import pytest
from psycopg2 import errors
from sqlalchemy.exc import DBAPIError
from tenant_databases import access_of, ask_in
from uuid_utils.compat import uuid7

from trially.audit.forms import Action, Form, Purpose
from trially.audit.subjects import pack
from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

FORM = Form("GET /patients", Action.SEARCH, Purpose.RESEARCH, "full", ("name", "Ärzte <b>"))


def write_records(slug, number, form=FORM):
    """Add audit records, each in a transaction of its own, and return the ids."""
    ids = []
    with tenant_context(slug) as entry:
        tenant_id = entry.placement.tenant_id
        for _ in range(number):
            ids.append(uuid7())
            run = db.session.connection().exec_driver_sql
            run(
                "INSERT INTO audit_form (tenant_id, id, route, action, purpose, phi_level, fields)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (
                    tenant_id,
                    form.id,
                    form.route,
                    form.action,
                    form.purpose,
                    form.phi_level,
                    form.fields_json,
                ),
            )
            run(
                "INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, subjects,"
                " details) VALUES (%s, %s, %s, 1, 200, %s, %s)",
                (tenant_id, ids[-1], form.id, pack([7]), '{"note": "tab \\t and \\\\ \\u00e4"}'),
            )
            db.session.commit()
    return [str(each) for each in ids]


@pytest.fixture
def audit(app, run_command):
    """Run a command of the audit log, and return its exit status and output as JSON."""

    def run(*words):
        result = run_command("audit", *words, "--json")
        return result.exit_code, orjson.loads(result.stdout)

    return run


@contextmanager
def as_superuser(app, tenant):
    """Connect to the tenant's database as a superuser, for whom no trigger runs."""
    placement = tenant.placement
    with access_of(app).administer(placement.database) as raw:
        execute(raw, f"SET search_path = {placement.schema}")
        execute(raw, "SET session_replication_role = replica")
        yield lambda statement, *values: execute(raw, statement, *values)


@pytest.fixture
def two(app, tier, make_tenant, audit, tmp_path):
    """Two tenants with two seals of three records each, and a directory that witnessed them."""
    tenants = make_tenant(tier), make_tenant(tier)
    ids = {}
    for tenant in tenants:
        with app.app_context():
            ids[tenant.id] = write_records(tenant.slug, 3)
        assert audit("seal", tenant.slug)[0] == 0
        with app.app_context():
            ids[tenant.id] += write_records(tenant.slug, 3)
        assert audit("seal", tenant.slug)[0] == 0
    return *tenants, ids[tenants[0].id]


def test_untouched_logs_are_intact(two, audit):
    for tenant in two[:2]:
        status, found = audit("verify", tenant.slug, "--index")
        assert status == 0
        assert (found["seals"], found["records"], found["unsealed"]) == (2, 6, 0)


FORGERIES = {
    "changed": ("UPDATE audit_record SET outcome = 404 WHERE id = %s", "record_changed"),
    "details": (
        "UPDATE audit_record SET details = details || '{\"x\": 1}' WHERE id = %s",
        "record_changed",
    ),
    "removed": ("DELETE FROM audit_record WHERE id = %s", "record_missing"),
    "moved": (
        "UPDATE audit_record SET transaction_id = transaction_id + 2147483648 WHERE id = %s",
        "record_missing",
    ),
    "another tenant": (
        "UPDATE audit_record SET tenant_id = gen_random_uuid() WHERE id = %s",
        "record_missing",
    ),
}


@pytest.mark.parametrize(("statement", "kind"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_record_is_named(app, two, audit, statement, kind):
    tenant, other, ids = two
    with as_superuser(app, tenant) as run:
        if "tenant_id" in statement:
            check = "ALTER TABLE audit_record DROP CONSTRAINT IF EXISTS ck_this_tenant"
            run(check)
        run(statement, ids[4])

    status, found = audit("verify", tenant.slug)
    assert status == 1
    assert (found["fault"]["kind"], found["fault"]["seal"], found["fault"]["position"]) == (
        kind,
        2,
        2,
    )
    assert found["fault"]["after"] == ids[3]
    assert audit("verify", other.slug)[0] == 0


def test_a_changed_or_missing_form_is_named(app, two, audit):
    tenant, other, _ = two
    for change in ("UPDATE audit_form SET fields = '[]'", "DELETE FROM audit_form"):
        with as_superuser(app, tenant) as run:
            run(f"{change} WHERE tenant_id = %s", str(tenant.id))
        status, found = audit("verify", tenant.slug)
        assert (status, found["fault"]) == (1, None)
        assert str(FORM.id) in found["problems"][0]
    assert audit("verify", other.slug)[0] == 0


def test_a_witness_finds_a_cut_tail_and_a_rebuilt_chain(app, two, audit, monkeypatch, tmp_path):
    tenant, other, ids = two
    use_witness(app, monkeypatch, str(tmp_path))
    assert audit("seal", tenant.slug, other.slug)[0] == 0
    assert audit("verify", tenant.slug)[1]["witnessed"] == 2

    with as_superuser(app, tenant) as run:
        mine = str(tenant.id)
        run("DELETE FROM audit_seal WHERE tenant_id = %s AND number = 2", mine)
        run("DELETE FROM audit_record WHERE id = ANY(%s::uuid[])", ids[3:])
    assert audit("verify", tenant.slug)[1]["fault"]["kind"] == "tail_cut"

    with as_superuser(app, tenant) as run:
        run("UPDATE audit_record SET outcome = 404 WHERE id = %s", ids[0])
        run("DELETE FROM audit_seal WHERE tenant_id = %s", mine)
    with app.app_context():
        write_records(tenant.slug, 3)
    audit("seal", tenant.slug)
    status, found = audit("verify", tenant.slug, "--witness", str(tmp_path))
    assert (status, found["fault"]["kind"], found["fault"]["seal"]) == (1, "chain_rebuilt", 1)
    assert audit("verify", other.slug)[0] == 0


def use_witness(app, monkeypatch, *urls):
    """Set the witnesses of the app."""
    settings = app.extensions["trially"].settings
    changed = type(settings)(**{**vars(settings), "audit_witnesses": urls})
    monkeypatch.setattr(app.extensions["trially"], "settings", changed)


def test_a_log_without_its_seals_is_noticed_with_a_witness_only(app, two, audit, tmp_path):
    """Without seals all records are new: `unsealed` says so, and a witness proves it."""
    tenant, _, _ = two
    with as_superuser(app, tenant) as run:
        run("DELETE FROM audit_seal WHERE tenant_id = %s", str(tenant.id))

    status, found = audit("verify", tenant.slug)
    assert (status, found["seals"], found["unsealed"]) == (0, 0, 6)


def test_the_tenants_role_cannot_change_seals(app, two):
    tenant, _, _ = two
    for table in ("audit_seal", "audit_subject", "audit_pruning"):
        for change in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
            with app.app_context(), tenant_context(tenant.slug):
                with pytest.raises(DBAPIError) as caught:
                    db.session.connection().exec_driver_sql(change)
                assert isinstance(caught.value.orig, errors.InsufficientPrivilege)
                db.session.rollback()


def test_a_failing_tenant_is_named_and_stops_no_other(app, two, audit):
    tenant, other, _ = two
    with app.app_context():
        write_records(other.slug, 1)
    status, found = audit("seal", "no-such-tenant", other.slug)

    assert status == 1
    assert "no-such-tenant" in found[0]["error"]
    assert (found[1]["slug"], found[1]["records"]) == (other.slug, 1)
    assert ask_in(app, tenant, "SELECT 1")
