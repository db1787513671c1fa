"""A bad line does not affect other lines, and its fault does not quote it."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.recruiting.imports.fhir_examples import CONDITION, make_observation, make_patient
from tests.recruiting.imports.importing import Importer
from trially.config import Settings
from trially.recruiting.imports import run_counts
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.reading.resources import ReadResource
from trially.recruiting.imports.writing import batches
from trially.recruiting.imports.writing.batch_writing import REJECTED
from trially.recruiting.imports.writing.batches import BATCH_BYTES, Batch
from trially.recruiting.imports.writing.patient_keys import WAITS_FOR_PATIENT

CANARY = "Zebulon-Canary"


def overlong(resource: dict[str, Any], reading: Reading) -> Any:
    """Translate a resource, and give some a value that is too long for its column."""
    translated = translate(resource, reading)
    if resource.get("status") == "overlong" and isinstance(translated, list):
        translated[0]["unit"] = CANARY * 100
    return translated


def test_faults_name_the_place_and_never_the_content(
    importer: Importer, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.DEBUG)
    job = importer(
        make_patient(1, name=[{"family": CANARY}]),
        b'{"resourceType": "Patient", "name": "' + CANARY.encode(),
        make_patient(2, birthDate=CANARY),
        {"resourceType": "Patient", "name": CANARY},
        make_observation(1, 1, valueQuantity={"value": CANARY}),
        make_observation(2, 9, valueQuantity=None, valueString=CANARY),
        {"resourceType": CANARY, "id": CANARY},
        make_patient(3, identifier=[{"value": "M1"}], name=[{"family": CANARY}]),
        make_observation(3, 1),
    )

    assert job["state"] == "done"
    assert job["error_count"] == 7
    assert importer.faults() == [
        ("1.ndjson", 2, "The content is not valid JSON.", None),
        ("1.ndjson", 3, "Patient.birthDate is not a date.", "/birthDate"),
        ("1.ndjson", 4, "Patient.id is missing.", "/id"),
        ("1.ndjson", 5, "Observation.valueQuantity.value is not a number.", "/valueQuantity/value"),
        ("1.ndjson", 7, "resourceType is not the name of a resource type.", "/resourceType"),
        ("1.ndjson", 8, "Another patient of this source already has this MRN.", None),
        ("1.ndjson", 6, WAITS_FOR_PATIENT, None),
    ]
    assert job["counts"]["Patient"]["read"] == job["counts"]["Patient"]["new"] == 2
    assert importer.query("SELECT source_id FROM clinical_fact ORDER BY 1") == [("o1",), ("o3",)]
    assert CANARY not in caplog.text
    assert CANARY not in str(importer.query("SELECT * FROM import_job"))
    logs = [file for file in Path(settings.instance).rglob("*log*") if file.is_file()]
    assert logs
    assert not any(CANARY.encode() in file.read_bytes() for file in logs)


def test_the_database_rejects_some_lines_and_the_others_are_imported(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "translate", overlong)
    bad = {17, 300, 301}
    observations = [
        make_observation(number, 1, status="overlong" if number in bad else "final")
        for number in range(400)
    ]

    job = importer(make_patient(1), *observations)

    assert job["counts"]["Observation"] == {
        "read": 397,
        "new": 397,
        "changed": 0,
        "entered_in_error": 0,
        "waiting": 0,
        "resolved": 0,
        "stale": 0,
        "withdrawn": 0,
        "erased": 0,
    }
    assert [(line, reason) for _, line, reason, _ in importer.faults()] == [
        (number + 2, REJECTED) for number in sorted(bad)
    ]
    assert importer.versions() == {"p1": 2}  # the first batch is a transaction of its own


def test_facts_find_their_patient_though_the_batch_was_halved(importer: Importer) -> None:
    patients = [make_patient(number) for number in range(20)]
    facts = [make_observation(number, number) for number in range(20)]

    job = importer(*facts, *patients, make_patient(99, identifier=[{"value": "M7"}]))

    assert job["error_count"] == 1
    assert job["counts"]["Patient"]["new"] == job["counts"]["Observation"]["new"] == 20


def test_a_batch_of_large_rows_has_fewer_lines() -> None:
    batch = Batch()
    coding = [{"system": "urn:s", "code": f"{n:0128}", "display": "x" * 900} for n in range(100)]
    line = ReadResource("f", 1, {**CONDITION, "code": {"coding": coding}}, None, 1)

    for _ in range(200):
        batch.add(line)
        if batch.is_full:
            break

    assert batch.is_full
    assert batch.lines < 200
    assert batch.json_bytes < 2 * BATCH_BYTES


def test_the_number_of_unknown_types_is_bounded(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_counts, "MOST_TYPES_NAMED", 2)

    types = ("Account", "Basic", "Claim", "Flag", "Account")

    job = importer(*({"resourceType": each} for each in types))

    assert job["passed_over"] == {"Account": 2, "Basic": 1, "(other)": 2}
