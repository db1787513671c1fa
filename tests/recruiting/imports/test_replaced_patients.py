"""A patient that another one replaces is no candidate, and its facts are the survivor's."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakeTenant, Member
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.record_histories import (
    bundle_of,
    diagnosis,
    empty,
    entry,
    person,
    replaced_by,
    replaces,
    version,
)
from trially.tenancy.catalog import Tenant

OWNERS = """
SELECT fact.source_id, patient.source_id FROM clinical_fact fact
JOIN patient ON patient.id = fact.patient_id AND patient.tenant_id = fact.tenant_id ORDER BY 1
"""
SURVIVORS = """
SELECT former.source_id, survivor.source_id FROM patient former
LEFT JOIN patient survivor
    ON survivor.id = former.replaced_by_id AND survivor.tenant_id = former.tenant_id
ORDER BY 1
"""
FACTS = (diagnosis("c1", "p1"), diagnosis("c2", "p2"))


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    """One tenant for all tests of this module."""
    return make_tenant()


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`, which is empty."""
    return empty(Importer(app, tenant))


def candidates(member: Member) -> list[str]:
    return sorted(patient["mrn"] for patient in member.get("/patients").json["data"])


@pytest.mark.parametrize("order", ["former first", "survivor first", "facts first"])
def test_one_candidate_has_the_facts_of_both(
    member: Member, importer: Importer, order: str
) -> None:
    former, survivor = person("p1", **replaced_by("p2")), person("p2")
    resources = {
        "former first": (former, survivor, *FACTS),
        "survivor first": (survivor, *FACTS, former),
        "facts first": (*FACTS, former, survivor),
    }[order]

    job = importer(*resources)

    assert job["error_count"] == 0
    assert importer.query(SURVIVORS) == [("p1", "p2"), ("p2", None)]
    assert importer.query(OWNERS) == [("c1", "p2"), ("c2", "p2")]
    assert candidates(member) == ["M-p2"]
    [patient] = member.get("/patients").json["data"]
    assert len(member.get(f"/patients/{patient['id']}/records").json["data"]) == 2


def test_the_survivor_may_name_the_record_that_it_replaces(
    member: Member, importer: Importer
) -> None:
    importer(person("p1"), person("p2", **replaces("p1")), *FACTS)

    assert importer.query(SURVIVORS) == [("p1", "p2"), ("p2", None)]
    assert importer.query(OWNERS) == [("c1", "p2"), ("c2", "p2")]
    assert candidates(member) == ["M-p2"]


def test_links_in_both_directions(importer: Importer) -> None:
    importer(person("p1", **replaced_by("p2")), person("p2", **replaces("p1")), *FACTS)

    assert importer.query(SURVIVORS) == [("p1", "p2"), ("p2", None)]


def test_a_link_waits_for_the_survivor_of_a_later_import(importer: Importer) -> None:
    importer(person("p1", **replaced_by("p2")), FACTS[0])
    assert importer.query(OWNERS) == [("c1", "p1")]

    importer(person("p2"))

    assert importer.query(SURVIVORS) == [("p1", "p2"), ("p2", None)]
    assert importer.query(OWNERS) == [("c1", "p2")]


def test_facts_of_later_imports_go_to_the_survivor(importer: Importer) -> None:
    importer(person("p1", **replaced_by("p2")), person("p2"))

    importer(*FACTS)

    assert importer.query(OWNERS) == [("c1", "p2"), ("c2", "p2")]


@pytest.mark.parametrize("undone", [{}, {"active": True, "link": []}])
def test_a_link_that_disappears_is_undone(
    member: Member, importer: Importer, undone: dict[str, Any]
) -> None:
    importer(person("p1", **replaced_by("p2")), person("p2"), *FACTS)

    importer(person("p1", **undone))

    assert importer.query(SURVIVORS) == [("p1", None), ("p2", None)]
    assert importer.query(OWNERS) == [("c1", "p1"), ("c2", "p2")]
    assert candidates(member) == ["M-p1", "M-p2"]


