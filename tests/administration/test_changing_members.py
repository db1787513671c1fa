"""Owners and admins change and remove members, within their own rights."""

from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from administered import code_of, forget_members, id_of
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import select

from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog import MembershipIndex
from trially.tenancy.catalog_sessions import catalog_transaction


def test_a_members_rights_are_changed(app: Flask, owner: Member, as_member: AsMember) -> None:
    site = owner.post("/sites", json={"name": "Basel"}).json["id"]
    ann = as_member(owner.tenant, Role.COORDINATOR)
    path = f"/members/{id_of(ann)}"

    changed = owner.patch(
        path,
        json={
            "role": "recruiter",
            "phi_level": "limited",
            "site_ids": [site],
            "display_name": "Ann",
            "email": "ann@clinic.example",
        },
    )

    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == changed.json["etag"] == '"2"'
    assert owner.get(path).json == changed.json
    forget_members(app)
    me = ann.get("/me").json
    assert (me["role"], me["phi_level"], me["site_ids"]) == ("recruiter", "limited", [site])
    again = owner.patch(path, json={"site_ids": None, "role": "viewer"}).json
    assert (again["role"], again["phi_level"], again["site_ids"]) == ("viewer", "limited", None)
    assert again["display_name"] == "Ann"


def test_a_removed_member_is_shut_out(app: Flask, owner: Member, as_member: AsMember) -> None:
    ann = as_member(owner.tenant, Role.COORDINATOR)
    path = f"/members/{id_of(ann)}"

    assert owner.delete(path).status_code == 204

    forget_members(app)
    assert ann.get("/me").status_code == 403
    assert owner.get(path).status_code == 404
    assert owner.delete(path, headers={"If-Match": "*"}).status_code == 404


def test_an_old_version_is_refused(owner: Member, as_member: AsMember) -> None:
    path = f"/members/{id_of(as_member(owner.tenant, Role.VIEWER))}"
    owner.patch(path, json={"role": "recruiter"})

    for send in (owner.patch, owner.delete):
        options = {"json": {"role": "admin"}} if send == owner.patch else {}
        assert send(path, headers={"If-Match": '"1"'}, **options).status_code == 412
    assert owner.get(path).json["role"] == "recruiter"


def test_the_last_owner_stays(owner: Member, as_member: AsMember) -> None:
    path = f"/members/{id_of(owner)}"

    for answer in (owner.patch(path, json={"role": "admin"}), owner.delete(path)):
        assert code_of(answer) == (409, "last_owner")

    second = as_member(owner.tenant, Role.OWNER)
    assert second.patch(path, json={"role": "admin"}).status_code == 200
    answer = second.delete(f"/members/{id_of(second)}")
    assert code_of(answer) == (409, "last_owner")


def test_the_last_owner_with_all_rights_keeps_them(owner: Member, as_member: AsMember) -> None:
    """An owner without them could give them to nobody, not even back to itself."""
    path, site = f"/members/{id_of(owner)}", owner.post("/sites", json={"name": "One"}).json["id"]
    as_member(owner.tenant, Role.OWNER, phi_level=PhiLevel.LIMITED)

    for lost in ({"phi_level": "limited"}, {"site_ids": [site]}, {"role": "admin"}):
        assert code_of(owner.patch(path, json=lost)) == (409, "last_owner"), lost
    assert code_of(owner.delete(path)) == (409, "last_owner")
    assert owner.patch(path, json={"display_name": "Still here"}).status_code == 200

    as_member(owner.tenant, Role.OWNER)
    assert owner.patch(path, json={"phi_level": "limited"}).status_code == 200


