"""The studies of a patient: the best first, as the matches say, and right before they do."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakeTenant, Member

from tests.recruiting.study_matching.due_jobs import run_due_jobs
from tests.recruiting.study_matching.matched_studies import CRITERIA, add_patient, add_study, hba1c
from trially.recruiting.criteria.days import Moment
from trially.recruiting.study_matching import routes
from trially.recruiting.study_matching.moments import moment_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

ADULT, MEASURED, ILL = CRITERIA
WOMAN = {"kind": "inclusion", "statement": "Women", "expression": {"sex": ["female"]}}
ASKED = {"kind": "inclusion", "statement": "Able to comply", "evaluation": "manual"}
NOT_SOFTLY = {**ADULT, "expression": {"age": {"gte": 99}}, "is_hard": False}

STUDIES: dict[str, list[dict[str, Any]]] = {
    "eligible": [ADULT, ILL],
    "a record is missing": [ADULT, MEASURED],
    "a person is asked": [ADULT, ASKED],
    "a record is missing, and a person is asked": [MEASURED, ASKED],
    "a soft criterion fails": [ADULT, NOT_SOFTLY],
    "one criterion fails": [ADULT, WOMAN, MEASURED],
    "two criteria fail": [WOMAN, {**ADULT, "kind": "exclusion"}],
}


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture(scope="module")
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture(scope="module")
def studies(member: Member) -> dict[str, str]:
    """The ids of studies with active versions, by what they say of a man of sixty years."""
    return {name: add_study(member, criteria) for name, criteria in STUDIES.items()}


@pytest.fixture
def work(app: Flask, tenant: Tenant) -> Callable[[], None]:
    return lambda: run_due_jobs(app, tenant)


def listed(member: Member, patient: str) -> dict[str, dict[str, Any]]:
    """Return what the list of a patient says, by study, in its order."""
    answer = member.get(f"/patients/{patient}/studies")
    assert answer.status_code == 200, answer.text
    return {each["study_id"]: each for each in answer.json["studies"]}


def explain(member: Member, study: str, patient: str) -> dict[str, Any]:
    explained: dict[str, Any] = member.get(f"/studies/{study}/matches/{patient}").json
    return explained


def test_the_list_says_what_matches_and_explanations_say(
    member: Member, studies: dict[str, str], work: Callable[[], None]
) -> None:
    patient = add_patient(member, sex="male")
    work()

    found = listed(member, patient)

    for name, study in studies.items():
        item, explained = found[study], explain(member, study, patient)
        matches = member.get(f"/studies/{study}/matches?limit=200").json["data"]
        [match] = [each for each in matches if each["patient_id"] == patient]
        for field in ("verdict", "score", "undecided"):
            assert item[field] == explained[field] == match[field], (name, field)
        assert item["standing"] == explained["standing"]
        criteria = {each["position"]: each for each in explained["criteria"]}
        for each in item["open_criteria"]:
            assert each == {field: criteria[each["position"]][field] for field in each}
    numbers = {each["id"]: each["protocol_number"] for each in member.get("/studies").json["data"]}
    assert {each["study_id"]: each["protocol_number"] for each in found.values()} == numbers
    assert {each["title"] for each in found.values()} == {"A study"}


def test_the_best_study_comes_first(member: Member, studies: dict[str, str]) -> None:
    names = {study: name for name, study in studies.items()}
    patient = add_patient(member, sex="male")

    found = listed(member, patient)

    assert [names[study] for study in found] == [
        "eligible",
        "a soft criterion fails",
        "a record is missing",
        "a person is asked",
        "a record is missing, and a person is asked",
        "two criteria fail",
        "one criterion fails",
    ]
    failing = {names[study]: item["failing"] for study, item in found.items() if item["failing"]}
    assert failing == {"two criteria fail": 2, "one criterion fails": 1}
    open_criteria = {
        names[study]: [
            (each["position"], each["outcome"], each["unknown_kind"])
            for each in item["open_criteria"]
        ]
        for study, item in found.items()
        if item["open_criteria"]
    }
    assert open_criteria == {
        "a soft criterion fails": [(1, "not_met", None)],
        "a record is missing": [(1, "unknown", "record")],
        "a person is asked": [(1, "unknown", "person")],
        "a record is missing, and a person is asked": [
            (0, "unknown", "record"),
            (1, "unknown", "person"),
        ],
    }


def test_a_change_counts_before_the_matches_follow_it(
    tenant: Tenant,
    member: Member,
    make_fact: MakeFact,
    studies: dict[str, str],
    work: Callable[[], None],
) -> None:
    patient = add_patient(member)
    work()
    study = studies["a record is missing"]
    assert listed(member, patient)[study]["verdict"] == "potential"

    hba1c(make_fact, tenant, patient, 5.0)

    item = listed(member, patient)[study]
    assert (item["verdict"], item["failing"], item["open_criteria"]) == ("ineligible", 1, [])


def in_two_hours() -> Moment:
    now = moment_of()
    return Moment(now.at + dt.timedelta(hours=2), now.days)


def test_a_record_counts_from_the_time_of_day_at_which_it_begins(
    tenant: Tenant,
    member: Member,
    make_fact: MakeFact,
    studies: dict[str, str],
    work: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = add_patient(member)
    make_fact(
        tenant,
        patient,
        value_number=8.0,
        unit="%",
        start_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1),
        start_precision="instant",
    )
    work()
    study = studies["a record is missing"]
    assert listed(member, patient)[study]["verdict"] == "potential"

    monkeypatch.setattr(routes, "moment_of", in_two_hours)

    assert listed(member, patient)[study]["verdict"] == "eligible"


def test_a_dead_patient_fits_no_study(member: Member, studies: dict[str, str]) -> None:
    patient = add_patient(member, deceased=True)

    found = listed(member, patient)

    assert len(found) == len(studies)
    for item in found.values():
        assert (item["verdict"], item["standing"]) == ("ineligible", "deceased")
        assert item["open_criteria"] == []


def test_the_list_shows_what_a_person_decided(member: Member, studies: dict[str, str]) -> None:
    patient, other = add_patient(member), add_patient(member)
    study = studies["eligible"]
    path = f"/studies/{study}/decisions/{patient}"
    decided = member.request("PUT", path, json={"decision": "excluded", "reason": "Moved away"})
    assert decided.status_code == 200, decided.text

    decisions = {item["study_id"]: item["decision"] for item in listed(member, patient).values()}

    assert decisions == {each: "excluded" if each == study else None for each in studies.values()}
    assert {item["decision"] for item in listed(member, other).values()} == {None}
