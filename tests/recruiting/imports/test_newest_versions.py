"""The newest version of a record wins, wherever and whenever it is read."""

from itertools import permutations
from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakeTenant
from tests.recruiting.imports.importing import Importer, write_ndjson
from tests.recruiting.imports.record_histories import (
    bundle_of,
    deletion,
    diagnosis,
    empty,
    entry,
    person,
    verified,
    version,
)
from trially.tenancy.catalog import Tenant

BASE = "http://a.example/fhir"
CODES = "SELECT code FROM clinical_fact WHERE withdrawn_at IS NULL ORDER BY 1"
WITHDRAWN = "SELECT source_id, withdrawn_reason FROM clinical_fact WHERE withdrawn_at IS NOT NULL"

# Each pair has the newer version first.
ORDERED = [
    (version("3"), version("1")),
    (version("10"), version("9")),
    (version('W/"10"'), version('W/"9"')),
    (version("3", "2020-02-01T10:00:00Z"), version("1", "2014-05-02T10:00:00Z")),
    (version("1", "2020-02-01T10:00:00Z"), version("7", "2014-05-02T10:00:00Z")),
    (version(at="2020-02-01T10:00:00.5Z"), version(at="2020-02-01T10:00:00Z")),
    (version(at="2020-02-01T10:00:00.25Z"), version(at="2020-02-01T10:00:00.125Z")),
    (version(at="2020-02-01T10:00:00Z"), version(at="2020-02-01T11:59:00+02:00")),
    (version("4", "2020-02-01T10:00:00Z"), version("3", "2020-02-01T10:00:00Z")),
    (version("b2", "2020-02-01T10:00:00Z"), version("a9", "2019-02-01T10:00:00Z")),
]


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    """One tenant for all tests of this module."""
    return make_tenant()


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`, which is empty."""
    return empty(Importer(app, tenant))


def test_versions_in_a_batch(importer: Importer) -> None:
    newer = [
        diagnosis(f"c{number}", "p1", code="111", **meta)
        for number, (meta, _) in enumerate(ORDERED)
    ]
    older = [
        diagnosis(f"c{number}", "p1", code="222", **meta)
        for number, (_, meta) in enumerate(ORDERED)
    ]

    job = importer(person("p1"), *newer, *older)

    assert job["error_count"] == 0
    assert importer.query(CODES) == [("111",)] * len(ORDERED)
    assert job["counts"]["Condition"]["stale"] == len(ORDERED)


@pytest.mark.parametrize(("newer", "older"), ORDERED)
def test_an_older_version_of_a_later_import_is_stale(
    importer: Importer, newer: dict[str, Any], older: dict[str, Any]
) -> None:
    importer(person("p1", deceasedBoolean=True, **newer), diagnosis("c1", "p1", "111", **newer))

    job = importer(person("p1", **older), diagnosis("c1", "p1", "222", **older))

    assert job["error_count"] == 0
    assert [job["counts"][kind]["stale"] for kind in ("Patient", "Condition")] == [1, 1]
    assert importer.query(CODES) == [("111",)]
    assert importer.value("SELECT deceased FROM patient") is True


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_versions_in_files_in_any_order(importer: Importer, order: tuple[int, ...]) -> None:
    files = [
        write_ndjson(person("p1"), diagnosis("c1", "p1", str(number), **version(number)))
        for number in order
    ]

    job = importer.read(*files)

    assert job["error_count"] == 0
    assert importer.query(CODES) == [("2",)]


def test_the_last_one_wins_without_versions(importer: Importer) -> None:
    importer(person("p1"), diagnosis("c1", "p1", "111", **version(3)))
    importer(diagnosis("c1", "p1", "222"), diagnosis("c1", "p1", "333"))

    assert importer.query(CODES) == [("333",)]


def test_an_equal_version_changes_nothing(importer: Importer) -> None:
    resources = (person("p1", **version(2)), diagnosis("c1", "p1", **version(2)))
    importer(*resources)
    before = importer.snapshot()

    job = importer(*resources)

    assert importer.snapshot() == before
    assert job["counts"]["Condition"]["changed"] == job["counts"]["Condition"]["stale"] == 0


def test_versions_of_facts_that_wait_for_their_patient(importer: Importer) -> None:
    importer(diagnosis("c1", "p1", "222", **version(2)), source="a")
    importer(diagnosis("c1", "p1", "111", **version(1)), source="a")

    importer(person("p1"), source="a")

    assert importer.query(CODES) == [("222",)]


def test_a_version_without_a_component_removes_it_and_an_older_one_does_not_bring_it_back(
    importer: Importer,
) -> None:
    def pressure(number: int, *codes: str) -> dict[str, Any]:
        components = [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": 80},
            }
            for code in codes
        ]
        return {
            "resourceType": "Observation",
            "id": "o1",
            "status": "final",
            "subject": {"reference": "Patient/p1"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
            "component": components,
            **version(number),
        }

    importer(person("p1"), pressure(2, "8480-6"))
    importer(pressure(1, "8480-6", "8462-4"), diagnosis("c1", "p1"))

    assert importer.query(CODES) == [("44054006",), ("8480-6",), ("85354-9",)]

    importer(pressure(4, "8480-6", "8462-4"), other := {**pressure(1, "8480-6"), "id": "o2"})
    importer(pressure(3, "8480-6"), {**other, "status": "amended"})

    assert len(importer.query(CODES)) == 6


def test_a_deletion_withdraws_a_record(importer: Importer) -> None:
    job = importer.read(
        bundle_of(
            entry(person("d1")),
            entry(diagnosis("dc1", "d1")),
            deletion("Condition/dc1"),
            kind="transaction",
        )
    )

    assert (job["error_count"], job["counts"]["Condition"]["withdrawn"]) == (0, 1)
    assert importer.query(CODES) == []
    assert importer.query(WITHDRAWN) == [("dc1", "deleted")]


def test_a_deletion_of_an_earlier_import_is_undone_by_a_newer_version(importer: Importer) -> None:
    importer(person("p1"), diagnosis("c1", "p1", **version(2)))
    gone = deletion("Condition/c1", etag='W/"3"')
    job = importer.read(bundle_of(gone, kind="history"))
    assert job["counts"]["Condition"]["withdrawn"] == 1

    stale = importer(diagnosis("c1", "p1", "111", **version(2)))
    assert stale["counts"]["Condition"]["stale"] == 1
    assert importer.query(CODES) == []

    importer(diagnosis("c1", "p1", "111", **version(4)))
    assert importer.query(CODES) == [("111",)]


@pytest.mark.parametrize("is_newest_first", [True, False])
def test_a_history_with_a_deletion(importer: Importer, is_newest_first: bool) -> None:
    last_modified = "2020-02-01T10:00:00Z"
    entries = [
        deletion("Condition/c1", BASE, etag='W/"3"', lastModified=last_modified),
        entry(diagnosis("c1", "p1", **version(2, "2015-02-01T10:00:00Z")), BASE),
        entry(diagnosis("c1", "p1", **version(1, "2014-02-01T10:00:00Z")), BASE),
        entry(person("p1"), BASE),
    ]

    job = importer.read(
        bundle_of(*(entries if is_newest_first else reversed(entries)), kind="history")
    )

    assert job["error_count"] == 0
    assert importer.query(CODES) == []


def test_a_deletion_that_is_older_than_the_record_is_stale(importer: Importer) -> None:
    importer(person("p1"), diagnosis("c1", "p1", **version(5)))

    job = importer.read(bundle_of(deletion("Condition/c1", etag='W/"3"'), kind="history"))

    assert job["counts"]["Condition"]["stale"] == 1
    assert len(importer.query(CODES)) == 1


def test_a_deletion_reaches_one_server_and_one_source_only(importer: Importer) -> None:
    other = "http://b.example/fhir"
    for source in ("north", "south"):
        importer.read(
            bundle_of(
                entry(person("p1"), BASE),
                entry(diagnosis("c1", "p1", "111"), BASE),
                entry(person("p1", "B1"), other),
                entry(diagnosis("c1", "p1", "222"), other),
            ),
            source=source,
        )

    importer.read(bundle_of(deletion("Condition/c1", other), kind="history"), source="north")

    assert importer.query(
        "SELECT source, code FROM clinical_fact WHERE withdrawn_at IS NULL ORDER BY 1, 2"
    ) == [("north", "111"), ("south", "111"), ("south", "222")]


def test_a_deleted_patient_is_withdrawn_and_comes_back(importer: Importer) -> None:
    importer(person("p1"), diagnosis("c1", "p1"))

    job = importer.read(bundle_of(deletion("Patient/p1"), kind="transaction"))
    assert job["counts"]["Patient"]["withdrawn"] == 1
    assert importer.value("SELECT withdrawn_reason FROM patient") == "deleted"

    importer(person("p1"))
    assert importer.value("SELECT withdrawn_at FROM patient") is None


WARFARIN = {
    "resourceType": "MedicationRequest",
    "id": "m",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": {"text": "warfarin"},
    "authoredOn": "2020-01-01",
}


def test_a_request_that_must_not_be_performed_withdraws_its_old_version(
    importer: Importer,
) -> None:
    importer(person("p1"), WARFARIN)

    job = importer({**WARFARIN, "doNotPerform": True})

    assert job["counts"]["MedicationRequest"]["withdrawn"] == 1
    assert importer.query(WITHDRAWN) == [("m", "not_performed")]

    importer(WARFARIN)
    assert importer.query(WITHDRAWN) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": {"reference": "Group/g1"}},
        {"subject": {"reference": "Device/d1"}},
        {"subject": None},
    ],
)
def test_a_record_that_is_no_longer_about_the_patient_withdraws_its_old_version(
    importer: Importer, changes: dict[str, Any]
) -> None:
    importer(person("p1"), diagnosis("c1", "p1", **version(1)))

    job = importer({**diagnosis("c1", "p1", **version(2)), **changes})

    assert job["error_count"] == 1
    assert job["counts"]["Condition"]["withdrawn"] == 1
    assert importer.query(CODES) == []


def test_an_older_invalid_version_withdraws_nothing(importer: Importer) -> None:
    importer(person("p1"), diagnosis("c1", "p1", **version(3)))

    importer({**diagnosis("c1", "p1", **version(2)), "subject": {"reference": "Group/g1"}})

    assert len(importer.query(CODES)) == 1


def test_a_refuted_version_with_a_bad_date_does_not_leave_the_confirmed_one(
    importer: Importer,
) -> None:
    importer(person("p1"), diagnosis("c1", "p1", **verified("confirmed")))

    importer(diagnosis("c1", "p1", onsetDateTime="unknown", **verified("refuted")))

    assert (
        importer.query(
            "SELECT 1 FROM clinical_fact"
            " WHERE withdrawn_at IS NULL AND verification_status = 'confirmed'"
        )
        == []
    )


def test_a_withdrawn_encounter_is_not_the_last_one(importer: Importer) -> None:
    def visit(source_id: str, day: str) -> dict[str, Any]:
        return {
            "resourceType": "Encounter",
            "id": source_id,
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p1"},
            "period": {"start": f"{day}T12:00:00Z"},
        }

    importer(person("p1"), visit("e1", "2019-01-02"), visit("e2", "2021-03-04"))
    importer.read(bundle_of(deletion("Encounter/e2"), kind="history"))

    assert str(importer.value("SELECT last_encounter_on FROM patient")) == "2019-01-02"
