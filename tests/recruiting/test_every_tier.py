"""The main requests of the API, in each tier, directly and through a pooler."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member

from trially.auth.roles import Role
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

UPLOAD = b"""\
{"resourceType": "Patient", "id": "p-1", "name": [{"family": "Imported"}]}
{"resourceType": "Observation", "id": "o-1", "status": "final", "code": {"coding": \
[{"system": "http://loinc.org", "code": "4548-4"}]}, "subject": {"reference": "Patient/p-1"}, \
"effectiveDateTime": "2024-05-01", "valueQuantity": {"value": 7.2, "unit": "%"}}
"""
PATIENT = {"given_name": "Ada", "family_name": "Example", "birth_date": "1960-05-17"}


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    """A tenant with a neighbour in the same tier."""
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture(scope="module", params=["direct", "pooler"])
def member(
    request: pytest.FixtureRequest, app: Flask, tenant: Tenant, as_member: AsMember
) -> Member:
    """An administrator whose transactions go to the server or through the pooler."""
    direct = as_member(tenant)
    if request.param == "direct":
        return direct
    request.getfixturevalue("pooler").learn_roles()
    return direct.through(request.getfixturevalue("pooled_app"))


def add_patient(member: Member, **values: Any) -> dict[str, Any]:
    answer = member.post(
        "/patients", json={"mrn": str(uuid4()), **PATIENT, "sex": "other"} | values
    )
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def test_me_shows_tenant_and_role(member: Member, tenant: Tenant) -> None:
    me = member.get("/me").json

    assert me["tenant"]["slug"] == tenant.slug
    assert me["role"] == "admin"


def test_a_patient_is_created_read_changed_and_deleted(member: Member) -> None:
    created = add_patient(member)
    path = f"/patients/{created['id']}"

    shown = member.get(path)
    changed = member.patch(path, json={"phone": "+1 555 0100"})
    stale = member.patch(path, json={"phone": "X"}, headers={"If-Match": shown.headers["ETag"]})
    deleted = member.delete(path)

    assert shown.json == created
    assert (changed.status_code, changed.json["phone"]) == (200, "+1 555 0100")
    assert stale.status_code == 412
    assert (deleted.status_code, member.get(path).status_code) == (204, 404)


def test_lists_are_paged_and_searched(member: Member) -> None:
    family = f"Paged {uuid4().hex[:8]}"
    created = {add_patient(member, family_name=family)["id"] for _ in range(3)}

    query, ids = {"family_name": family, "limit": 2}, []
    while True:
        page = member.post("/patients/search", json=query).json
        ids += [patient["id"] for patient in page["data"]]
        if not page["page"]["has_more"]:
            break
        query["cursor"] = page["page"]["next"]

    assert len(ids) == 3
    assert set(ids) == created
    assert created <= {one["id"] for one in member.get("/patients?limit=200").json["data"]}
    assert member.get("/patients/count").json["count"] >= 3


def test_violated_constraints_are_answered(member: Member) -> None:
    created = add_patient(member)

    again = member.post("/patients", json={**PATIENT, "mrn": created["mrn"], "sex": "other"})
    nowhere = member.post(
        "/patients", json={**PATIENT, "mrn": "X", "sex": "other", "site_id": str(uuid4())}
    )

    assert (again.status_code, nowhere.status_code) == (409, 422)
    assert nowhere.json["errors"][0]["pointer"] == "/site_id"


def test_a_request_sent_again_has_no_second_effect(member: Member) -> None:
    request = {"json": {"name": str(uuid4())}, "headers": {"Idempotency-Key": str(uuid4())}}

    first, second = member.post("/sites", **request), member.post("/sites", **request)

    assert (first.status_code, first.data) == (201, second.data)
    assert second.headers["Idempotency-Replayed"] == "true"


def test_records_are_imported_once(member: Member) -> None:
    answers = [
        member.post(f"/imports?source={source}", data=UPLOAD, content_type="application/ndjson")
        for source in ("s-1", "s-1")
    ]
    patients = member.post("/patients/search", json={"family_name": "Imported"}).json["data"]
    records = member.get(f"/patients/{patients[0]['id']}/records").json["data"]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json["state"] == "done"
    assert answers[1].json["counts"]["Observation"].get("new", 0) == 0
    assert len(patients) == 1
    assert [record["code"] for record in records] == ["4548-4"]
    assert member.get(f"/patients/{patients[0]['id']}/timeline").json["data"]


def test_members_have_their_roles(member: Member, tenant: Tenant, as_member: AsMember) -> None:
    viewer = as_member(tenant, Role.VIEWER)
    subjects = {one["subject"] for one in member.get("/members?limit=200").json["data"]}

    assert {member.subject, viewer.subject} <= subjects
    assert viewer.post("/sites", json={"name": "X"}).status_code == 403


def test_studies_and_sites_are_read_back(member: Member) -> None:
    study = member.post("/studies", json={"protocol_number": str(uuid4()), "title": "T"}).json
    site = member.post("/sites", json={"name": str(uuid4())}).json
    patient = add_patient(member, site_id=site["id"])

    assert member.get(f"/studies/{study['id']}").json == study
    assert member.get(f"/patients/count?site_id={site['id']}").json == {"count": 1}
    assert member.get(f"/patients/{patient['id']}").json["site_id"] == site["id"]
