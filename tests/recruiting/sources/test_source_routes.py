"""Sources of records, and how they are configured."""

import pytest
from members import AsMember, MakeTenant, Member

from trially.auth.roles import PhiLevel, Role


def test_a_source_is_created_shown_listed_and_changed(member: Member) -> None:
    body = {"name": "epic", "base_url": "http://EHR.example/fhir/", "mrn_system": "urn:oid:1.2.3"}
    answer = member.post("/sources", json=body)
    source = answer.json

    assert answer.status_code == 201
    assert source == {
        "id": source["id"],
        "etag": '"1"',
        "name": "epic",
        "base_url": "https://ehr.example/fhir",
        "mrn_system": "urn:oid:1.2.3",
        "time_zone": None,
        "column_mapping": None,
        "created_at": source["created_at"],
        "updated_at": source["created_at"],
    }
    path = f"/sources/{source['id']}"
    changed = member.patch(path, json={"mrn_system": None, "time_zone": "America/Chicago"}).json
    assert changed == {
        **source,
        "etag": '"2"',
        "mrn_system": None,
        "time_zone": "America/Chicago",
        "updated_at": changed["updated_at"],
    }
    member.post("/sources", json={"name": "cerner"})
    assert member.get("/sources?name=epic").json["data"] == [changed]
    names = [each["name"] for each in member.get("/sources?sort=name").json["data"]]
    assert names == ["cerner", "epic"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "manual"),
        ("name", ""),
        ("base_url", "ehr.example/fhir"),
        ("base_url", "ftp://ehr.example/fhir"),
        ("base_url", "https://user:secret@ehr.example/fhir"),
        ("base_url", "https://ehr.example/fhir?x=1"),
        ("base_url", "https://ehr.example:99999/fhir"),
        ("time_zone", "Chicago"),
        ("time_zone", "../../etc/passwd"),
    ],
)
def test_bad_values_are_refused(shared_member: Member, field: str, value: str) -> None:
    answer = shared_member.post("/sources", json={"name": "epic", field: value})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/{field}"]


def test_a_column_mapping_is_refused_with_a_pointer_to_each_wrong_part(
    shared_member: Member,
) -> None:
    mapping = {
        "labs": {"columns": {"sex": "S"}, "dates": ["DD/MM/YYYY", "DD/MM"], "decimal": ","},
        "patients": {"values": {"sex": {"1": 2}}, "time_zone": "Mars"},
        "letters": {},
    }
    answer = shared_member.post("/sources", json={"name": "kis", "column_mapping": mapping})

    assert answer.status_code == 422
    assert sorted(error["pointer"] for error in answer.json["errors"]) == [
        "/column_mapping/labs/columns/sex",
        "/column_mapping/labs/dates/1",
        "/column_mapping/letters",
        "/column_mapping/patients/time_zone",
        "/column_mapping/patients/values/sex/1",
    ]


def test_a_name_is_given_once(member: Member) -> None:
    member.post("/sources", json={"name": "epic"})

    again = member.post("/sources", json={"name": "epic"})

    assert again.status_code == 409
    assert again.json["errors"] == [
        {"pointer": "/name", "detail": "There is a source of this name already."}
    ]


@pytest.mark.parametrize("field", ["name", "base_url"])
def test_what_keys_depend_on_never_changes(member: Member, field: str) -> None:
    source = member.post("/sources", json={"name": "epic"}).json

    answer = member.patch(f"/sources/{source['id']}", json={field: "https://b.example"})

    assert answer.status_code == 422
    assert member.get(f"/sources/{source['id']}").json == source


def test_a_member_restricted_to_sites_and_another_tenant_see_no_source(
    member: Member, as_member: AsMember, make_tenant: MakeTenant
) -> None:
    source = member.post("/sources", json={"name": "epic"}).json
    site = member.post("/sites", json={"name": "Main"}).json
    stranger = as_member(make_tenant())
    restricted = as_member(member.tenant, Role.COORDINATOR, site_ids=[site["id"]])
    viewer = as_member(member.tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    assert stranger.get(f"/sources/{source['id']}").status_code == 404
    assert stranger.get("/sources").json["data"] == []
    assert restricted.get("/sources").status_code == 403
    assert viewer.get(f"/sources/{source['id']}").json == source
    assert viewer.patch(f"/sources/{source['id']}", json={"mrn_system": None}).status_code == 403
