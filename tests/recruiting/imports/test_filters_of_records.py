"""Records and events are filtered by any of their codings and categories, by status and by day."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import AsMember, MakeTenant, Member
from tests.recruiting.imports.fhir_examples import LOINC, SNOMED, concept
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.record_histories import person
from trially.auth.roles import Role

LOCAL = "http://lab.example/codes"
SUBJECT = {"reference": "Patient/p1"}


def coded(*codings: tuple[str | None, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


RECORDS = (
    {
        "resourceType": "Observation",
        "id": "sugar",
        "status": "final",
        "category": [concept(None, "laboratory")],
        "code": coded((LOINC, "4548-4"), (LOCAL, "GLY"), (SNOMED, "43396009")),
        "effectiveDateTime": "2020-03-01T01:30:00+03:00",
        "valueInteger": 7,
    },
    {
        "resourceType": "Observation",
        "id": "weight",
        "status": "amended",
        "category": [concept(None, "vital-signs")],
        "code": coded((LOCAL, "4548-4"), (LOINC, "29463-7")),
        "effectiveDateTime": "2020-02-29T23:59:59Z",
        "valueInteger": 70,
    },
    {
        "resourceType": "Condition",
        "id": "diabetes",
        "clinicalStatus": concept(None, "active"),
        "category": [
            concept(None, "problem-list-item"),
            concept(None, "survey"),
            {"text": "Point of care"},
        ],
        "code": coded((SNOMED, "44054006")),
    },
    {
        "resourceType": "AllergyIntolerance",
        "id": "nuts",
        "category": ["food", "environment"],
        "code": coded((SNOMED, "91934008")),
        "recordedDate": "2021-01-01",
    },
)


@pytest.fixture(scope="module")
def importer(app: Flask, make_tenant: MakeTenant) -> Importer:
    importer = Importer(app, make_tenant())
    subject = [
        each | {"patient" if each["id"] == "nuts" else "subject": SUBJECT} for each in RECORDS
    ]
    job = importer(person("p1"), person("p2"), *subject)
    assert job["error_count"] == 0, importer.faults()
    return importer


@pytest.fixture(scope="module")
def path(importer: Importer) -> str:
    patient_id = importer.value("SELECT id FROM patient WHERE source_id = 'p1'")
    return f"/patients/{patient_id}"


QUERIES: tuple[tuple[dict[str, str], set[str]], ...] = (
    ({"code": "4548-4"}, {"sugar", "weight"}),
    ({"code": "4548-4", "system": LOINC}, {"sugar"}),
    ({"code": "4548-4", "system": LOCAL}, {"weight"}),
    ({"code": "GLY", "system": LOINC}, set()),
    ({"code": "GLY"}, {"sugar"}),
    ({"code": "29463-7", "system": LOINC}, {"weight"}),
    ({"system": LOCAL}, {"sugar", "weight"}),
    ({"system": SNOMED}, {"sugar", "diabetes", "nuts"}),
    ({"system": SNOMED, "type": "observation"}, {"sugar"}),
    ({"category": "laboratory"}, {"sugar"}),
    ({"category": "problem-list-item"}, {"diabetes"}),
    ({"category": "survey"}, {"diabetes"}),
    ({"category": "Point of care"}, {"diabetes"}),
    ({"category": "vital-signs"}, {"weight"}),
    ({"category": "environment"}, {"nuts"}),
    ({"category": "food"}, {"nuts"}),
    ({"category": "display"}, set()),
    ({"status": "amended"}, {"weight"}),
    ({"status": "active"}, {"diabetes"}),
    ({"since": "2020-03-01"}, {"sugar", "nuts"}),
    ({"until": "2020-02-29"}, {"weight"}),
    ({"since": "2020-02-29", "until": "2020-03-01"}, {"sugar", "weight"}),
    ({"since": "2021-01-01", "until": "2021-01-01"}, {"nuts"}),
    ({"since": "2020-03-01", "category": "laboratory", "code": "GLY"}, {"sugar"}),
    ({"since": "2022-01-01"}, set()),
)


@pytest.mark.parametrize("route", ["records", "timeline"])
def test_each_filter_finds_what_it_names(
    importer: Importer, path: str, as_member: AsMember, route: str
) -> None:
    member = as_member(importer.tenant)
    names = dict(importer.query("SELECT id::text, source_id FROM clinical_fact"))

    def find(query: dict[str, str]) -> set[str]:
        answer = member.get(f"{path}/{route}", query_string={**query, "total": "true"})
        assert answer.status_code == 200, answer.json
        assert answer.json["page"]["total"] == len(answer.json["data"])
        return {names[each["id"]] for each in answer.json["data"]}

    found = [(query, find(query)) for query, _ in QUERIES]
    wrong = [each for each, wanted in zip(found, QUERIES, strict=True) if each != wanted]
    assert not wrong, wrong


@pytest.mark.parametrize("route", ["records", "timeline"])
def test_filters_do_not_disclose_what_is_masked(
    importer: Importer, path: str, as_member: AsMember, route: str
) -> None:
    viewer = as_member(importer.tenant, Role.VIEWER)

    for query in ({"code": "GLY"}, {"system": LOCAL}, {"code": "GLY", "system": LOCAL}):
        assert viewer.get(f"{path}/{route}", query_string=query).status_code == 403


@pytest.mark.parametrize("route", ["records", "timeline"])
@pytest.mark.parametrize(
    "query", ["since=2020", "until=2020-02-30", "code=", "system=%00", "category=", "since=today"]
)
def test_an_unusable_filter_is_refused(
    importer: Importer, path: str, as_member: AsMember, route: str, query: str
) -> None:
    member: Member = as_member(importer.tenant)

    assert member.get(f"{path}/{route}?{query}").status_code == 400
