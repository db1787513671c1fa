"""Provisioned users become members by signing in, and end as the identity provider says."""

from typing import Any
from uuid import uuid4

import pytest
from identity_providers import (
    IdentityProvider,
    SignIn,
    error_of,
    forget_members,
    map_group,
    provider_of,
    set_up,
    shown,
    user,
    verified,
)
from members import AsMember, Member

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.directory import directory
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant

DEACTIVATE = {"op": "Replace", "path": "active", "value": "False"}
ACTIVATE = {"op": "Replace", "path": "active", "value": "True"}


def status_of(person: Member) -> int:
    forget_members(person)
    return person.get("/me").status_code


def me(person: Member) -> Any:
    forget_members(person)
    return shown(person.get("/me"))


def nurses(provider: IdentityProvider, *user_ids: str, **rights: Any) -> str:
    """Create a group of coordinators, and return its id."""
    group_id = provider.add_group("Nurses", *user_ids)
    shown(map_group(provider.owner, group_id, "coordinator", **rights))
    return group_id


def test_a_user_in_a_mapped_group_becomes_a_member(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    site = owner.post("/sites", json={"name": "Basel"}).json["id"]
    ann_id = provider.add_user("Ann", name={"givenName": "Ann", "familyName": "Lee"})
    ann = sign_in(owner.tenant, "issuer|1", **verified("ann"))
    assert status_of(ann) == 403  # Nobody has said where users sign in.
    set_up(owner)
    assert status_of(ann) == 403  # No group grants anything.
    group_id = provider.add_group("Nurses", ann_id)
    assert status_of(ann) == 403  # The group grants nothing.

    shown(map_group(owner, group_id, "coordinator", phi_level="limited", site_ids=[site]))

    found = me(ann)
    assert (found["subject"], found["display_name"]) == ("issuer|1", "Ann Lee")
    assert (found["role"], found["phi_level"], found["site_ids"]) == (
        *("coordinator", "limited"),
        [site],
    )
    provisioned = shown(owner.get(f"/provisioning/users/{ann_id}"))
    assert (provisioned["member_id"], provisioned["granted_by"]) == (found["id"], group_id)
    assert me(ann)["id"] == found["id"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (verified("Ann"), 200),
        ({"email": "ann@clinic.example", "email_verified": False}, 403),
        ({"email": "ann@clinic.example"}, 403),
        (verified("other"), 403),
        ({}, 403),
    ],
)
def test_an_address_must_be_verified(
    provider: IdentityProvider, owner: Member, sign_in: SignIn, claims: Any, status: int
) -> None:
    set_up(owner)
    nurses(provider, provider.add_user("ann", externalId="ann"))

    assert status_of(sign_in(owner.tenant, "ann", **claims)) == status


