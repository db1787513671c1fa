from threading import Thread

import pytest
from tenant_databases import ask

from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle.provisioning import TenantExistsError, create_tenant
from trially.tenancy.lifecycle.status import (
    NotServedError,
    get_tenant,
    list_tenants,
    rename_tenant,
    resume_tenant,
    suspend_tenant,
)
from trially.tenancy.names import InvalidSlugError


def test_a_renamed_tenant_is_found_by_each_of_its_names(app, make_tenant):
    tenant = make_tenant(slug="first-name")

    with app.app_context():
        rename_tenant("first-name", "second-name")

        assert get_tenant("second-name").slug == "second-name"
        for reference in ("first-name", "second-name", str(tenant.id)):
            assert get_tenant(reference).id == tenant.id
            assert directory().find(reference).slug == "second-name"


def test_a_former_slug_is_never_anothers(app, make_tenant):
    make_tenant(slug="old-name")
    other = make_tenant()

    with app.app_context():
        rename_tenant("old-name", "new-name")
        with pytest.raises(TenantExistsError):
            create_tenant("old-name", "Squatter")
        with pytest.raises(TenantExistsError):
            rename_tenant(other.slug, "old-name")
        with pytest.raises(TenantExistsError):
            rename_tenant(other.slug, "new-name")


def test_a_tenant_may_take_its_former_slug_back(app, make_tenant):
    make_tenant(slug="there-and")

    with app.app_context():
        rename_tenant("there-and", "back-again")
        assert rename_tenant("back-again", "there-and").slug == "there-and"
        assert rename_tenant("there-and", "there-and").slug == "there-and"
        assert get_tenant("back-again").slug == "there-and"


def test_tokens_of_a_former_slug_keep_working(app, member):
    with app.app_context():
        rename_tenant(member.tenant.slug, f"{member.tenant.slug}-inc")

    answer = member.get("/me")

    assert answer.status_code == 200
    assert answer.json["tenant"]["slug"] == f"{member.tenant.slug}-inc"


def test_a_tenant_is_not_renamed_to_an_invalid_slug(app, tenant):
    with app.app_context():
        for slug in ("admin", "No Slug"):
            with pytest.raises(InvalidSlugError):
                rename_tenant(tenant.slug, slug)
        assert get_tenant(tenant.slug).slug == tenant.slug


def test_a_suspended_tenant_is_refused_at_once_and_served_again(app, member):
    assert member.get("/me").status_code == 200
    stale = state_of(app).directory._entries.get(member.tenant.slug)

    with app.app_context():
        assert suspend_tenant(member.tenant.slug).status == TenantStatus.SUSPENDED
    state_of(app).directory._entries.put(member.tenant.slug, stale)

    assert member.get("/me").status_code == 403
    assert member.get("/me").json["detail"] == "You have no access to this tenant."
    with app.app_context():
        assert resume_tenant(member.tenant.slug).status == TenantStatus.ACTIVE
    assert member.get("/me").status_code == 200


def test_suspending_twice_and_resuming_twice_is_harmless(app, tenant):
    with app.app_context():
        epochs = [
            change(tenant.slug).placement.epoch
            for change in (suspend_tenant, suspend_tenant, resume_tenant, resume_tenant)
        ]

    assert epochs == [2, 3, 4, 5]


def test_the_epoch_grows_with_each_of_two_changes_at_once(app, tenant):
    def change(to):
        with app.app_context():
            to(tenant.slug)

    for _ in range(5):
        threads = [Thread(target=change, args=(to,)) for to in (suspend_tenant, resume_tenant)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with app.app_context():
        read = get_tenant(tenant.slug)
    own_copy = ask(
        app, "SELECT epoch, is_suspended FROM trially.placement", database=read.placement.database
    )
    assert read.placement.epoch == 11
    assert own_copy == [(11, read.status == TenantStatus.SUSPENDED)]


def test_only_a_tenant_that_is_served_is_suspended(app, tenant):
    with app.app_context():
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.PROVISIONING
        with pytest.raises(NotServedError, match="is provisioning"):
            suspend_tenant(tenant.slug)
        with catalog_transaction() as session:
            session.get(Tenant, tenant.id).status = TenantStatus.ACTIVE


def test_an_unknown_tenant_is_an_error(app):
    with app.app_context():
        for change in (get_tenant, suspend_tenant, resume_tenant):
            with pytest.raises(UnknownTenantError, match="The tenant 'nobody' does not exist"):
                change("nobody")


def test_tenants_are_listed_by_slug(app, make_tenant):
    make_tenant(slug="zz-last")
    make_tenant(slug="aa-first")

    with app.app_context():
        slugs = [tenant.slug for tenant in list_tenants()]

    assert slugs == sorted(slugs)
    assert {"zz-last", "aa-first"} <= set(slugs)
