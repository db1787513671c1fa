"""Definitions of custom fields: who may change them, and what never changes."""

from typing import Any

import pytest
from custom_definitions import add_patient, define
from members import AsMember, Member

from trially.auth.roles import Role
from trially.recruiting.custom_fields.defining import MOST_FIELDS
from trially.tenancy.catalog import Tenant


@pytest.fixture
def member(as_member: AsMember, tenant: Tenant) -> Member:
    return as_member(tenant)


def test_a_field_of_patients_is_an_identifier_unless_it_says_otherwise(member: Member) -> None:
    secret = define(member, name="nickname")
    shown = define(member, name="cohort", phi="none")
    of_studies = define(member, name="nickname", resource="study")

    assert [each["phi"] for each in (secret, shown, of_studies)] == ["identifier", "none", "none"]
    assert member.get(f"/custom-fields/{secret['id']}").json == secret
    fields = member.get("/custom-fields?resource=patient").json["data"]
    assert [each["name"] for each in fields] == ["nickname", "cohort"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "Nickname"}, "/name"),
        ({"name": "1st"}, "/name"),
        ({"name": "a" * 41}, "/name"),
        ({"type": "list"}, "/type"),
        ({"resource": "record"}, "/resource"),
        ({"type": "choice"}, "/choices"),
        ({"type": "choice", "choices": ["A", "A"]}, "/choices"),
        ({"choices": ["A"]}, "/choices"),
        ({"resource": "site", "phi": "identifier"}, "/phi"),
        ({"is_used": True}, "/is_used"),
    ],
)
def test_a_field_that_makes_no_sense_is_refused(
    member: Member, body: dict[str, Any], pointer: str
) -> None:
    whole = {"resource": "patient", "name": "nickname", "label": "N", "type": "text", **body}

    answer = member.post("/custom-fields", json=whole)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_name_is_used_once_for_each_resource(member: Member) -> None:
    define(member, name="code")
    define(member, name="code", resource="study")

    again = member.post(
        "/custom-fields",
        json={"resource": "study", "name": "code", "label": "Again", "type": "text"},
    )

    assert (again.status_code, again.json["errors"][0]["pointer"]) == (409, "/name")


def test_name_type_and_resource_never_change(member: Member) -> None:
    path = f"/custom-fields/{define(member, name='code')['id']}"

    refused = [
        member.patch(path, json=change)
        for change in ({"name": "other"}, {"type": "number"}, {"resource": "study"})
    ]
    changed = member.patch(path, json={"label": "Code of the ward", "phi": "none"})

    assert [answer.status_code for answer in refused] == [422, 422, 422]
    assert (changed.status_code, changed.json["label"]) == (200, "Code of the ward")
    assert changed.json["type"] == "text"


def test_choices_stay_fitting(member: Member) -> None:
    path = f"/custom-fields/{define(member, name='arm', type='choice', choices=['A'])['id']}"

    emptied = member.patch(path, json={"choices": []})
    added = member.patch(path, json={"choices": ["A", "B"]})

    assert (emptied.status_code, emptied.json["errors"][0]["pointer"]) == (422, "/choices")
    assert added.json["choices"] == ["A", "B"]


def test_an_outdated_version_changes_nothing(member: Member) -> None:
    path = f"/custom-fields/{define(member, name='code')['id']}"
    member.patch(path, json={"label": "Newer"})

    stale = member.patch(path, json={"label": "Older"}, headers={"If-Match": '"1"'})
    unnamed = member.request("DELETE", path)

    assert (stale.status_code, unnamed.status_code) == (412, 428)


def test_a_field_that_has_had_a_value_cannot_be_deleted(member: Member) -> None:
    used, unused = define(member, name="used"), define(member, name="unused")
    patient = add_patient(member, custom={"used": "once"})
    member.patch(f"/patients/{patient['id']}", json={"custom": {"used": None, "unused": None}})

    refused = member.delete(f"/custom-fields/{used['id']}")
    deleted = member.delete(f"/custom-fields/{unused['id']}")

    assert (refused.status_code, deleted.status_code) == (409, 204)
    assert member.get(f"/custom-fields/{used['id']}").json["is_used"] is True
    assert member.delete(f"/custom-fields/{unused['id']}").status_code == 404


def test_a_resource_has_a_bounded_number_of_fields(member: Member) -> None:
    for number in range(MOST_FIELDS):
        define(member, name=f"field_{number}")

    refused = member.post(
        "/custom-fields",
        json={"resource": "patient", "name": "another", "label": "A", "type": "text"},
    )

    assert refused.status_code == 409
    define(member, name="another", resource="site")


def test_only_owners_and_admins_define_fields(as_member: AsMember, tenant: Tenant) -> None:
    body = {"resource": "patient", "name": "code", "label": "Code", "type": "text"}
    statuses = {
        role: as_member(tenant, role).post("/custom-fields", json={**body, "name": f"by_{role}"})
        for role in Role
    }

    assert {role for role, answer in statuses.items() if answer.status_code == 201} == {
        Role.OWNER,
        Role.ADMIN,
    }
    assert all(as_member(tenant, role).get("/custom-fields").status_code == 200 for role in Role)
