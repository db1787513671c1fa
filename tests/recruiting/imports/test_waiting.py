"""Facts wait for a patient that a later import of their source brings."""

import json
from typing import Any

import pytest

from tests.conftest import AsMember, MakeTenant, Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import Importer, upload, write_ndjson
from trially.auth.roles import PhiLevel, Role
from trially.recruiting.imports.limits import ImportLimits

KEPT = "SELECT source, source_id, patient_key FROM waiting_fact ORDER BY source, source_id"


def counts_of(job: Any, kind: str = "Observation") -> dict[str, int]:
    return {name: number for name, number in job["counts"][kind].items() if number}


def test_facts_are_written_when_a_later_import_brings_their_patient(
    member: Member, importer: Importer
) -> None:
    facts = write_ndjson(*(make_observation(number, number % 2) for number in range(6)))

    first = upload(member, facts, query="?source=north").json
    elsewhere = upload(member, write_ndjson(make_patient(1)), query="?source=south").json
    second = upload(member, write_ndjson(make_patient(1)), query="?source=north").json
    again = upload(member, facts, query="?source=north").json

    assert counts_of(first) == {"read": 6, "waiting": 6}
    assert (first["state"], first["error_count"], first["error_groups"]) == (
        "done",
        6,
        {"patient_missing": {"Observation": 6}},
    )
    assert counts_of(elsewhere, "Patient") == {"read": 1, "new": 1}
    assert counts_of(second) == {"new": 3, "resolved": 3}
    assert second["error_count"] == 0
    assert counts_of(again) == {"read": 6, "waiting": 3}
    ids = {patient["source"]: patient["id"] for patient in member.get("/patients").json["data"]}
    records = member.get(f"/patients/{ids['north']}/records").json["data"]
    assert len(records) == 3
    assert member.get(f"/patients/{ids['south']}/records").json["data"] == []
    assert importer.query(KEPT) == [("north", f"o{number}", "p0") for number in (0, 2, 4)]


def test_a_fault_names_the_record_and_the_patient_that_it_waits_for(member: Member) -> None:
    body = write_ndjson(*(make_observation(number, 9) for number in range(3)))

    job = upload(member, body).json

    errors = member.get(f"/imports/{job['id']}/errors").json["data"]
    assert [
        {name: error[name] for name in ("code", "resource_type", "resource_id", "missing_id")}
        for error in errors
    ] == [
        {
            "code": "patient_missing",
            "resource_type": "Observation",
            "resource_id": f"o{number}",
            "missing_id": "Patient/p9",
        }
        for number in range(3)
    ]


def test_the_last_version_waits_and_is_gone_when_a_later_one_is_written(
    importer: Importer,
) -> None:
    def observe(value: int, patient: int) -> dict[str, Any]:
        return make_observation(1, patient, valueQuantity={"value": value})

    importer(observe(1, 9))
    importer(observe(2, 9))
    assert len(importer.query(KEPT)) == 1

    importer(make_patient(1), observe(3, 1))
    assert importer.query(KEPT) == []

    importer(make_patient(9))
    assert importer.query("SELECT value_number FROM clinical_fact") == [(3,)]


def test_the_last_version_that_waits_is_written(importer: Importer) -> None:
    importer(make_observation(1, 9, valueQuantity={"value": 1}))
    importer(make_observation(1, 9, valueQuantity={"value": 2}))

    job = importer(make_patient(9))

    assert counts_of(job) == {"new": 1, "resolved": 1}
    assert importer.query("SELECT value_number FROM clinical_fact") == [(2,)]


MRN = "http://st-arden.example/mrn"


def identified(number: int, mrn: str) -> dict[str, Any]:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
    identifier = {"type": {"coding": [coding]}, "system": MRN, "value": mrn}
    return make_patient(number, identifier=[identifier])


