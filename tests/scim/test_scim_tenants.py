"""Two tenants with the same names, subjects and even ids know nothing of each other."""

from typing import Any

from flask import Flask
from identity_providers import (
    IdentityProvider,
    SignIn,
    error_of,
    map_group,
    provider_of,
    set_up,
    shown,
    user,
    verified,
)
from members import AsMember, MakeTenant, Member
from sqlalchemy import text

from trially.auth.roles import Role
from trially.database.changes import note_derived
from trially.database.session import db, transaction
from trially.tenancy.context import tenant_context


def renumber(app: Flask, owner: Member, table: str, row_id: str, other_id: str) -> None:
    """Give a row of a tenant the id of another tenant's row."""
    with app.app_context(), tenant_context(owner.tenant.slug), transaction():
        db.session.execute(
            text(f"UPDATE {table} SET id = CAST(:other_id AS uuid) WHERE id = CAST(:id AS uuid)"),
            {"id": row_id, "other_id": other_id},
        )
        note_derived(table)


def fill(provider: IdentityProvider, title: str) -> tuple[str, str]:
    user_id = provider.add_user("ann", externalId="00u1", title=title)
    return user_id, provider.add_group("Nurses")


def test_tenants_share_ids(
    app: Flask,
    owner: Member,
    provider: IdentityProvider,
    make_tenant: MakeTenant,
    as_member: AsMember,
    sign_in: SignIn,
) -> None:
    other_owner = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    other = provider_of(other_owner)
    user_id, group_id = fill(provider, "Nurse")
    others_user, others_group = fill(other, "Doctor")
    for path in (f"/Users/{others_user}", f"/Groups/{others_group}"):
        assert error_of(provider.get(path)) == (404, None)
        assert error_of(provider.delete(path)) == (404, None)
    foreign = {"op": "add", "path": "members", "value": [{"value": others_user}]}
    assert error_of(provider.patch(f"/Groups/{group_id}", foreign)) == (400, "invalidValue")
    renumber(app, other_owner, "scim_user", others_user, user_id)
    renumber(app, other_owner, "scim_group", others_group, group_id)

    def titles() -> list[Any]:
        return [shown(each.get(f"/Users/{user_id}")).get("title") for each in (provider, other)]

    assert titles() == ["Nurse", "Doctor"]
    for query in ('userName eq "ann@clinic.example"', 'externalId eq "00u1"', f'id eq "{user_id}"'):
        for each, title in ((provider, "Nurse"), (other, "Doctor")):
            found = shown(each.get("/Users", query_string={"filter": query}))
            assert [one["title"] for one in found["Resources"]] == [title]
    for each, one in ((provider, owner), (other, other_owner)):
        set_up(one)
        joined = {"op": "add", "path": "members", "value": [{"value": user_id}]}
        shown(each.patch(f"/Groups/{group_id}", joined))
    shown(map_group(owner, group_id, "coordinator"))

    ann = sign_in(owner.tenant, "ann", **verified("ann"))
    assert shown(ann.get("/me"))["role"] == "coordinator"
    others_ann = sign_in(other_owner.tenant, "ann", **verified("ann"))
    assert others_ann.get("/me").status_code == 403
    shown(map_group(other_owner, group_id, "viewer"))
    assert shown(others_ann.get("/me"))["role"] == "viewer"

    changed = {"op": "replace", "value": {"active": False, "title": "Gone"}}
    shown(other.patch(f"/Users/{user_id}", changed))
    assert titles() == ["Nurse", "Gone"]
    assert shown(provider.get(f"/Users/{user_id}"))["active"] is True
    assert len(owner.get("/members").json["data"]) == 2
    assert len(other_owner.get("/members").json["data"]) == 1
    assert other.delete(f"/Groups/{group_id}").status_code == 204
    assert other.delete(f"/Users/{user_id}").status_code == 204
    assert len(shown(provider.get(f"/Groups/{group_id}"))["members"]) == 1
    other.post("/Users", user("ann", externalId="00u1"))
    assert shown(provider.get("/Users"))["totalResults"] == 1


def test_a_key_is_of_one_tenant(
    owner: Member, provider: IdentityProvider, make_tenant: MakeTenant
) -> None:
    other = make_tenant(owner.tenant.placement.tier)
    client = owner.app.test_client()
    headers = {"Authorization": f"Bearer {provider.member.token}"}

    answer = client.get(f"/{other.slug}/api/v1/scim/v2/Users", headers=headers)

    assert error_of(answer) == (403, None)
