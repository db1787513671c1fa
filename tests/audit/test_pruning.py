"""Retention drops whole years as a recorded operation, and the rest of the log still verifies."""

import datetime as dt

import pytest
from moves import switch
from sealed_tenants import write_and_seal, write_records
from sqlalchemy import delete
from tenant_databases import access_of, ask_in
from uuid_utils.compat import uuid7

from trially.audit.finding import first_id
from trially.audit.pruning import PruningRefusedError, prune_place
from trially.audit.sealer import seal_tenant
from trially.database.rows import delete_item, insert_item
from trially.database.session import transaction
from trially.organisation.model import TenantSetting
from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.migrating.places import read_places
from trially.tenancy.servers.connections import execute

OLD = 2012


def old_id():
    """Return an id of the year `OLD`."""
    start = first_id(dt.datetime(OLD, 6, 1, tzinfo=dt.UTC)).int
    return type(uuid7())(int=start + uuid7().int % (1 << 79))


@pytest.fixture
def old(app, tier, make_tenant):
    """Two tenants, the first of which has records of an old year and of this one."""
    tenants = make_tenant(tier), make_tenant(tier)
    placement = tenants[0].placement
    with access_of(app).administer(placement.database) as raw:
        bounds = [first_id(dt.datetime(year, 1, 1, tzinfo=dt.UTC)) for year in (OLD, OLD + 1)]
        execute(raw, f"SET search_path = {placement.schema}")
        execute(
            raw,
            f"CREATE TABLE IF NOT EXISTS audit_record_{OLD} PARTITION OF audit_record"
            f" FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}');"
            f"ALTER TABLE audit_record_{OLD} OWNER TO {owner_of(raw)}",
        )
    with app.app_context():
        write_records(tenants[0].slug, 2, new_id=old_id)
        seal_tenant(tenants[0].slug)
        write_and_seal(tenants[0].slug)
        write_and_seal(tenants[1].slug)
    yield tenants
    # Tenants of other tests may share the table.
    with access_of(app).administer(placement.database) as raw:
        execute(raw, f"DROP TABLE IF EXISTS {placement.schema}.audit_record_{OLD}")


def owner_of(raw):
    [(owner,)] = execute(
        raw, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'audit_record'::regclass"
    )
    return owner


def test_a_place_from_which_a_tenant_has_moved_is_not_pruned(app, old):
    tenant, _ = old
    with app.app_context():
        [place] = [each for each in read_places() if tenant.slug in each.slugs]
        switch(app, tenant)

        with pytest.raises(PruningRefusedError, match="The placement of the tenant"):
            prune_place(place, OLD + 1)

        assert seal_tenant(tenant.slug).records == 0  # nothing was recorded


def test_a_place_whose_tenant_is_being_moved_is_not_pruned(app, old):
    tenant, _ = old
    with app.app_context():
        [place] = [each for each in read_places() if tenant.slug in each.slugs]
        with catalog_transaction() as session:
            operation = Operation(
                tenant_id=tenant.id, tenant_slug=tenant.slug, kind="move", state="running"
            )
            session.add(operation)

        with pytest.raises(PruningRefusedError, match="is not finished"):
            prune_place(place, OLD + 1)

        with catalog_transaction() as session:
            session.execute(delete(Operation).where(Operation.id == operation.id))


def test_a_tenant_may_keep_its_records_longer(app, old):
    """In shared tables, all tenants of the place keep them: a partition has the rows of all."""
    tenant, _ = old
    with app.app_context():
        [place] = [each for each in read_places() if tenant.slug in each.slugs]
    with app.app_context(), tenant_context(tenant.slug), transaction():
        values = {"id": tenant.id, "audit_retention_years": 100}
        insert_item(TenantSetting, values, ("id",))

    with app.app_context(), pytest.raises(PruningRefusedError, match="records for 100 full years"):
        prune_place(place, OLD + 1)

    assert seal(app, tenant) == 1  # the change of the setting
    with app.app_context(), tenant_context(tenant.slug), transaction():
        delete_item(TenantSetting, tenant.id)


def seal(app, tenant):
    with app.app_context():
        return seal_tenant(tenant.slug).records


def test_old_years_are_removed_and_the_rest_verifies(app, tier, old, audit, run_command):
    tenant, other = old
    pooled = tier == "pooled_rows"
    if pooled:
        status, error = audit("prune", tenant.slug, "--before", "2013", "--yes")
        assert (status, "--all" in str(error)) == (1, True)

    words = ["--all"] if pooled else [tenant.slug]
    assert audit("verify", tenant.slug)[0] == 0
    status, pruned = audit("prune", *words, "--before", "2013", "--yes")
    assert status == 0 or pooled, pruned  # other tests have tenants whose databases are broken
    assert [each["years"] for each in pruned if tenant.slug in each["slugs"]] == [[OLD]]

    status, found = audit("verify", tenant.slug)
    assert (status, found["pruned"], found["records"], found["unsealed"]) == (0, 2, 3, 1)
    assert [each["year"] for each in found["prunings"]] == [OLD]
    assert found["prunings"][0]["record_id"] in str(found["sentences"])
    assert audit("verify", other.slug)[1]["unsealed"] == int(pooled)
    actions = ask(app, "SELECT action, stage FROM operator_action ORDER BY id DESC LIMIT 2")
    assert ("audit prune", "started") in actions
    seal = audit("seal", tenant.slug)[1]
    assert seal[0]["records"] == 1
    assert audit("verify", tenant.slug, "--index")[0] == 0


def ask(app, statement):
    from trially.tenancy.catalog_sessions import control_engine

    with app.app_context(), control_engine().connect() as catalog:
        return [tuple(row) for row in catalog.exec_driver_sql(statement)]


def test_recent_years_are_refused(tenant, audit):
    this_year = dt.datetime.now(dt.UTC).year
    status, error = audit("prune", tenant.slug, "--before", str(this_year - 5), "--yes")

    assert status == 1
    assert "TRIALLY_AUDIT_RETENTION_YEARS" in str(error)


def test_unsealed_records_are_not_removed(app, old, audit, tier):
    with app.app_context():
        write_records(old[0].slug, 1, new_id=old_id)
    words = ["--all"] if tier == "pooled_rows" else [old[0].slug]
    status, _ = audit("prune", *words, "--before", "2013", "--yes")

    assert status == 1
    [(count,)] = ask_in(
        app, old[0], f"SELECT count(*) FROM {old[0].placement.schema}.audit_record_{OLD}"
    )
    assert count == 3
    assert audit("seal", old[0].slug)[0] == 0  # for other tests, which prune all tenants


def test_a_forged_pruning_is_no_excuse(app, make_tenant, audit):
    """The owner of the database deletes the records of this year, and claims a pruning."""
    tenant = make_tenant()
    with app.app_context():
        ids = write_and_seal(tenant.slug)
    year = dt.datetime.now(dt.UTC).year
    for record_id in (str(uuid7()), ids[0]):
        ask_in(
            app,
            tenant,
            "SET session_replication_role = replica; DELETE FROM tenant.audit_record;"
            "DELETE FROM tenant.audit_pruning; INSERT INTO tenant.audit_pruning (tenant_id, id,"
            " year, record_id, operator) VALUES (%s, gen_random_uuid(), %s, %s, 'x');"
            "RESET session_replication_role",
            str(tenant.id),
            year,
            record_id,
        )
        status, found = audit("verify", tenant.slug)
        assert (status, found["fault"]["kind"]) == (1, "record_missing")
        assert str(year) in found["problems"][0]
