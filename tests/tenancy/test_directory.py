from time import sleep

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from trially.auth.revocation import revoke_tokens
from trially.state import state_of
from trially.tenancy.catalog import Tenant, TenantStatus, catalog_transaction
from trially.tenancy.directory import Directory, UnknownTenantError
from trially.tenancy.lifecycle.status import rename_tenant, suspend_tenant


@pytest.fixture
def looks():
    """Every question to the catalog while the test runs."""
    sent = []

    def note(_connection, _cursor, statement, *_rest):
        if "FROM tenant" in statement:
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


def test_what_was_found_is_believed_for_a_while(app, tenant, looks):
    known = Directory(60)

    with app.app_context():
        assert known.find(tenant.slug) is known.find(tenant.slug)
        assert len(looks) == 1
        known.find(tenant.slug, fresh=True)
        assert len(looks) == 2


def test_what_was_found_is_not_believed_for_longer(app, tenant, looks):
    known = Directory(0.05)

    with app.app_context():
        known.find(tenant.slug)
        sleep(0.06)
        known.find(tenant.slug)

    assert len(looks) == 2


def test_what_has_not_changed_is_renewed_with_the_others(app, make_tenant, looks):
    known, tenants = Directory(0.05), [make_tenant(), make_tenant()]

    with app.app_context():
        before = [known.find(tenant.slug) for tenant in tenants]
        looks.clear()
        sleep(0.06)
        after = [known.find(tenant.slug) for tenant in tenants]

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
def test_what_has_changed_is_not_renewed(app, make_tenant, change):
    known, tenant = Directory(0.05), make_tenant()

    with app.app_context():
        before = known.find(tenant.slug)
        change(tenant.slug)
        sleep(0.06)
        after = known.find(tenant.slug)

    assert after.stamp != before.stamp
    assert (after.status, after.slug, dict(after.cut_offs)) != (
        before.status,
        before.slug,
        dict(before.cut_offs),
    )


def test_who_is_gone_is_unknown_and_forgotten(app, tenant):
    known = Directory(0.05)

    with app.app_context():
        known.find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.PROVISIONING
        sleep(0.06)
        with pytest.raises(UnknownTenantError):
            known.find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.ACTIVE

    assert len(known._entries) == 0


def test_a_tenant_is_forgotten_under_each_of_its_names(app, tenant, looks):
    known = Directory(60)

    with app.app_context():
        known.find(tenant.slug)
        known.find(str(tenant.id))
        known.forget(tenant.id)
        looks.clear()
        known.find(tenant.slug)
        known.find(str(tenant.id))

    assert len(looks) == 2


@pytest.mark.parametrize("reference", ["nobody", "", "00000000-0000-0000-0000-000000000000", "'"])
def test_what_is_unknown_is_not_remembered(app, reference):
    known = Directory(60)

    with app.app_context(), pytest.raises(UnknownTenantError):
        known.find(reference)

    assert len(known._entries) == 0


def test_a_tenant_in_the_making_is_not_served(app, tenant):
    with app.app_context():
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.PROVISIONING
        with pytest.raises(UnknownTenantError):
            Directory(60).find(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.ACTIVE


def test_a_request_of_a_known_tenant_asks_the_catalog_nothing(member, looks):
    member.get("/me")
    looks.clear()

    assert member.get("/me").status_code == 200
    assert looks == []


def test_a_stale_placement_is_looked_up_again_and_the_request_answered(app, member, looks):
    from trially.tenancy.lifecycle.status import resume_tenant

    assert member.get("/me").status_code == 200
    directory = state_of(app).directory
    known = directory._entries.get(member.tenant.slug)
    with app.app_context():
        resume_tenant(member.tenant.slug)
    directory._entries.put(member.tenant.slug, known)
    looks.clear()

    assert member.post("/sites", json={"name": "Riverside"}).status_code == 201
    assert len(looks) == 1
    assert directory._entries.get(member.tenant.slug).placement.epoch == known.placement.epoch + 1
    assert len(member.get("/sites").json["data"]) == 1
