from dataclasses import replace
from threading import Thread

import pytest
from tenant_databases import placement_of

from trially import create_app
from trially.auth.members.identities import find_identity
from trially.auth.members.managing import (
    NoIssuerError,
    UnsafeNameError,
    add_member,
    default_issuer,
    list_members,
    remove_member,
)
from trially.auth.members.model import MemberExistsError, NoMemberError
from trially.auth.permissions import Permission
from trially.auth.roles import Role
from trially.database.placement import NoTenantError
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

ISSUER = "https://login.example"


def test_members_are_added_and_removed(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        added = add_member("ann", Role.VIEWER, issuer=ISSUER, display_name="Ann", email="a@x.org")
        assert list_members() == [added]
        remove_member("ann", ISSUER)
        assert list_members() == []


@pytest.mark.parametrize("field", ["display_name", "email"])
@pytest.mark.parametrize("text", ["Ann\r\nBcc: x", "Ann\u202e", "\0"])
def test_names_that_would_be_read_differently_are_refused(app, tenant, field, text):
    with app.app_context(), tenant_context(tenant.slug):
        with pytest.raises(UnsafeNameError):
            add_member("ann", Role.VIEWER, issuer=ISSUER, **{field: text})
        assert list_members() == []


def test_a_member_is_added_once(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        add_member("ann", Role.VIEWER, issuer=ISSUER)
        with pytest.raises(MemberExistsError, match="'ann' is already a member"):
            add_member("ann", Role.OWNER, issuer=ISSUER)
        add_member("ann", Role.OWNER, issuer="https://other.example")
        again = add_member("ann", Role.ADMIN, issuer=ISSUER, is_repeatable=True)

        assert [member["role"] for member in list_members()] == [Role.ADMIN, Role.OWNER]
        assert again["id"] == list_members()[0]["id"]


def test_a_subject_that_is_no_member_cannot_be_removed(app, tenant):
    with app.app_context(), tenant_context(tenant.slug):
        add_member("ann", Role.VIEWER, issuer=ISSUER)
        for subject, issuer in (("bob", ISSUER), ("ann", "https://other.example")):
            with pytest.raises(NoMemberError, match=f"'{subject}' of the issuer '{issuer}'"):
                remove_member(subject, issuer)


def test_membership_needs_a_tenants_context(app):
    with app.app_context():
        for ask in (list_members, lambda: add_member("ann", Role.VIEWER)):
            with pytest.raises(NoTenantError):
                ask()


def test_a_new_tenants_owner_is_its_first_member(app):
    with app.app_context():
        owned = create_tenant("owned", "Owned", parameters={"owner": "ann", "owner_issuer": None})
        create_tenant("unowned", "Unowned")
        with tenant_context(owned.slug):
            (member,) = list_members()
        with tenant_context("unowned"):
            assert list_members() == []

    assert (member["subject"], member["role"]) == ("ann", Role.OWNER)
    assert member["issuer"] == state_of(app).dev_issuer.url


def test_an_identity_is_of_one_tenant_issuer_and_subject(app, make_tenant):
    ours, theirs = make_tenant(), make_tenant()

    with app.app_context(), tenant_context(ours.slug):
        add_member("ann", Role.VIEWER, issuer=ISSUER)
        place = placement_of(app, ours)
        identity = find_identity(place, ISSUER, "ann")
        assert find_identity(place, ISSUER, "bob") is None
        assert find_identity(place, "https://other.example", "ann") is None
    with app.app_context(), tenant_context(theirs.slug):
        assert find_identity(placement_of(app, theirs), ISSUER, "ann") is None

    assert identity.tenant_id == ours.id
    assert identity.may(Permission.PATIENTS_READ)
    assert not identity.may(Permission.PATIENTS_DELETE)


def test_a_new_member_is_admitted_at_once(app, tenant, as_member):
    member = as_member(tenant)
    with app.app_context(), tenant_context(tenant.slug):
        remove_member(member.subject)
    assert member.get("/me").status_code == 403

    with app.app_context(), tenant_context(tenant.slug):
        add_member(member.subject, Role.VIEWER)

    assert member.get("/me").json["role"] == "viewer"


def test_threads_may_cache_members_at_once(app, member):
    statuses = []
    threads = [
        Thread(target=lambda: statuses.extend(member.get("/me").status_code for _ in range(10)))
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 40


def test_the_first_trusted_issuer_is_the_default(app, settings):
    trusting = create_app(replace(settings, issuers=(ISSUER, "https://other.example")))
    alone = create_app(replace(settings, dev_issuer=False))

    with trusting.app_context():
        assert default_issuer() == ISSUER
    with app.app_context():
        assert default_issuer() == state_of(app).dev_issuer.url
    with alone.app_context(), pytest.raises(NoIssuerError, match="--issuer"):
        default_issuer()