@pytest.mark.parametrize(
    "subject",
    [
        {"identifier": {"system": MRN, "value": "L-1"}},
        {"reference": f"Patient?identifier={MRN}|L-1"},
        {"reference": "#pt"},
    ],
)
@pytest.mark.parametrize("order", ["patient first", "fact first", "fact in an import before"])
def test_a_reference_by_identifier_finds_the_patient(
    member: Member, subject: dict[str, Any], order: str
) -> None:
    patient = identified(1, "L-1")
    inside = {**identified(5, "L-1"), "id": "pt"}
    fact = make_observation(1, 1) | {"subject": subject, "contained": [inside]}
    other = identified(2, "L-2")
    contents = {
        "patient first": [write_ndjson(patient, other, fact)],
        "fact first": [write_ndjson(other, fact, patient)],
        "fact in an import before": [write_ndjson(fact, other), write_ndjson(patient)],
    }

    jobs = [upload(member, content).json for content in contents[order]]

    assert jobs[-1]["error_count"] == 0
    ids = {patient["mrn"]: patient["id"] for patient in member.get("/patients").json["data"]}
    assert set(ids) == {"L-1", "L-2"}
    assert len(member.get(f"/patients/{ids['L-1']}/records").json["data"]) == 1
    assert member.get(f"/patients/{ids['L-2']}/records").json["data"] == []


def test_a_patient_that_only_a_record_contains_is_named(member: Member) -> None:
    inside = {**identified(5, "L-1"), "id": "pt"}
    fact = make_observation(1, 1) | {"subject": {"reference": "#pt"}, "contained": [inside]}

    job = upload(member, write_ndjson(fact)).json

    (error,) = member.get(f"/imports/{job['id']}/errors").json["data"]
    assert error["missing_id"] == f"Patient?identifier={MRN}|L-1"
    assert error["reason"].startswith("No patient of this source, or more than one, has the")


def test_waiting_facts_are_bounded(importer: Importer) -> None:
    limits = ImportLimits(most_waiting_facts=2)

    first = importer(*(make_observation(number, 9) for number in range(3)), limits=limits)
    second = importer(
        *(make_observation(number, 9) for number in range(1, 5)), make_patient(1), limits=limits
    )

    assert counts_of(first) == {"read": 2, "waiting": 2}
    assert first["error_groups"] == {
        "too_many_waiting": {"Observation": 1},
        "patient_missing": {"Observation": 2},
    }
    assert len(importer.query(KEPT)) == 2
    # One fact waited before and is read again, and three more find no room.
    assert (second["error_count"], second["refused_count"]) == (4, 3)


def test_waiting_facts_expire_by_choice(importer: Importer) -> None:
    importer(make_observation(1, 9), make_observation(2, 8))
    importer.query(
        "UPDATE waiting_fact SET waiting_since = now() - interval '31 days' WHERE source_id = 'o1'"
    )

    importer(make_patient(1))
    assert len(importer.query(KEPT)) == 2

    importer(make_patient(2), limits=ImportLimits(most_waiting_days=30))
    assert importer.query(KEPT) == [("fhir", "o2", "p8")]


def test_waiting_facts_are_listed_and_deleted(
    member: Member, importer: Importer, run_command: Any
) -> None:
    slug = importer.tenant.slug
    for source in ("north", "south"):
        upload(member, write_ndjson(make_observation(1, 9)), query=f"?source={source}")

    listed = member.get("/imports/waiting?source=north").json["data"]
    assert [(each["source_id"], each["patient_key"]) for each in listed] == [("o1", "p9")]

    assert member.delete(f"/imports/{listed[0]['import_id']}").status_code == 204
    assert importer.query(KEPT) == [("south", "o1", "p9")]

    shown = json.loads(run_command("imports", "waiting", slug, "--json").stdout)
    assert [each["source"] for each in shown] == ["south"]
    kept = run_command("imports", "forget", slug, "south", "--older-than", "1", "--json")
    assert json.loads(kept.stdout)["deleted"] == 0
    result = run_command("imports", "forget", slug, "south", "--yes")
    assert result.stdout.strip().endswith("Deleted 1 record that waited for a patient.")
    assert importer.query(KEPT) == []


def test_nobody_else_sees_waiting_facts(
    importer: Importer, member: Member, as_member: AsMember, make_tenant: MakeTenant
) -> None:
    upload(member, write_ndjson(make_observation(1, 9)))
    other = as_member(make_tenant())
    viewer = as_member(importer.tenant, Role.VIEWER, phi_level=PhiLevel.LIMITED)

    assert other.get("/imports/waiting").json["data"] == []
    (shown,) = viewer.get("/imports/waiting").json["data"]
    assert (shown["source_id"], shown["patient_key"], shown["file"]) == (None, None, None)