def test_a_link_may_change_its_survivor(importer: Importer) -> None:
    importer(person("p1", **replaced_by("p2")), person("p2"), person("p3"), *FACTS)

    importer(person("p1", **replaced_by("p3")))

    assert importer.query(OWNERS) == [("c1", "p3"), ("c2", "p2")]


def test_an_older_version_does_not_undo_a_link(importer: Importer) -> None:
    importer(person("p1", **replaced_by("p2"), **version(5)), person("p2"), *FACTS)

    importer(person("p1", **version(4)))

    assert importer.query(SURVIVORS)[0] == ("p1", "p2")


@pytest.mark.parametrize("is_forward", [True, False])
def test_a_chain_ends_at_its_last_record(
    member: Member, importer: Importer, is_forward: bool
) -> None:
    chain = [person("p1", **replaced_by("p2")), person("p2", **replaced_by("p3")), person("p3")]
    facts = (*FACTS, diagnosis("c3", "p3"))
    importer(*(chain if is_forward else reversed(chain)), *facts)

    assert importer.query(OWNERS) == [("c1", "p3"), ("c2", "p3"), ("c3", "p3")]
    assert candidates(member) == ["M-p3"]

    importer(person("p2"))

    assert importer.query(OWNERS) == [("c1", "p2"), ("c2", "p2"), ("c3", "p3")]
    assert candidates(member) == ["M-p2", "M-p3"]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_cycle_of_links_loses_no_candidate_and_no_fact(
    member: Member, importer: Importer, length: int
) -> None:
    ids = [f"p{number}" for number in range(length)]
    linked = [
        person(source_id, link=replaced_by(ids[(number + 1) % length])["link"])
        for number, source_id in enumerate(ids)
    ]
    importer(*linked, *(diagnosis(f"c-{source_id}", source_id) for source_id in ids))

    shown = member.get("/patients").json["data"]
    records = [
        record
        for patient in shown
        for record in member.get(f"/patients/{patient['id']}/records").json["data"]
    ]
    assert shown
    assert len(records) == length


def test_a_link_is_to_a_record_of_the_same_server(importer: Importer) -> None:
    east, west = "http://east.example/fhir", "http://west.example/fhir"
    importer.read(
        bundle_of(
            entry(person("p2", "E2"), east),
            entry(person("p1", "W1", **replaced_by("p2")), west),
            entry(person("p2", "W2"), west),
        )
    )

    assert importer.query(
        "SELECT former.mrn, survivor.mrn FROM patient former JOIN patient survivor"
        " ON survivor.id = former.replaced_by_id AND survivor.tenant_id = former.tenant_id"
    ) == [("W1", "W2")]


@pytest.mark.parametrize("kind", ["seealso", "refer"])
def test_other_links_replace_nothing(importer: Importer, kind: str) -> None:
    link = [{"type": kind, "other": {"reference": "Patient/p2"}}]
    importer(person("p1", link=link), person("p2"))

    assert importer.query(SURVIVORS) == [("p1", None), ("p2", None)]


def test_an_inactive_patient_is_shown_as_such(member: Member, importer: Importer) -> None:
    importer(person("p1", active=False), person("p2"), *FACTS)

    assert candidates(member) == ["M-p2"]
    [found] = member.get("/patients?record_status=inactive").json["data"]
    assert (found["mrn"], found["active"]) == ("M-p1", False)
    assert len(member.get("/patients?record_status=all").json["data"]) == 2


def test_the_last_visit_is_that_of_both_records(importer: Importer) -> None:
    def visit(source_id: str, patient: str, day: str) -> dict[str, Any]:
        return {
            "resourceType": "Encounter",
            "id": source_id,
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{patient}"},
            "period": {"start": f"{day}T12:00:00Z"},
        }

    importer(person("p1"), person("p2"), visit("e1", "p1", "2021-05-06"))
    importer(visit("e2", "p2", "2019-01-02"))

    importer(person("p1", **replaced_by("p2")))
    last = "SELECT last_encounter_on::text FROM patient WHERE source_id = 'p2'"
    assert importer.value(last) == "2021-05-06"

    importer(person("p1"))
    assert importer.value(last) == "2019-01-02"
