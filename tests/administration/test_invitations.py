"""An invited person becomes a member by signing in."""

import datetime as dt
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from administered import Allow, SignIn, code_of, id_of
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import select, update

from trially.auth.members.invitations.accepting import verified_email
from trially.auth.members.invitations.model import Invitation
from trially.auth.members.managing import rewrite_index
from trially.auth.roles import Role
from trially.database.changes import note_derived
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.tenancy.catalog import InvitationIndex
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context


def invite(owner: Member, **body: Any) -> Any:
    invited = owner.post("/invitations", json={"role": "coordinator", **body})
    assert invited.status_code == 201, invited.text
    return invited.json


def expire(owner: Member) -> None:
    """Let all invitations of a tenant expire."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    with owner.app.app_context(), tenant_context(owner.tenant.slug), transaction():
        db.session.execute(update(table_of(Invitation)).values(expires_at=past))
        note_derived("invitation")


def indexed(app: Flask, tenant_id: UUID) -> set[str]:
    """The subjects whom the catalog knows as invited."""
    with app.app_context(), catalog_transaction() as session:
        of_tenant = InvitationIndex.tenant_id == tenant_id
        return set(session.scalars(select(InvitationIndex.subject).where(of_tenant)))


def test_an_invited_subject_becomes_a_member(app: Flask, owner: Member, sign_in: SignIn) -> None:
    site = owner.post("/sites", json={"name": "Basel"}).json["id"]
    person = sign_in(owner.tenant, "ann")
    assert code_of(person.get("/me")) == (403, "no_tenant_access")

    invitation = invite(
        owner, subject="ann", display_name="Ann", phi_level="limited", site_ids=[site]
    )
    assert indexed(app, owner.tenant.id) == {"ann"}
    me = person.get("/me").json

    assert (me["subject"], me["display_name"]) == ("ann", "Ann")
    assert (me["role"], me["phi_level"], me["site_ids"]) == ("coordinator", "limited", [site])
    assert person.get("/me").json["id"] == me["id"]
    assert owner.get(f"/invitations/{invitation['id']}").status_code == 404
    assert owner.get("/invitations").json["data"] == []
    assert owner.get(f"/members/{me['id']}").json["subject"] == "ann"
    assert indexed(app, owner.tenant.id) == set()


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "Sam@Clinic.example", "email_verified": True}, 200),
        ({"email": "sam@clinic.example", "email_verified": False}, 403),
        ({"email": "sam@clinic.example", "email_verified": "true"}, 403),
        ({"email": "sam@clinic.example"}, 403),
        ({"email": "other@clinic.example", "email_verified": True}, 403),
        ({"email": ["sam@clinic.example"], "email_verified": True}, 403),
        ({"email": "\N{LATIN SMALL LETTER LONG S}am@clinic.example", "email_verified": True}, 403),
        ({}, 403),
    ],
)
def test_an_invited_address_must_be_verified(
    owner: Member, sign_in: SignIn, claims: Any, status: int
) -> None:
    invite(owner, email="sam@clinic.EXAMPLE")

    assert sign_in(owner.tenant, "sam", **claims).get("/me").status_code == status


def test_letters_that_become_others_in_lower_case_are_no_address() -> None:
    claims = {"email": "\N{KELVIN SIGN}ate@clinic.example", "email_verified": True}

    assert verified_email(claims) is None
    assert verified_email({**claims, "email": "Kate@clinic.example"}) == "Kate@clinic.example"


def test_an_invitation_is_of_one_tenant(
    owner: Member, make_tenant: MakeTenant, sign_in: SignIn, as_member: AsMember
) -> None:
    other = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    invitation = invite(owner, subject="ann")

    assert sign_in(other.tenant, "ann").get("/me").status_code == 403
    for path in (f"/invitations/{invitation['id']}", f"/invitations/{uuid4()}"):
        assert other.get(path).status_code == 404
        assert other.delete(path).status_code == 404
    assert sign_in(owner.tenant, "ann").get("/me").status_code == 200


def test_an_expired_invitation_is_none(owner: Member, sign_in: SignIn) -> None:
    first = invite(owner, subject="ann", valid_days=1)
    assert dt.datetime.fromisoformat(first["expires_at"]) < dt.datetime.now(dt.UTC) + dt.timedelta(
        days=1
    )
    expire(owner)

    assert sign_in(owner.tenant, "ann").get("/me").status_code == 403
    second = invite(owner, subject="ann")
    assert [each["id"] for each in owner.get("/invitations").json["data"]] == [second["id"]]
    assert sign_in(owner.tenant, "ann").get("/me").status_code == 200


def test_a_withdrawn_invitation_is_none(app: Flask, owner: Member, sign_in: SignIn) -> None:
    invitation = invite(owner, subject="ann")

    assert owner.delete(f"/invitations/{invitation['id']}").status_code == 204

    assert sign_in(owner.tenant, "ann").get("/me").status_code == 403
    assert indexed(app, owner.tenant.id) == set()


def test_an_invitation_grants_only_what_its_inviter_still_has(
    owner: Member, as_member: AsMember, sign_in: SignIn
) -> None:
    admin = as_member(owner.tenant)
    invite(admin, subject="ann", role="admin")
    invite(admin, subject="bob", role="viewer")
    path = f"/members/{id_of(admin)}"
    owner.patch(path, json={"role": "viewer", "phi_level": "limited"})

    assert sign_in(owner.tenant, "ann").get("/me").status_code == 403
    assert sign_in(owner.tenant, "bob").get("/me").json["role"] == "viewer"
    invite(owner, subject="eve", role="viewer")
    owner.delete(path)
    assert sign_in(owner.tenant, "ann").get("/me").status_code == 403
    assert sign_in(owner.tenant, "eve").get("/me").status_code == 200


def test_an_invitation_is_accepted_once(owner: Member, sign_in: SignIn) -> None:
    """The first requests of a web app come together."""
    invite(owner, subject="ann")
    barrier, ids = Barrier(4), []

    def ask() -> None:
        person = sign_in(owner.tenant, "ann")
        barrier.wait()
        ids.append(person.get("/me").json.get("id"))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    subjects = [each["subject"] for each in owner.get("/members").json["data"]]
    assert subjects.count("ann") == 1
    assert len(set(ids)) == 1
    assert None not in ids


def test_a_refused_request_accepts_nothing(owner: Member, sign_in: SignIn) -> None:
    invitation = invite(owner, subject="ann", role="viewer")
    person = sign_in(owner.tenant, "ann")

    assert code_of(person.post("/sites", json={"name": "X"})) == (403, "missing_permission")

    assert owner.get(f"/invitations/{invitation['id']}").status_code == 200
    assert person.get("/me").status_code == 200


def test_the_plans_members_are_counted_at_the_acceptance(
    owner: Member, sign_in: SignIn, allow: Allow
) -> None:
    invite(owner, subject="ann")
    allow(owner.tenant, members=1)

    assert code_of(sign_in(owner.tenant, "ann").get("/me")) == (403, "quota_exceeded")

    allow(owner.tenant, members=2)
    assert sign_in(owner.tenant, "ann").get("/me").status_code == 200


def test_an_acceptance_is_recorded(owner: Member, sign_in: SignIn) -> None:
    invitation = invite(owner, subject="ann")
    person = sign_in(owner.tenant, "ann").get("/me").json

    entry = next(
        each
        for each in owner.get("/audit").json["data"]
        if each["route"] == "GET /api/v1/me" and each["change_count"]
    )

    assert entry["member"]["id"] == person["id"]
    assert {(each["table"], each["row_id"]) for each in entry["changes"]} == {
        ("invitation", invitation["id"]),
        ("member", person["id"]),
    }


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({}, "/subject"),
        ({"subject": "ann", "email": "ann@clinic.example"}, "/subject"),
        ({"email": "ann"}, "/email"),
        ({"email": "\N{KELVIN SIGN}ate@clinic.example"}, "/email"),
        ({"subject": "ann", "issuer": "https://unknown.example"}, "/issuer"),
        ({"subject": "ann", "site_ids": [str(uuid4())]}, "/site_ids"),
        ({"subject": "ann", "valid_days": 31}, "/valid_days"),
        ({"subject": "ann", "role": "superuser"}, "/role"),
    ],
)
def test_wrong_invitations_are_refused(owner: Member, changes: Any, pointer: str) -> None:
    refused = owner.post("/invitations", json={"role": "viewer", **changes})

    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json["errors"]] == [pointer]


def test_a_person_is_invited_once(owner: Member, as_member: AsMember) -> None:
    ann = as_member(owner.tenant, Role.VIEWER)
    invite(owner, subject="bob")
    invite(owner, email="sam@clinic.example")

    for person in ({"subject": ann.subject}, {"subject": "bob"}, {"email": "SAM@clinic.example"}):
        refused = owner.post("/invitations", json={"role": "viewer", **person})
        assert code_of(refused) == (409, "already_exists")
        known = "a member already" if person.get("subject") == ann.subject else "withdraw it"
        assert known in refused.json["detail"]


def test_the_index_of_invited_persons_can_be_rebuilt(app: Flask, owner: Member) -> None:
    invite(owner, subject="ann")
    with app.app_context(), catalog_transaction() as session:
        for each in session.scalars(
            select(InvitationIndex).where(InvitationIndex.tenant_id == owner.tenant.id)
        ):
            session.delete(each)
    with app.app_context(), tenant_context(owner.tenant.slug):
        rewrite_index()

    assert indexed(app, owner.tenant.id) == {"ann"}
