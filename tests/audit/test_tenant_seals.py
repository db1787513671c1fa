"""The seals of tenants' audit logs: in each tier, each forgery by the database's owner is found."""

from contextlib import contextmanager

import pytest
from psycopg2 import errors
from sealed_tenants import FORM, write_and_seal, write_records
from sqlalchemy.exc import DBAPIError
from tenant_databases import access_of

from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute


@contextmanager
def as_superuser(app, tenant):
    """Connect to the tenant's database as a superuser, for whom no trigger runs.

    At the end the log is as it was.
    """
    placement, tables = tenant.placement, ("audit_record", "audit_form", "audit_seal")
    with access_of(app).administer(placement.database) as raw:
        execute(raw, f"SET search_path = {placement.schema}")
        execute(raw, "SET session_replication_role = replica")
        for table in tables:
            execute(raw, f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
        try:
            yield lambda statement, *values: execute(raw, statement, *values)
        finally:
            for table in tables:
                execute(raw, f"DELETE FROM {table}; INSERT INTO {table} TABLE kept_{table}")
                execute(raw, f"DROP TABLE kept_{table}")
            execute(raw, "RESET session_replication_role")


@pytest.fixture(scope="module")
def two(app, tier, make_tenant):
    """Two tenants with two seals of three records each, and the ids of the first one's records."""
    tenants = make_tenant(tier), make_tenant(tier)
    with app.app_context():
        ids = [write_and_seal(tenant.slug) + write_and_seal(tenant.slug) for tenant in tenants]
    return *tenants, ids[0]


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
            run("ALTER TABLE audit_record DROP CONSTRAINT IF EXISTS ck_this_tenant")
        run(statement, ids[4])
        status, found = audit("verify", tenant.slug)
        assert audit("verify", other.slug)[0] == 0

    fault = found["fault"]
    assert status == 1
    assert (fault["kind"], fault["seal"], fault["position"]) == (kind, 2, 2)
    assert fault["after"] == ids[3]


def test_a_changed_or_missing_form_is_named(app, two, audit):
    tenant, other, _ = two
    for change in ("UPDATE audit_form SET fields = '[]'", "DELETE FROM audit_form"):
        with as_superuser(app, tenant) as run:
            run(f"{change} WHERE tenant_id = %s", str(tenant.id))
            status, found = audit("verify", tenant.slug)
            assert audit("verify", other.slug)[0] == 0
        assert (status, found["fault"]) == (1, None)
        assert str(FORM.id) in found["problems"][0]


def test_a_witness_finds_a_cut_tail_and_a_rebuilt_chain(app, two, audit, monkeypatch, tmp_path):
    tenant, other, ids = two
    use_witness(app, monkeypatch, str(tmp_path))
    assert audit("seal", tenant.slug, other.slug)[0] == 0
    assert audit("verify", tenant.slug)[1]["witnessed"] == 2

    mine = str(tenant.id)
    with as_superuser(app, tenant) as run:
        run("DELETE FROM audit_seal WHERE tenant_id = %s AND number = 2", mine)
        run("DELETE FROM audit_record WHERE id = ANY(%s::uuid[])", ids[3:])
        assert audit("verify", tenant.slug)[1]["fault"]["kind"] == "tail_cut"

        run("UPDATE audit_record SET outcome = 404 WHERE id = %s", ids[0])
        run("DELETE FROM audit_seal WHERE tenant_id = %s", mine)
        assert audit("seal", tenant.slug)[1][0]["seals"] == 1
        status, found = audit("verify", tenant.slug, "--witness", str(tmp_path))
        assert (status, found["fault"]["kind"], found["fault"]["seal"]) == (1, "chain_rebuilt", 1)
        assert audit("verify", other.slug)[0] == 0


def use_witness(app, monkeypatch, *urls):
    """Set the witnesses of the app."""
    settings = app.extensions["trially"].settings
    changed = type(settings)(**{**vars(settings), "audit_witnesses": urls})
    monkeypatch.setattr(app.extensions["trially"], "settings", changed)


def test_without_its_seals_all_records_are_new(app, two, audit):
    """Only a witness proves that there were seals."""
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
    _, other, _ = two
    with app.app_context():
        write_records(other.slug, 1)
    status, found = audit("seal", "no-such-tenant", other.slug)

    assert status == 1
    assert "no-such-tenant" in found[0]["error"]
    assert (found[1]["slug"], found[1]["records"]) == (other.slug, 1)
