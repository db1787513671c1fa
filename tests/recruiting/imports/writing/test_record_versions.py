"""The newest version of a record wins, in any order; withdrawn records are kept and not used."""

from typing import Any

import pytest

from tests.recruiting.imports.fhir_examples import CONDITION, ENCOUNTER, PATIENT, REQUEST
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.writing.test_record_keys import at, bundle

NAMES = "SELECT family_name FROM patient"
FACTS = "SELECT source_id, recorded_at::date::text, withdrawn_reason FROM clinical_fact ORDER BY 1"
BASE = "https://a.example/fhir"


def patient(family: str, number: int | None = None, updated: str | None = None) -> dict[str, Any]:
    meta = {"versionId": None if number is None else str(number), "lastUpdated": updated}
    return {**PATIENT, "name": [{"family": family}], "meta": meta}


def condition(recorded: str, number: int | None = None, updated: str | None = None) -> Any:
    meta = {"versionId": None if number is None else str(number), "lastUpdated": updated}
    return {**CONDITION, "recordedDate": recorded, "meta": meta}


def deletion(kind: str, name: str, **response: str) -> dict[str, Any]:
    return {
        "fullUrl": f"{BASE}/{kind}/{name}",
        "request": {"method": "DELETE", "url": f"{kind}/{name}"},
        "response": {"status": "204", **response},
    }


VERSIONS = [
    pytest.param((1, None), (2, None), id="numbers"),
    pytest.param((9, None), (10, None), id="numbers of two lengths"),
    pytest.param((None, "2021-01-01T00:00:00Z"), (None, "2021-01-02T00:00:00Z"), id="times"),
    pytest.param(
        (None, "2021-01-01T23:00:00-05:00"), (None, "2021-01-02T05:00:00Z"), id="time zones"
    ),
    pytest.param((1, "2021-01-01T00:00:00Z"), (2, "2021-01-01T00:00:00Z"), id="one instant"),
    pytest.param((7, "2021-01-01T00:00:00Z"), (1, "2022-01-01T00:00:00Z"), id="restored server"),
]


@pytest.mark.parametrize(("older", "newer"), VERSIONS)
@pytest.mark.parametrize("imports", [1, 2])
@pytest.mark.parametrize("is_newest_first", [True, False])
def test_the_newest_version_wins_in_any_order(
    importer: Importer, older: Any, newer: Any, imports: int, is_newest_first: bool
) -> None:
    versions = [
        [patient("Old", *older), condition("2011", *older)],
        [patient("New", *newer), condition("2012", *newer)],
    ]
    if is_newest_first:
        versions.reverse()

    if imports == 1:
        jobs = [importer(*versions[0], *versions[1])]
    else:
        jobs = [importer(*each) for each in versions]

    assert importer.query(NAMES) == [("New",)]
    assert importer.query(FACTS) == [("c1", "2012-01-01", None)]
    stale = sum(job["counts"][kind]["stale"] for job in jobs for kind in job["counts"])
    assert stale == (2 if is_newest_first else 0)


@pytest.mark.parametrize(
    ("status", "is_deletion"),
    [("204", True), ("410 Gone", True), ("404 Not Found", True), ("403", False), ("500", False)],
)
def test_a_deletion_of_what_is_gone_is_no_error(
    importer: Importer, status: str, *, is_deletion: bool
) -> None:
    importer(PATIENT, CONDITION)

    history = bundle(deletion("Condition", "c1", status=status), type="history")
    job = importer.read(history)

    reason = "deleted" if is_deletion else None
    assert importer.value("SELECT withdrawn_reason FROM clinical_fact") == reason
    assert job["error_groups"] == ({} if is_deletion else {"export_error": {"(none)": 1}})


def test_without_versions_the_last_one_wins(importer: Importer) -> None:
    importer(patient("First"))
    importer(patient("Second"))
    assert importer.query(NAMES) == [("Second",)]