def test_two_owners_cannot_remove_each_other_at_once(owner: Member, as_member: AsMember) -> None:
    """Each is allowed by itself. One waits for the other's lock, and is refused then."""
    second = as_member(owner.tenant, Role.OWNER)
    pairs = [(owner, id_of(second)), (second, id_of(owner))]
    barrier, statuses = Barrier(2), []

    def remove(by: Member, member_id: str) -> None:
        client = by.through(by.app)
        barrier.wait()
        answer = client.delete(f"/members/{member_id}", headers={"If-Match": "*"})
        statuses.append(answer.status_code)

    threads = [Thread(target=remove, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [204, 403]
    forget_members(owner.app)
    assert sorted(each.get("/me").status_code for each in (owner, second)) == [200, 403]


@pytest.mark.parametrize(
    ("grant", "own"),
    [
        ({"role": "owner"}, {"role": Role.ADMIN}),
        ({"phi_level": "full"}, {"phi_level": PhiLevel.LIMITED}),
        ({"phi_level": "limited"}, {"phi_level": PhiLevel.NONE}),
        ({"site_ids": None}, {"site_ids": "own"}),
        ({"site_ids": "other"}, {"site_ids": "own"}),
    ],
)
def test_nobody_grants_more_than_they_have(
    owner: Member, as_member: AsMember, grant: Any, own: Any
) -> None:
    ids = {name: owner.post("/sites", json={"name": name}).json["id"] for name in ("own", "other")}
    own = {**own, **({"site_ids": [ids["own"]]} if "site_ids" in own else {})}
    granter = as_member(owner.tenant, **{"role": Role.ADMIN, **own})
    limits = {"phi_level": PhiLevel.NONE, "site_ids": [ids["own"]]}
    ann = as_member(owner.tenant, Role.RECRUITER, **limits)
    if grant.get("site_ids") == "other":
        grant = {"site_ids": [ids["other"]]}
    paths = [f"/members/{id_of(ann)}", f"/members/{id_of(granter)}"]

    for path in paths:
        refused = granter.patch(path, json=grant)
        assert code_of(refused) == (403, "more_than_own_rights")
    invited = {"subject": "eve", "role": "viewer", "phi_level": "none", "site_ids": [ids["own"]]}
    refused = granter.post("/invitations", json={**invited, **grant})
    assert code_of(refused) == (403, "more_than_own_rights")
    assert owner.get(paths[0]).json["etag"] == '"1"'


def test_a_member_with_more_rights_cannot_be_changed(owner: Member, as_member: AsMember) -> None:
    admin, path = as_member(owner.tenant), f"/members/{id_of(owner)}"

    for answer in (admin.patch(path, json={"display_name": "X"}), admin.delete(path)):
        assert code_of(answer) == (403, "more_than_own_rights")


def test_rights_that_were_just_lost_cannot_be_granted(owner: Member, as_member: AsMember) -> None:
    """The process still knows the granter as an admin. The database decides."""
    admin, ann = as_member(owner.tenant), as_member(owner.tenant, Role.VIEWER)
    ids = [id_of(admin), id_of(ann)]
    assert owner.patch(f"/members/{ids[0]}", json={"role": "viewer"}).status_code == 200

    refused = admin.patch(f"/members/{ids[1]}", json={"role": "admin"})

    assert code_of(refused) == (403, "more_than_own_rights")


def test_others_may_not_change_members(owner: Member, as_member: AsMember) -> None:
    path = f"/members/{id_of(owner)}"
    for role in (Role.COORDINATOR, Role.AUDITOR, Role.VIEWER):
        other = as_member(owner.tenant, role)
        for answer in (
            other.patch(path, json={"role": "viewer"}),
            other.delete(path),
            other.post("/invitations", json={"subject": "eve", "role": "viewer"}),
        ):
            assert answer.json["code"] == "missing_permission"


def test_members_of_another_tenant_do_not_exist(
    owner: Member, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    other = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    site = other.post("/sites", json={"name": "Theirs"}).json["id"]
    theirs, nobodys = f"/members/{id_of(other)}", f"/members/{uuid4()}"

    for path in (theirs, nobodys):
        assert owner.get(path).status_code == 404
        assert owner.patch(path, json={"role": "viewer"}).status_code == 404
        assert owner.delete(path).status_code == 404
    as_member(owner.tenant, Role.OWNER)  # so that the first one may lose sites
    for site_id in (site, str(uuid4())):
        refused = owner.patch(f"/members/{id_of(owner)}", json={"site_ids": [site_id]})
        assert refused.status_code == 422
        assert refused.json["errors"] == [
            {"pointer": "/site_ids", "detail": "There is no such site."}
        ]
    assert other.get("/me").json["role"] == "owner"


def test_changes_are_recorded(owner: Member, as_member: AsMember) -> None:
    ann, own = as_member(owner.tenant, Role.VIEWER), id_of(owner)
    ann_id = id_of(ann)
    owner.patch(f"/members/{ann_id}", json={"role": "recruiter"})
    owner.delete(f"/members/{ann_id}")

    removed, changed = [
        each
        for each in owner.get("/audit").json["data"]
        if each["route"].endswith("/members/{member_id}") and each["change_count"]
    ]

    assert changed["member"]["id"] == removed["member"]["id"] == own
    [change] = changed["changes"]
    assert (change["table"], change["row_id"]) == ("member", ann_id)
    assert change["values"] == {"role": ["viewer", "recruiter"]}
    assert (removed["action"], removed["changes"][0]["row_id"]) == ("delete", ann_id)


@pytest.mark.parametrize("email", ["x", "@x", "x@", "a@b@c", "a b@c", ""])
def test_a_text_that_is_no_address_is_refused(shared_member: Member, email: str) -> None:
    path = f"/members/{id_of(shared_member)}"
    assert shared_member.patch(path, json={"email": email}).status_code == 422


def test_a_member_leaves_the_catalogs_index(app: Flask, owner: Member, as_member: AsMember) -> None:
    ann = as_member(owner.tenant, Role.VIEWER)

    def subjects() -> set[str]:
        with app.app_context(), catalog_transaction() as session:
            of_tenant = MembershipIndex.tenant_id == owner.tenant.id
            return set(session.scalars(select(MembershipIndex.subject).where(of_tenant)))

    assert subjects() == {owner.subject, ann.subject}
    owner.delete(f"/members/{id_of(ann)}")
    assert subjects() == {owner.subject}