def test_only_the_primary_address_counts(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    emails = [
        {"value": "second@clinic.example"},
        {"value": "first@clinic.example", "primary": True},
    ]
    nurses(provider, provider.add_user("ann", emails=emails))

    assert status_of(sign_in(owner.tenant, "1", **verified("second"))) == 403
    assert status_of(sign_in(owner.tenant, "2", **verified("ann"))) == 403
    assert status_of(sign_in(owner.tenant, "3", **verified("first"))) == 200
    # The user is linked to one subject. Another account with the same address is none.
    assert status_of(sign_in(owner.tenant, "4", **verified("first"))) == 403


def test_two_users_with_one_address_are_not_told_apart(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    same = [{"value": "ann@clinic.example"}]
    ids = [provider.add_user(word, emails=same) for word in ("one", "two")]
    nurses(provider, *ids)
    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    assert status_of(ann) == 403

    shown(provider.patch(f"/Users/{ids[0]}", DEACTIVATE))

    assert status_of(ann) == 200
    assert shown(owner.get(f"/provisioning/users/{ids[1]}"))["member_id"] == me(ann)["id"]


def test_a_subject_may_be_the_external_id(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner, "external_id")
    nurses(provider, provider.add_user("ann", externalId="Ann|1"))

    assert status_of(sign_in(owner.tenant, "other", **verified("ann"))) == 403
    assert status_of(sign_in(owner.tenant, "ann|1")) == 403
    assert status_of(sign_in(owner.tenant, "Ann|1")) == 200


def test_no_token_of_another_issuer_counts(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    nurses(provider, provider.add_user("ann"))
    shown(owner.patch("/provisioning", json={"issuer": None}))

    assert status_of(sign_in(owner.tenant, "ann", **verified("ann"))) == 403


@pytest.mark.parametrize("how", ["patch", "put", "delete", "group", "unmap", "no group"])
def test_a_member_ends(
    provider: IdentityProvider, owner: Member, sign_in: SignIn, how: str
) -> None:
    set_up(owner)
    ann_id = provider.add_user("ann")
    group_id = nurses(provider, ann_id)
    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    member_id = me(ann)["id"]

    if how == "patch":
        assert shown(provider.patch(f"/Users/{ann_id}", DEACTIVATE))["active"] is False
    elif how == "put":
        shown(provider.put(f"/Users/{ann_id}", user("ann", active=False)))
    elif how == "delete":
        assert provider.delete(f"/Users/{ann_id}").status_code == 204
    elif how == "group":
        assert provider.delete(f"/Groups/{group_id}").status_code == 204
    elif how == "unmap":
        shown(map_group(owner, group_id, None))
    else:
        path = f'members[value eq "{ann_id}"]'
        shown(provider.patch(f"/Groups/{group_id}", {"op": "remove", "path": path}))

    assert status_of(ann) == 403
    assert owner.get(f"/members/{member_id}").status_code == 404
    if how in ("patch", "put"):
        assert status_of(ann) == 403
        shown(provider.patch(f"/Users/{ann_id}", ACTIVATE))
        assert me(ann)["id"] != member_id


def test_a_deactivated_user_cannot_use_an_invitation(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    ann_id = provider.add_user("ann", active=False)
    invitation = {"email": "ann@clinic.example", "role": "viewer"}
    assert owner.post("/invitations", json=invitation).status_code == 201
    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    assert status_of(ann) == 403

    provider.delete(f"/Users/{ann_id}")

    assert me(ann)["role"] == "viewer"


def test_a_member_whom_a_person_has_removed_stays_outside(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    ann_id = provider.add_user("ann")
    nurses(provider, ann_id)
    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    assert owner.delete(f"/members/{me(ann)['id']}").status_code == 204

    assert status_of(ann) == 403
    assert shown(provider.get(f"/Users/{ann_id}"))["active"] is False
    shown(provider.patch(f"/Users/{ann_id}", {"op": "add", "path": "title", "value": "Nurse"}))
    assert status_of(ann) == 403
    shown(provider.patch(f"/Users/{ann_id}", ACTIVATE))
    assert status_of(ann) == 200


def test_groups_change_the_rights_of_members(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    ann_id = provider.add_user("ann")
    nurses_id = nurses(provider, ann_id)
    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    assert (me(ann)["role"], me(ann)["phi_level"]) == ("coordinator", "full")
    auditors = provider.add_group("Auditors")
    shown(map_group(owner, auditors, "auditor", priority=1))

    member = {"value": ann_id}
    shown(
        provider.patch(f"/Groups/{auditors}", {"op": "add", "path": "members", "value": [member]})
    )
    assert (me(ann)["role"], me(ann)["phi_level"]) == ("auditor", "none")
    shown(map_group(owner, auditors, "viewer"))
    assert me(ann)["role"] == "viewer"
    shown(owner.patch(f"/provisioning/groups/{auditors}", json={"priority": 200}))
    assert me(ann)["role"] == "coordinator"
    site = owner.post("/sites", json={"name": "Basel"}).json["id"]
    shown(map_group(owner, nurses_id, "coordinator", site_ids=[site]))
    assert me(ann)["site_ids"] == [site]
    shown(provider.patch(f"/Users/{ann_id}", {"op": "add", "path": "displayName", "value": "Ann"}))
    assert me(ann)["display_name"] == "Ann"


def test_the_last_owner_stays(provider: IdentityProvider, owner: Member, sign_in: SignIn) -> None:
    subject = me(owner)["subject"]
    set_up(owner, "external_id")
    own_id = provider.add_user("owner", externalId=subject)
    linked = shown(owner.get(f"/provisioning/users/{own_id}"))
    assert (linked["member_id"], linked["granted_by"]) == (me(owner)["id"], None)

    for answer in (
        provider.patch(f"/Users/{own_id}", DEACTIVATE),
        provider.delete(f"/Users/{own_id}"),
    ):
        assert error_of(answer) == (409, None)
    viewers = provider.add_group("Viewers")
    shown(map_group(owner, viewers, "viewer"))
    joined = {"op": "add", "path": "members", "value": [{"value": own_id}]}
    assert error_of(provider.patch(f"/Groups/{viewers}", joined)) == (409, None)
    fewer = provider.add_group("Owners without identifiers")
    shown(map_group(owner, fewer, "owner", phi_level="limited"))
    assert error_of(provider.patch(f"/Groups/{fewer}", joined)) == (409, None)
    assert (me(owner)["role"], me(owner)["phi_level"]) == ("owner", "full")
    assert shown(provider.get(f"/Users/{own_id}"))["active"] is True
    assert "members" not in shown(provider.get(f"/Groups/{viewers}"))


def test_a_key_changes_no_member_with_more_rights(
    provider: IdentityProvider, owner: Member, as_member: AsMember, sign_in: SignIn
) -> None:
    """The second owner does not see patients' identifiers, and neither grants nor removes that."""
    other = as_member(owner.tenant, Role.OWNER, phi_level=PhiLevel.LIMITED)
    set_up(owner)
    ann_id, bob_id = provider.add_user("ann"), provider.add_user("bob")
    nurses_id = nurses(provider, ann_id)
    viewers = provider.add_group("Viewers", bob_id)
    shown(map_group(owner, viewers, "viewer"))
    for word in ("ann", "bob"):
        assert status_of(sign_in(owner.tenant, word, **verified(word))) == 200

    weaker = provider_of(other)

    assert error_of(weaker.patch(f"/Users/{ann_id}", DEACTIVATE)) == (403, None)
    joined = {"op": "add", "path": "members", "value": [{"value": bob_id}]}
    shown(map_group(owner, nurses_id, "coordinator", priority=1))
    assert error_of(weaker.patch(f"/Groups/{nurses_id}", joined)) == (403, None)
    assert map_group(other, nurses_id, "viewer").status_code == 403
    assert map_group(other, viewers, "viewer", phi_level="full").status_code == 403
    assert shown(weaker.patch(f"/Users/{bob_id}", DEACTIVATE))["active"] is False


def test_a_group_grants_what_its_author_still_has(
    provider: IdentityProvider, owner: Member, as_member: AsMember, sign_in: SignIn
) -> None:
    author = as_member(owner.tenant, Role.OWNER)
    set_up(owner)
    ann_id, bob_id = provider.add_user("ann"), provider.add_user("bob")
    group_id = provider.add_group("Nurses", ann_id, bob_id)
    shown(map_group(author, group_id, "coordinator"))
    ann, bob = (sign_in(owner.tenant, word, **verified(word)) for word in ("ann", "bob"))
    assert status_of(ann) == 200

    owner.delete(f"/members/{me(author)['id']}")

    assert status_of(bob) == 403
    shown(provider.patch(f"/Users/{ann_id}", {"op": "add", "path": "title", "value": "Nurse"}))
    assert status_of(ann) == 200  # A member stays as the group has made it.
    shown(map_group(owner, group_id, "coordinator"))
    assert status_of(bob) == 200


def test_the_plan_limits_active_users(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    def allow(most: int) -> None:
        with owner.app.app_context():
            limits = {Limit.MEMBERS: most}
            change_tenant(owner.tenant.slug, TenantChange(limits=limits, reason="A test"))
            directory().forget(owner.tenant.id)

    set_up(owner)
    allow(2)
    ann_id = provider.add_user("ann")
    bob_id = provider.add_user("bob", active=False)
    for answer in (
        provider.post("/Users", user("eve")),
        provider.patch(f"/Users/{bob_id}", ACTIVATE),
    ):
        assert error_of(answer) == (403, None)
        assert "2 members" in answer.json["detail"]
    nurses(provider, ann_id)
    assert status_of(sign_in(owner.tenant, "ann", **verified("ann"))) == 200
    assert error_of(provider.post("/Users", user("eve"))) == (403, None)
    shown(provider.patch(f"/Users/{ann_id}", DEACTIVATE))
    provider.add_user("eve")


def test_a_deactivated_address_takes_a_member_away_whom_a_person_added(
    provider: IdentityProvider, owner: Member, as_member: AsMember
) -> None:
    other = as_member(owner.tenant, Role.VIEWER, email="Ann@clinic.example")
    set_up(owner)
    ann_id = provider.add_user("ann")
    nurses(provider, ann_id)
    assert me(other)["role"] == "viewer"  # A typed address grants nothing.

    shown(provider.patch(f"/Users/{ann_id}", DEACTIVATE))

    assert status_of(other) == 403


def test_an_acceptance_is_recorded(
    provider: IdentityProvider, owner: Member, sign_in: SignIn
) -> None:
    set_up(owner)
    ann_id = provider.add_user("ann")
    nurses(provider, ann_id)
    ann = me(sign_in(owner.tenant, "ann", **verified("ann")))

    entry = next(
        each
        for each in owner.get("/audit").json["data"]
        if each["route"] == "GET /api/v1/me" and each["change_count"]
    )
    assert entry["member"]["id"] == ann["id"]
    assert {(each["table"], each["row_id"]) for each in entry["changes"]} == {
        ("scim_user", ann_id),
        ("member", ann["id"]),
    }


def test_only_an_owner_makes_a_key(
    owner: Member, as_member: AsMember, provider: IdentityProvider
) -> None:
    admin = as_member(owner.tenant)
    key = {"name": "SCIM", "scopes": ["members:provision"], "phi_level": "none", "valid_days": 1}
    assert admin.post("/api-keys", json=key).status_code == 403
    scopes = {**key, "scopes": ["provisioning:write"]}
    assert owner.post("/api-keys", json=scopes).status_code == 422
    for path in ("/scim/v2/Users", "/scim/v2/Groups", "/scim/v2/Schemas"):
        assert error_of(admin.get(path)) == (403, None)
    group_id = provider.add_group("Nurses")
    for caller in (admin, provider.member):
        assert map_group(caller, group_id, "viewer").status_code == 403
        body = {"issuer": None}
        assert caller.patch("/provisioning", json=body).status_code == 403


def test_settings_name_a_trusted_issuer(owner: Member, provider: IdentityProvider) -> None:
    unset = {"etag": '"0"', "issuer": None, "linked_by": "email"}
    assert shown(owner.get("/provisioning")) == unset
    for body in ({"issuer": "https://unknown.example"}, {"linked_by": "name"}):
        assert owner.patch("/provisioning", json=body).status_code == 422
    group_id = provider.add_group("Nurses")
    refused = map_group(owner, group_id, "viewer", site_ids=[str(uuid4())])
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/site_ids")
    assert map_group(owner, group_id, None, phi_level="full").status_code == 422
