"""Records are keyed by server, source, type and id; MRNs are unique for each assigner."""

from typing import Any

import orjson
import pytest

from tests.recruiting.imports.fhir_examples import CONDITION, PATIENT
from tests.recruiting.imports.importing import Importer

PEOPLE = (
    "SELECT patient.family_name, clinical_fact.source_id FROM patient JOIN clinical_fact"
    " ON clinical_fact.patient_id = patient.id ORDER BY 1, 2"
)
MRNS = "SELECT source_id, mrn FROM patient ORDER BY 1"
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def patient(number: int, mrn: str, system: str | None = "urn:oid:1.2.3") -> dict[str, Any]:
    return {
        **PATIENT,
        "id": f"p{number}",
        "identifier": [{"type": MR, "system": system, "value": mrn}],
        "name": [{"family": f"Family {number}"}],
    }


def condition(about: str, name: str = "c1") -> dict[str, Any]:
    return {**CONDITION, "id": name, "subject": {"reference": about}}


def at(base: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
    }


def bundle(*entries: dict[str, Any], **members: Any) -> bytes:
    return orjson.dumps(
        {"resourceType": "Bundle", "type": "collection", **members, "entry": entries}
    )


@pytest.mark.parametrize("is_absolute", [True, False])
def test_equal_ids_of_two_servers_are_two_people(importer: Importer, is_absolute: bool) -> None:
    here, there = "https://a.example/fhir", "https://b.example/r4"
    ada, bo = patient(1, "1"), {**patient(1, "2"), "name": [{"family": "Bo"}]}
    refer = "{}/Patient/p1" if is_absolute else "Patient/p1"

    job = importer.read(
        bundle(
            at(here, ada),
            at(there, bo),
            at(here, condition(refer.format(here))),
            at(there, condition(refer.format(there))),
        )
    )

    assert (job["error_count"], job["counts"]["Patient"]["new"]) == (0, 2)
    assert importer.query(PEOPLE) == [("Bo", "c1"), ("Family 1", "c1")]
    bases = "SELECT family_name, base_url FROM patient ORDER BY 1"
    assert importer.query(bases) == [("Bo", there), ("Family 1", "")]


@pytest.mark.parametrize(
    "spelling",
    ["http://a.example/fhir/", "https://A.EXAMPLE/fhir", "https://a.example/fhir"],
)
def test_one_server_in_several_spellings_and_forms_is_one(
    importer: Importer, spelling: str
) -> None:
    importer.read(bundle(at("https://a.example/fhir", patient(1, "1"))))

    job = importer(patient(1, "1"), condition(f"{spelling.rstrip('/')}/Patient/p1"))
    importer.read(bundle(at(spelling.rstrip("/"), patient(1, "1"))))

    assert job["counts"]["Patient"]["new"] == 0
    assert importer.query(PEOPLE) == [("Family 1", "c1")]


def test_two_sources_with_equal_ids_are_two_people(importer: Importer) -> None:
    importer(patient(1, "1"), condition("Patient/p1"), source="north")
    importer({**patient(1, "1"), "name": [{"family": "Other"}]}, source="south")

    assert importer.query(PEOPLE) == [("Family 1", "c1")]
    assert importer.query("SELECT name FROM record_source ORDER BY 1") == [("north",), ("south",)]


def test_equal_numbers_of_two_assigners_are_two_people(importer: Importer) -> None:
    job = importer(
        patient(1, "123", "urn:oid:1"),
        patient(2, "123", "urn:oid:2"),
        condition("Patient/p1", "c1"),
        condition("Patient/p2", "c2"),
    )

    assert job["error_count"] == 0
    assert importer.query(PEOPLE) == [("Family 1", "c1"), ("Family 2", "c2")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({1: "100", 2: "200"}, {1: "200", 2: "100"}),
        ({1: "100", 2: "200", 3: "300"}, {1: "200", 2: "300", 3: "400"}),
        ({1: "100", 2: "200", 3: "300"}, {3: "400", 2: "300", 1: "200"}),
        ({1: "100", 2: "200", 3: "300"}, {1: "200", 2: "300", 3: "100"}),
    ],
    ids=["exchanged", "shifted", "shifted from the end", "in a circle"],
)
def test_corrected_numbers_are_taken_over(
    importer: Importer, before: dict[int, str], after: dict[int, str]
) -> None:
    importer(*(patient(number, mrn) for number, mrn in before.items()))

    job = importer(*(patient(number, mrn) for number, mrn in after.items()))

    assert (job["error_count"], job["counts"]["Patient"]["changed"]) == (0, len(after))
    assert importer.query(MRNS) == [(f"p{number}", mrn) for number, mrn in sorted(after.items())]


def test_a_number_that_another_patient_has_is_refused_for_the_second_one(
    importer: Importer,
) -> None:
    job = importer(patient(1, "100"), patient(2, "100"), patient(3, "300"))

    assert job["error_count"] == 1
    assert importer.query(MRNS) == [("p1", "100"), ("p3", "300")]


def test_all_identifiers_are_kept_and_replaced(importer: Importer) -> None:
    identifiers = [
        {"type": MR, "system": "urn:a", "value": "007", "assigner": {"display": "Clinic A"}},
        {"system": "urn:b", "value": "X1", "use": "old", "period": {"end": "2019"}},
        {"value": 12},
    ]
    importer({**patient(1, "1"), "identifier": identifiers})
    stored = (
        "SELECT system, value, type, use, period_end, assigner FROM patient_identifier ORDER BY 2"
    )
    assert importer.query(stored) == [
        ("urn:a", "007", "MR", None, None, "Clinic A"),
        (None, "12", None, None, None, None),
        ("urn:b", "X1", None, "old", "2019", None),
    ]

    importer({**patient(1, "1"), "identifier": identifiers[:1]})
    assert importer.query(stored) == [("urn:a", "007", "MR", None, None, "Clinic A")]


def test_a_source_chooses_the_system_of_its_mrns(importer: Importer) -> None:
    importer.query(
        "INSERT INTO record_source (tenant_id, id, name, mrn_system)"
        " VALUES (:tenant_id, gen_random_uuid(), 'fhir', 'urn:b')",
        tenant_id=importer.tenant.id,
    )
    identifiers = [
        {"type": MR, "system": "urn:a", "value": "1"},
        {"system": "urn:b", "value": "old", "use": "old"},
        {"system": "urn:b", "value": "0042"},
    ]

    importer({**patient(1, "1"), "identifier": identifiers}, patient(2, "2", "urn:c"))

    assert importer.query(MRNS) == [("p1", "0042"), ("p2", "2")]


@pytest.mark.parametrize(
    "other",
    [
        "HTTP://A.example/fhir/",
        "https://a.example:443/fhir",
        "http://a.example:80/fhir",
        "https://user@a.example/fhir",
    ],
)
def test_one_server_in_two_spellings_is_one(importer: Importer, other: str) -> None:
    importer.read(bundle(at("https://a.example/fhir", patient(1, "1"))))

    importer.read(bundle(at(other, patient(1, "1"))))

    assert importer.query("SELECT base_url FROM patient") == [("",)]


@pytest.mark.parametrize(
    "other", ["https://a.example:8443/fhir", "https://[2001:db8::1]/fhir", "https://a.example"]
)
def test_two_servers_are_two(importer: Importer, other: str) -> None:
    importer.read(bundle(at("https://a.example/fhir", patient(1, "1"))))

    importer.read(bundle(at(other, patient(1, "2"))))

    assert importer.query("SELECT base_url FROM patient ORDER BY 1") == [("",), (other,)]
