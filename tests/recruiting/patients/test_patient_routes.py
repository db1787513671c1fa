"""Patients: entered, shown, changed and removed."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from members import Member

PATIENT = {
    "mrn": "MRN-1",
    "given_name": "Ada",
    "family_name": "Example",
    "birth_date": "1960-05-17",
    "sex": "female",
}
CANARY = "CANARY-7f3a"


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in answer.json["errors"]]


def test_a_patient_is_added_and_shown(member: Member) -> None:
    answer = member.post("/patients", json=PATIENT)
    patient = answer.json

    assert answer.status_code == 201
    patient_id = patient["id"]
    assert UUID(patient_id).version == 7
    assert patient["created_at"] == patient["updated_at"]
    assert patient["created_at"].endswith("Z")
    assert (
        patient.items()
        >= {
            **PATIENT,
            "birth_date_precision": "day",
            "gender_identity": None,
            "race": None,
            "ethnicity": None,
            "language": None,
            "phone": None,
            "email": None,
            "address": None,
            "deceased": False,
            "deceased_at": None,
            "contact_preference": "ok",
            "site_id": None,
            "source": "manual",
            "last_encounter_on": None,
            "clinical_version": 1,
        }.items()
    )
    assert member.get(f"/patients/{patient_id}").json == patient
    assert member.get("/patients").json == {
        "data": [patient],
        "page": {"next": None, "has_more": False},
    }


def test_all_that_can_be_said_of_a_patient_is_kept(member: Member) -> None:
    site = member.post("/sites", json={"name": "Main"}).json
    said = {
        **PATIENT,
        "given_name": "Zoë 😀 O'Brien; DROP TABLE patient;--",
        "gender_identity": "x",
        "race": "x",
        "ethnicity": "x",
        "language": "de-CH",
        "phone": "+1 (555) 0100",
        "email": "a@example.org",
        "address": {"line": "1 Road", "city": "Bern", "country": "CH"},
        "deceased": True,
        "deceased_at": "2020-01-01T12:00:00+02:00",
        "contact_preference": "no_contact",
        "site_id": site["id"],
    }

    patient = member.post("/patients", json=said).json

    assert {**patient, **said} == {**patient, "deceased_at": said["deceased_at"]}
    assert patient["deceased_at"] == "2020-01-01T10:00:00Z"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"mrn": ""}, "/mrn"),
        ({"mrn": None}, "/mrn"),
        ({"mrn": "x" * 129}, "/mrn"),
        ({"mrn": "a\x00b"}, "/mrn"),
        ({"mrn": 10**30}, "/mrn"),
        ({"mrn": ["a"]}, "/mrn"),
        ({"given_name": " "}, "/given_name"),
        ({"birth_date": "0000-00-00"}, "/birth_date"),
        ({"birth_date": "1849-12-31"}, "/birth_date"),
        ({"birth_date": "9999-12-31"}, "/birth_date"),
        ({"birth_date": "2023-02-29"}, "/birth_date"),
        ({"birth_date": 19600517}, "/birth_date"),
        ({"birth_date": "1960-05-17T00:00:00Z"}, "/birth_date"),
        ({"sex": "F"}, "/sex"),
        ({"sex": None}, "/sex"),
        ({"deceased": "yes"}, "/deceased"),
        ({"deceased": 1}, "/deceased"),
        ({"deceased": 0.0}, "/deceased"),
        ({"deceased_at": "0001-01-01T00:00:00+14:00"}, "/deceased_at"),
        ({"deceased_at": "9999-12-31T23:59:59-14:00"}, "/deceased_at"),
        ({"deceased_at": "2020-01-01T00:00:00+99:99"}, "/deceased_at"),
        ({"contact_preference": None}, "/contact_preference"),
        ({"site_id": "Main"}, "/site_id"),
        ({"site_id": 1}, "/site_id"),
        ({"address": "1 Road"}, "/address/_schema"),
        ({"address": {"town": "Bern"}}, "/address/town"),
        ({"address": {"city": {"a": 1}}}, "/address/city"),
        ({"nickname": "A"}, "/nickname"),
        ({"a/b~c": "A"}, "/a~1b~0c"),
        ({"id": str(uuid4())}, "/id"),
        ({"tenant_id": str(uuid4())}, "/tenant_id"),
        ({"source": "fhir"}, "/source"),
        ({"source_id": "1"}, "/source_id"),
        ({"clinical_version": 9}, "/clinical_version"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "/created_at"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    shared_member: Member, wrong: dict[str, Any], pointer: str
) -> None:
    pointer = pointer.removesuffix("/_schema")

    created = shared_member.post("/patients", json={**PATIENT, **wrong})
    changed = shared_member.patch(f"/patients/{uuid4()}", json=wrong)

    for answer in (created, changed):
        assert answer.status_code == 422
        assert pointers(answer) == [pointer]
    assert shared_member.get("/patients").json["data"] == []


@pytest.mark.parametrize("missing", list(PATIENT))
def test_what_is_required_is_missed(shared_member: Member, missing: str) -> None:
    body = {name: value for name, value in PATIENT.items() if name != missing}

    assert pointers(shared_member.post("/patients", json=body)) == [f"/{missing}"]


def test_an_mrn_is_given_once(member: Member, make_patient: Callable[..., Any]) -> None:
    holder = make_patient(member, mrn=CANARY, family_name="Somebody")
    other = make_patient(member)

    answers = [
        member.post("/patients", json={**PATIENT, "mrn": CANARY}),
        member.patch(f"/patients/{other['id']}", json={"mrn": CANARY}),
    ]

    for answer in answers:
        assert answer.status_code == 409
        assert answer.json["errors"] == [
            {"pointer": "/mrn", "detail": "There is a patient with this MRN already."}
        ]
        for leaked in (CANARY, "Somebody", "uq_", "_tenant_id", "DETAIL", "psycopg", "SELECT"):
            assert leaked not in answer.text
        assert answer.json["patient_id"] == holder["id"]
    assert member.get(f"/patients/{other['id']}").json == other


def test_a_site_must_be_there(member: Member, make_patient: Callable[..., Any]) -> None:
    patient = make_patient(member)
    missing = str(uuid4())

    answers = [
        member.post("/patients", json={**PATIENT, "site_id": missing}),
        member.patch(f"/patients/{patient['id']}", json={"site_id": missing}),
    ]

    for answer in answers:
        assert answer.status_code == 422
        assert answer.json["errors"] == [
            {"pointer": "/site_id", "detail": "There is no such site."}
        ]
        assert missing not in answer.text


def test_a_patch_changes_what_it_names(member: Member, make_patient: Callable[..., Any]) -> None:
    patient = make_patient(member, phone="1", email="a@example.org", address={"city": "Bern"})

    changed = member.patch(
        f"/patients/{patient['id']}", json={"phone": None, "email": "b@example.org"}
    ).json

    assert changed == {
        **patient,
        "phone": None,
        "email": "b@example.org",
        "clinical_version": patient["clinical_version"] + 1,
        "etag": '"2"',
        "updated_at": changed["updated_at"],
    }
    assert changed["updated_at"] > patient["updated_at"]
    assert member.get(f"/patients/{patient['id']}").json == changed


def test_an_address_is_patched_member_by_member(
    member: Member, make_patient: Callable[..., Any]
) -> None:
    path = f"/patients/{make_patient(member)['id']}"

    def patched(address: Any) -> Any:
        return member.patch(path, json={"address": address}).json["address"]

    assert patched({"city": "Bern", "line": "1 Road"}) == {"city": "Bern", "line": "1 Road"}
    assert patched({"line": None, "state": "BE"}) == {"city": "Bern", "state": "BE"}
    assert patched({}) == {"city": "Bern", "state": "BE"}
    assert patched(None) is None
    assert patched({"city": "Basel", "line": None}) == {"city": "Basel"}


def test_a_patch_leaves_alone_what_of_an_address_it_does_not_name(
    member: Member, make_patient: Callable[..., Any]
) -> None:
    # Imports write what is not known as null.
    patient = make_patient(member, address={"city": "Bern", "state": None})

    patched = member.patch(
        f"/patients/{patient['id']}", json={"address": {"city": None, "country": "CH"}}
    )

    assert patched.json["address"] == {"state": None, "country": "CH"}


def test_a_patient_who_is_not_there_is_not_found(member: Member) -> None:
    path = f"/patients/{uuid4()}"

    for answer in (
        member.get(path),
        member.patch(path, json={"phone": "1"}),
        member.patch(path, json={"address": {"city": "Bern"}}),
        member.delete(path),
        member.get(f"{path}/records"),
        member.get(f"{path}/timeline"),
    ):
        assert answer.status_code == 404
        assert answer.json["detail"] == "There is no such patient."


def test_removing_a_patient_removes_their_records(
    member: Member, make_patient: Callable[..., Any], make_fact: Callable[..., str]
) -> None:
    patient, other = make_patient(member), make_patient(member)
    make_fact(member.tenant, patient["id"])
    make_fact(member.tenant, other["id"])

    answer = member.delete(f"/patients/{patient['id']}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert member.get(f"/patients/{patient['id']}").status_code == 404
    assert member.get(f"/patients/{patient['id']}/records").status_code == 404
    assert member.delete(f"/patients/{patient['id']}").status_code == 404
    assert len(member.get(f"/patients/{other['id']}/records").json["data"]) == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "", "*/*"])
def test_a_patch_has_its_own_type(shared_member: Member, content_type: str) -> None:
    answer = shared_member.patch(
        f"/patients/{uuid4()}", data=b"{}", headers={"Content-Type": content_type}
    )

    assert answer.status_code == 415
    assert answer.json["detail"] == "The body must be application/merge-patch+json."


def test_a_body_may_not_be_huge(shared_member: Member) -> None:
    answer = shared_member.post("/patients", json={**PATIENT, "phone": "1" * 10_000_000})

    assert answer.status_code == 413


def test_other_methods_and_spellings(shared_member: Member) -> None:
    head, options = (shared_member.request(method, "/patients") for method in ("HEAD", "OPTIONS"))

    assert (head.status_code, head.data) == (200, b"")
    assert options.status_code == 200
    assert {"GET", "HEAD", "OPTIONS", "POST"} == set(options.headers["Allow"].split(", "))
    assert shared_member.get("/patients/").status_code == 200
    assert shared_member.request("PUT", "/patients").status_code == 405
    for path in ("/patients/1", "/patients/me", "/patients/../me", "/Patients", "/patients/%00"):
        answer = shared_member.get(path)
        assert answer.status_code == 404, path
        assert answer.content_type == "application/problem+json"
