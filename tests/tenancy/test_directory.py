import re
from time import monotonic, sleep

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from trially.auth.revocation import revoke_tokens
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import Directory, UnknownTenantError
from trially.tenancy.lifecycle.status import rename_tenant, suspend_tenant


@pytest.fixture
def looks():
    """The queries of tenants to the catalog while the test runs."""
    sent = []

    def record(_connection, _cursor, statement, *_rest):
        if re.search(r"FROM tenant\b", statement):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    yield sent
    event.remove(Engine, "before_cursor_execute", record)


def test_an_entry_is_cached(app, tenant, looks):
    directory = Directory(60)

    with app.app_context():
        assert directory.find(tenant.slug) is directory.find(tenant.slug)
        assert len(looks) == 1
        directory.find(tenant.slug, fresh=True)
        assert len(looks) == 2


def test_an_entry_expires(app, tenant, looks):
    directory = Directory(0.05)

    with app.app_context():
        directory.find(tenant.slug)
        sleep(0.06)
        directory.find(tenant.slug)

    assert len(looks) == 2


def test_an_entry_in_use_is_renewed_before_it_expires(app, tenant, looks):
    directory = Directory(60)

    with app.app_context():
        entry = directory.find(tenant.slug)
        directory._entries._entries[tenant.slug] = entry, monotonic() + 29
        assert directory.find(tenant.slug) is entry
        state_of(app).catalog_reader._early.result(timeout=10)

    assert not directory._entries.is_due(tenant.slug)
    assert directory._entries.get(tenant.slug) is entry
    assert len(looks) == 2


def test_unchanged_entries_are_renewed_together(app, make_tenant, looks):
    directory, tenants = Directory(0.05), [make_tenant(), make_tenant()]

    with app.app_context():
        before = [directory.find(tenant.slug) for tenant in tenants]
        looks.clear()
        sleep(0.06)
        after = [directory.find(tenant.slug) for tenant in tenants]

    assert [one is other for one, other in zip(before, after, strict=True)] == [True, True]
    assert len(looks) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda slug: suspend_tenant(slug),
        lambda slug: rename_tenant(slug, f"{slug}-renamed"),
        lambda slug: revoke_tokens(slug, subject="somebody"),
    ],
    ids=["suspended", "renamed", "revoked"],
)
def test_a_changed_entry_is_not_renewed(app, make_tenant, change):
    directory, tenant = Directory(0.05), make_tenant()

    with app.app_context():
        before = directory.find(tenant.slug)
        change(tenant.slug)
        sleep(0.06)
        after = directory.find(tenant.slug)

    assert after.stamp != before.stamp
    assert (after.status, after.slug, dict(after.cut_offs)) != (
        before.status,
        before.slug,
        dict(before.cut_offs),
    )


def test_a_tenant_that_is_gone_is_unknown_and_dropped(app, tenant):
    directory = Directory(0.05)

    with app.app_context():
        directory.find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.PROVISIONING
        sleep(0.06)
        with pytest.raises(UnknownTenantError):
            directory.find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.ACTIVE

    assert len(directory._entries) == 0


def test_a_tenant_is_forgotten_under_each_of_its_names(app, tenant, looks):
    directory = Directory(60)

    with app.app_context():
        directory.find(tenant.slug)
        directory.find(str(tenant.id))
        directory.forget(tenant.id)
        looks.clear()
        directory.find(tenant.slug)
        directory.find(str(tenant.id))

    assert len(looks) == 2


@pytest.mark.parametrize("reference", ["nobody", "", "00000000-0000-0000-0000-000000000000", "'"])
def test_an_unknown_tenant_is_not_cached(app, reference):
    directory = Directory(60)

    with app.app_context(), pytest.raises(UnknownTenantError):
        directory.find(reference)

    assert len(directory._entries) == 0


def test_a_tenant_that_is_being_provisioned_is_not_served(app, tenant):
    with app.app_context():
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.PROVISIONING
        with pytest.raises(UnknownTenantError):
            Directory(60).find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.ACTIVE


def test_a_request_of_a_cached_tenant_sends_no_query_to_the_catalog(app, member, looks):
    with app.app_context():
        state_of(app).directory.find(member.tenant.slug, fresh=True)
    looks.clear()

    assert member.get("/me").status_code == 200
    assert looks == []


def test_a_stale_placement_is_looked_up_again_and_the_request_answered(app, member, looks):
    from trially.tenancy.lifecycle.status import resume_tenant

    assert member.get("/me").status_code == 200
    directory = state_of(app).directory
    stale = directory._entries.get(member.tenant.slug)
    with app.app_context():
        resume_tenant(member.tenant.slug)
    directory._entries.put(member.tenant.slug, stale)
    looks.clear()

    assert member.post("/sites", json={"name": "Riverside"}).status_code == 201
    assert len(looks) == 1
    assert directory._entries.get(member.tenant.slug).placement.epoch == stale.placement.epoch + 1
    assert len(member.get("/sites").json["data"]) == 1
