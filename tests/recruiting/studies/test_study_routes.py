"""Studies."""

from typing import Any
from uuid import uuid4

import pytest
from members import Member

STUDY = {"protocol_number": "P-1", "title": "A study"}


def test_a_study_is_added_shown_and_changed(member: Member) -> None:
    answer = member.post("/studies", json={**STUDY, "phases": ["phase_2", "phase_3"]})
    study = answer.json

    assert answer.status_code == 201
    assert study == {
        **STUDY,
        "id": study["id"],
        "etag": '"1"',
        "nct_id": None,
        "sponsor": None,
        "phases": ["phase_2", "phase_3"],
        "study_type": "interventional",
        "status": "not_yet_recruiting",
        "conditions": [],
        "target_enrollment": None,
        "keywords": [],
        "interventions": [],
        "sex": None,
        "minimum_age": None,
        "maximum_age": None,
        "healthy_volunteers": None,
        "recruiting_status": "planned",
        "source": "manual",
        "custom": {},
        "created_at": study["created_at"],
        "updated_at": study["created_at"],
    }
    patch = {"status": "recruiting", "conditions": ["Diabetes"], "target_enrollment": 0}
    changed = member.patch(f"/studies/{study['id']}", json=patch).json
    assert changed == {**study, **patch, "etag": '"2"', "updated_at": changed["updated_at"]}
    assert member.get(f"/studies/{study['id']}").json == changed


def test_numbers_of_studies_are_given_once(member: Member) -> None:
    member.post("/studies", json={**STUDY, "nct_id": "NCT00000001"})
    cases = {
        "/protocol_number": {**STUDY, "nct_id": "NCT00000002"},
        "/nct_id": {"protocol_number": "P-2", "title": "B", "nct_id": "NCT00000001"},
    }

    for pointer, body in cases.items():
        answer = member.post("/studies", json=body)
        assert answer.status_code == 409
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_studies_are_listed_by_status_and_phase(member: Member) -> None:
    cases = [("recruiting", ["phase_1"]), ("recruiting", ["phase_1", "phase_2"]), ("completed", [])]
    for number, (status, phases) in enumerate(cases):
        body = {"protocol_number": f"P-{number}", "title": "X", "status": status, "phases": phases}
        assert member.post("/studies", json=body).status_code == 201

    def found(query: str) -> list[str]:
        return [study["protocol_number"] for study in member.get(f"/studies?{query}").json["data"]]

    assert found("") == ["P-0", "P-1", "P-2"]
    assert found("status=recruiting") == ["P-0", "P-1"]
    assert found("phase=phase_2") == ["P-1"]
    assert found("phase=phase_1&status=completed") == []
    assert member.get("/studies?phase=3").status_code == 400


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"protocol_number": "x" * 65}, "/protocol_number"),
        ({"title": None}, "/title"),
        ({"nct_id": "NCT1"}, "/nct_id"),
        ({"nct_id": "NCT00000001\n"}, "/nct_id"),
        ({"nct_id": "NCT0000000\u0661"}, "/nct_id"),
        ({"phases": "phase_1"}, "/phases"),
        ({"phases": ["phase_9"]}, "/phases/0"),
        ({"phases": ["phase_1"] * 6}, "/phases"),
        ({"phases": None}, "/phases"),
        ({"conditions": ["ok", ""]}, "/conditions/1"),
        ({"conditions": ["a\x00"]}, "/conditions/0"),
        ({"conditions": ["x"] * 101}, "/conditions"),
        ({"target_enrollment": -1}, "/target_enrollment"),
        ({"target_enrollment": 10**7 + 1}, "/target_enrollment"),
        ({"target_enrollment": 10**30}, "/target_enrollment"),
        ({"target_enrollment": 1.5}, "/target_enrollment"),
        ({"target_enrollment": "5"}, "/target_enrollment"),
        ({"target_enrollment": True}, "/target_enrollment"),
        ({"tenant_id": str(uuid4())}, "/tenant_id"),
        ({"recruiting_status": "open"}, "/recruiting_status"),
        ({"source": "ctgov"}, "/source"),
        ({"interventions": [{"type": "drug"}]}, "/interventions/0/name"),
        ({"minimum_age": "18 Years"}, "/minimum_age"),
        ({"minimum_age": "P18Y6M"}, "/minimum_age"),
        ({"maximum_age": "P1000Y"}, "/maximum_age"),
        ({"sex": "other"}, "/sex"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    shared_member: Member, wrong: dict[str, Any], pointer: str
) -> None:
    for answer in (
        shared_member.post("/studies", json={**STUDY, **wrong}),
        shared_member.patch(f"/studies/{uuid4()}", json=wrong),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_study_that_is_not_there_is_not_found(shared_member: Member) -> None:
    for answer in (
        shared_member.get(f"/studies/{uuid4()}"),
        shared_member.patch(f"/studies/{uuid4()}", json={"title": "X"}),
    ):
        assert answer.status_code == 404
        assert answer.json["detail"] == "There is no such study."


def test_recruiting_is_opened_paused_and_closed_apart_from_the_overall_status(
    member: Member,
) -> None:
    study = member.post("/studies", json={**STUDY, "status": "not_yet_recruiting"}).json
    path = f"/studies/{study['id']}/status"

    def set_status(status: str) -> Any:
        return member.post(path, json={"recruiting_status": status})

    statuses = [set_status(each).json["recruiting_status"] for each in ("open", "paused", "open")]
    unchanged = set_status("open")
    again = set_status("planned")

    assert statuses == ["open", "paused", "open"]
    assert unchanged.json["etag"] == '"4"'
    assert unchanged.json["status"] == "not_yet_recruiting"
    assert again.status_code == 409
    assert member.get("/studies?recruiting_status=open").json["data"] == [unchanged.json]
    assert member.get("/studies?status=recruiting").json["data"] == []