def test_an_unchanged_newer_version_keeps_those_in_between_out(importer: Importer) -> None:
    importer(patient("Same", 1))
    again = importer(patient("Same", 3))
    between = importer(patient("Other", 2))

    assert again["counts"]["Patient"]["changed"] == 0
    assert between["counts"]["Patient"]["stale"] == 1
    assert importer.query(NAMES) == [("Same",)]


def test_a_history_bundle_lists_the_newest_version_first(importer: Importer) -> None:
    job = importer.read(
        bundle(
            at(BASE, condition("2013", 3)),
            deletion("Encounter", "e1", etag='W/"2"'),
            at(BASE, {**ENCOUNTER, "meta": {"versionId": "1"}}),
            at(BASE, condition("2011", 1)),
            at(BASE, patient("New", 2)),
            at(BASE, patient("Old", 1)),
            type="history",
        )
    )

    assert job["error_count"] == 0
    assert importer.query(NAMES) == [("New",)]
    assert importer.query(FACTS) == [("c1", "2013-01-01", None)]


@pytest.mark.parametrize(
    ("response", "again", "is_back"),
    [
        ({"etag": 'W/"2"'}, 1, False),
        ({"etag": 'W/"2"'}, 3, True),
        ({"lastModified": "2022-01-01T00:00:00Z"}, "2021-01-01T00:00:00Z", False),
        ({"lastModified": "2022-01-01T00:00:00Z"}, "2023-01-01T00:00:00Z", True),
        ({}, "2021-01-01T00:00:00Z", False),
        ({}, "2100-01-01T00:00:00Z", True),
    ],
)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_deletion_withdraws_a_record_until_a_newer_version_comes(
    importer: Importer, response: dict[str, str], again: Any, is_back: bool, is_stored: bool
) -> None:
    version = (again, None) if isinstance(again, int) else (None, again)
    old = (0, None) if isinstance(again, int) else (None, "2020-01-01T00:00:00Z")
    importer(PATIENT, *([condition("2011", *old)] if is_stored else []))

    job = importer.read(bundle(deletion("Condition", "c1", **response), type="transaction"))
    assert job["error_count"] == 0
    assert job["counts"].get("Condition", {}).get("withdrawn", 0) == int(is_stored)
    importer(condition("2012", *version))

    used = [row for row in importer.query(FACTS) if row[2] is None]
    assert used == ([("c1", "2012-01-01", None)] if is_back else [])


def test_a_deleted_patient_is_no_candidate_and_comes_back(importer: Importer) -> None:
    importer(PATIENT, CONDITION)
    status = "SELECT record_status FROM patient"

    job = importer.read(bundle(deletion("Patient", "p1")))
    assert job["counts"]["Patient"]["withdrawn"] == 1
    assert importer.query(status) == [("withdrawn",)]

    importer(patient("Back", updated="2100-01-01T00:00:00Z"))
    assert importer.query(status) == [("current",)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": {"reference": "Group/g1"}}, "invalid"),
        ({"subject": None}, "invalid"),
        ({"code": {"coding": "none"}, "subject": {"reference": "#x"}}, "invalid"),
    ],
)
def test_a_record_that_becomes_invalid_loses_its_old_version(
    importer: Importer, changes: dict[str, Any], reason: str
) -> None:
    importer(PATIENT, CONDITION)

    job = importer({**CONDITION, **changes})

    assert job["error_count"] == 1
    assert [row[2] for row in importer.query(FACTS)] == [reason]


def test_what_must_not_be_performed_is_no_medication(importer: Importer) -> None:
    importer(PATIENT, REQUEST)

    job = importer({**REQUEST, "doNotPerform": True})

    assert job["counts"]["MedicationRequest"]["withdrawn"] == 1
    assert [row[2] for row in importer.query(FACTS)] == ["not_performed"]


def test_an_older_invalid_version_changes_nothing(importer: Importer) -> None:
    importer(PATIENT, condition("2012", 5))

    importer({**condition("2011", 4), "subject": None})

    assert importer.query(FACTS) == [("c1", "2012-01-01", None)]
