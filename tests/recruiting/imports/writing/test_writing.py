"""Resources that a source sends again, changed, late or no longer."""

from typing import Any

import pytest

from tests.conftest import Member
from tests.recruiting.imports.fhir_examples import (
    CONDITION,
    ENCOUNTER,
    MEDICATION,
    OBSERVATION,
    PATIENT,
    PRESSURE,
    STATEMENT,
    concept,
)
from tests.recruiting.imports.importing import Importer

OTHER = {**PATIENT, "id": "p2", "identifier": [{"value": "M8"}]}
ABOUT_OTHER = {"subject": {"reference": "Patient/p2"}}
FACTS = "SELECT source_id, component FROM clinical_fact ORDER BY 1, 2"
DRUG = "SELECT code, display FROM clinical_fact WHERE type = 'medication'"


def count_written(job: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {kind: (n["read"], n["new"], n["changed"]) for kind, n in job["counts"].items()}


def test_a_changed_resource_increases_the_version_of_its_patient_only(importer: Importer) -> None:
    importer(PATIENT, OTHER, CONDITION, PRESSURE)
    before = importer.versions()

    job = importer(
        PATIENT,
        OTHER,
        {**CONDITION, "recordedDate": "2012"},
        {**PRESSURE, "issued": "2021-01-01T00:00:00Z"},
    )

    assert count_written(job) == {
        "Patient": (2, 0, 0),
        "Condition": (1, 0, 1),
        "Observation": (1, 0, 1),
    }
    assert importer.versions() == {"p1": before["p1"] + 1, "p2": before["p2"]}


def test_a_patient_and_their_facts_in_one_batch_increase_the_version_by_one(
    importer: Importer,
) -> None:
    importer(PATIENT, CONDITION)
    before = importer.versions()["p1"]

    importer({**PATIENT, "gender": "male"}, {**CONDITION, "recordedDate": "2012"})

    assert importer.versions() == {"p1": before + 1}
    assert importer.query("SELECT sex FROM patient") == [("male",)]


def test_a_component_that_the_source_removed_is_deleted(importer: Importer) -> None:
    importer(PATIENT, PRESSURE)
    before = importer.versions()["p1"]

    importer({**PRESSURE, "component": PRESSURE["component"][:1]})

    assert importer.query(FACTS) == [("o1", 0), ("o1", 1)]
    assert importer.versions() == {"p1": before + 1}


def test_a_record_entered_in_error_is_stored_and_marked(importer: Importer) -> None:
    importer(PATIENT, OBSERVATION)

    job = importer({**OBSERVATION, "status": "entered-in-error"})

    assert job["counts"]["Observation"] == {
        "read": 1,
        "new": 0,
        "changed": 1,
        "entered_in_error": 1,
        "waiting": 0,
        "resolved": 0,
        "stale": 0,
        "withdrawn": 0,
        "erased": 0,
    }
    assert importer.query("SELECT source_id, entered_in_error FROM clinical_fact") == [("o1", True)]


def test_an_encounter_entered_in_error_is_not_the_last_encounter(importer: Importer) -> None:
    earlier = {**ENCOUNTER, "id": "e0", "period": {"start": "2019-05-05T23:00:00-05:00"}}
    importer(PATIENT, ENCOUNTER, earlier)
    first = importer.value("SELECT last_encounter_on::text FROM patient")

    importer({**ENCOUNTER, "status": "entered-in-error"})

    assert first == "2020-01-01"
    assert (
        importer.value("SELECT last_encounter_on::text FROM patient") == "2019-05-05"
    )  # where the source is


def test_a_fact_that_moves_to_another_patient_increases_both_versions(importer: Importer) -> None:
    importer(PATIENT, OTHER, ENCOUNTER)
    before = importer.versions()

    importer({**ENCOUNTER, **ABOUT_OTHER})

    assert importer.versions() == {"p1": before["p1"] + 1, "p2": before["p2"] + 1}
    assert importer.query("SELECT source_id, last_encounter_on::text FROM patient ORDER BY 1") == [
        ("p1", None),
        ("p2", "2020-01-01"),
    ]


def test_values_that_no_source_has_survive_a_changed_import(
    importer: Importer, member: Member
) -> None:
    importer(PATIENT)
    patient_id = importer.value("SELECT id::text FROM patient")
    site = member.post("/sites", json={"name": "North"}).get_json()["id"]
    entered = {"site_id": site, "contact_preference": "no_sms"}
    assert member.patch(f"/patients/{patient_id}", json=entered).status_code == 200

    importer({**PATIENT, "gender": "male"})

    shown = member.get(f"/patients/{patient_id}").get_json()
    assert shown["sex"] == "male"
    assert {name: shown[name] for name in entered} == entered


def test_an_erased_patient_is_not_imported_again_from_any_file(
    importer: Importer, member: Member
) -> None:
    importer(PATIENT, PRESSURE)
    patient_id = importer.value("SELECT id::text FROM patient")
    assert member.delete(f"/patients/{patient_id}").status_code == 204

    again = importer(PATIENT, PRESSURE)
    changed = importer({**PATIENT, "gender": "male"}, {**OBSERVATION, "id": "o2"})
    elsewhere = importer(PATIENT, source="elsewhere")

    for job in (again, changed):
        assert count_written(job) == {"Patient": (1, 0, 0), "Observation": (1, 0, 0)}
        assert [counts["erased"] for counts in job["counts"].values()] == [1, 1]
        assert job["error_count"] == 0
    assert count_written(elsewhere) == {"Patient": (1, 1, 0)}
    assert importer.query("SELECT source FROM patient") == [("elsewhere",)]
    assert importer.value("SELECT count(*) FROM waiting_fact") == 0
    rows = importer.query("SELECT to_jsonb(erased_patient)::text FROM erased_patient")
    assert len(rows) == 3  # the key, and two identifiers
    for (row,) in rows:
        assert '"p1"' not in row
        assert "M7" not in row


def test_of_two_versions_of_a_resource_the_last_counts(importer: Importer) -> None:
    job = importer(PATIENT, OBSERVATION, {**OBSERVATION, "valueQuantity": {"value": 9}})

    assert count_written(job) == {"Patient": (1, 1, 0), "Observation": (2, 1, 0)}
    assert importer.query("SELECT value_number::text FROM clinical_fact") == [("9",)]


def test_two_sources_may_use_the_same_ids(importer: Importer) -> None:
    importer(PATIENT, OBSERVATION, source="north")
    importer(PATIENT, {**OBSERVATION, "valueQuantity": {"value": 9}}, source="south")

    assert importer.query(
        "SELECT fact.source, patient.source, value_number::text FROM clinical_fact fact"
        " JOIN patient ON patient.id = fact.patient_id ORDER BY 1"
    ) == [("north", "north", "7.25"), ("south", "south", "9")]


@pytest.mark.parametrize("order", [(MEDICATION, STATEMENT), (STATEMENT, MEDICATION)])
def test_a_medication_gives_its_code_to_the_facts_that_refer_to_it(
    importer: Importer, order: Any
) -> None:
    for resource in (PATIENT, *order):
        importer(resource)

    assert importer.query(DRUG) == [("860975", "Metformin")]


def test_a_late_or_changed_medication_increases_the_versions_of_its_patients(
    importer: Importer,
) -> None:
    importer(PATIENT, OTHER, STATEMENT)
    before = importer.versions()

    importer(MEDICATION)
    named = importer.versions()
    importer(
        {**MEDICATION, "code": concept("http://snomed.info/sct", "109081006", "Metformin 1 g")}
    )

    assert named == {"p1": before["p1"] + 1, "p2": before["p2"]}
    assert importer.versions() == {"p1": before["p1"] + 2, "p2": before["p2"]}
    assert importer.query(DRUG) == [("109081006", "Metformin 1 g")]


def test_a_changed_statement_keeps_the_name_of_its_medication(
    importer: Importer,
) -> None:
    importer(PATIENT, MEDICATION, STATEMENT)
    importer({**STATEMENT, "status": "stopped"})
    before = importer.snapshot()

    importer(PATIENT, MEDICATION, {**STATEMENT, "status": "stopped"})

    assert importer.snapshot() == before
    assert importer.query(DRUG) == [("860975", "Metformin")]
