"""The whole way through the API: from a registry's study to a patient who becomes eligible."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member

from tests.recruiting.study_matching.due_jobs import run_due_jobs
from trially.auth.roles import Role
from trially.database.rows import insert_item
from trially.database.session import transaction
from trially.recruiting.studies.model import Study
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

TODAY = dt.datetime.now(dt.UTC).date()

ELIGIBILITY = """Inclusion Criteria:

* Age between 18 and 75 years
* Type 2 diabetes
* HbA1c \\>= 7.0 % and \\<= 10.0 %
* BMI of 25 kg/m2 or more
* Able to use a smartphone

Exclusion Criteria:

* Stroke within 6 months before screening
* Pregnant or breastfeeding
"""
STUDY = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT05512345",
            "orgStudyIdInfo": {"id": "GLY-302"},
            "briefTitle": "A Digital Companion for Adults With Type 2 Diabetes",
        },
        "statusModule": {"overallStatus": "RECRUITING"},
        "designModule": {"studyType": "INTERVENTIONAL", "phases": ["PHASE3"]},
        "conditionsModule": {"conditions": ["Type 2 Diabetes"]},
        "eligibilityModule": {
            "eligibilityCriteria": ELIGIBILITY,
            "minimumAge": "18 Years",
            "maximumAge": "75 Years",
            "sex": "ALL",
            "healthyVolunteers": False,
        },
    }
}
DIABETES = ("http://hl7.org/fhir/sid/icd-10-cm", "E11.9")
STROKE = ("http://hl7.org/fhir/sid/icd-10-cm", "I63.9")
HBA1C = ("http://loinc.org", "4548-4")
BMI = ("http://loinc.org", "39156-5")


def days_ago(days: int) -> str:
    return (TODAY - dt.timedelta(days=days)).isoformat()


def patient(key: str, birth: str = "1968-04-02") -> dict[str, Any]:
    name = [{"family": "Example", "given": [key]}]
    body = {"resourceType": "Patient", "id": key, "birthDate": birth, "gender": "male"}
    return {**body, "name": name, "identifier": [{"system": "urn:mrn", "value": f"MRN-{key}"}]}


def condition(key: str, code: tuple[str, str], days: int) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"{key}-{code[1].replace('.', '-')}",
        "subject": {"reference": f"Patient/{key}"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "onsetDateTime": days_ago(days),
        "recordedDate": days_ago(days),
    }


def observation(key: str, code: tuple[str, str], value: float, unit: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{key}-{code[1]}",
        "status": "final",
        "subject": {"reference": f"Patient/{key}"},
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "effectiveDateTime": days_ago(9),
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def with_diabetes(key: str, *more: dict[str, Any]) -> list[dict[str, Any]]:
    own = condition(key, DIABETES, 900), observation(key, BMI, 31.2, "kg/m2")
    return [patient(key), *own, *more]


CHART = [
    *with_diabetes("fits", observation("fits", HBA1C, 8.1, "%")),
    *with_diabetes("lacks"),
    *with_diabetes("low", observation("low", HBA1C, 5.6, "%")),
    *with_diabetes(
        "stroke", observation("stroke", HBA1C, 8.4, "%"), condition("stroke", STROKE, 60)
    ),
]


def import_records(member: Member, records: list[dict[str, Any]]) -> None:
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    answer = member.post(
        "/imports?source=clinic", data=lines, content_type="application/fhir+ndjson"
    )
    assert answer.status_code == 201, answer.text
    assert answer.json["refused_count"] == 0, answer.text


def import_study(member: Member) -> str:
    answer = member.post("/studies/import", data=json.dumps(STUDY), content_type="application/json")
    assert answer.status_code == 200, answer.text
    return f"/studies/{answer.json['studies'][0]['study_id']}"


def propose(member: Member, study: str) -> str:
    """Create a draft, let the rules propose its criteria, and return the draft's path."""
    created = member.post(f"{study}/versions", json={"label": "From the registry"})
    version = f"{study}/versions/{created.json['number']}"
    answer = member.post(f"{version}/proposals", json={})
    assert answer.status_code == 200, answer.text
    return version


def proposals(member: Member, version: str) -> dict[str, dict[str, Any]]:
    """Return the proposals of a version by their statements."""
    listed = member.get(f"{version}/proposals?limit=200")
    assert listed.status_code == 200, listed.text
    return {each["statement"]: each for each in listed.json["data"]}


def decide(member: Member, version: str, proposal: Any, word: str, **body: Any) -> Any:
    path = f"{version}/proposals/{proposal['id']}/{word}"
    return member.post(path, json=body, headers={"If-Match": proposal["etag"]})


def step(member: Member, version: str, transition: str) -> Any:
    return member.post(f"{version}/{transition}", headers={"If-Match": "*"})


def activated(member: Member) -> tuple[str, str]:
    """Import the study, decide about each proposal, and activate the draft."""
    study = import_study(member)
    version = propose(member, study)
    found = proposals(member, version)
    stroke = found["Stroke within 6 months before screening"]
    for statement in (
        "Minimum age: 18 years",
        "Maximum age: 75 years",
        "Type 2 diabetes",
        "HbA1c >= 7.0 % and <= 10.0 %",
        "BMI of 25 kg/m2 or more",
    ):
        assert found[statement]["expression"] is not None, found[statement]
        assert decide(member, version, found[statement], "accept").json["state"] == "accepted"
    leaf = {**stroke["expression"]["condition"], "missing": "not_met"}
    corrected = decide(member, version, stroke, "accept", expression={"condition": leaf})
    assert corrected.json["state"] == "corrected"
    assert step(member, version, "submit").status_code == 200
    refused = step(member, version, "activate")
    assert (refused.status_code, refused.json["code"]) == (409, "version_not_ready")
    assert "3 proposals" in refused.json["errors"][0]["detail"]
    assert step(member, version, "reopen").status_code == 200
    for statement, reason in (
        ("Age between 18 and 75 years", "The study's own ages say it."),
        ("Able to use a smartphone", "Asked in the first call."),
        ("Pregnant or breastfeeding", "Asked in the first call."),
    ):
        answer = decide(member, version, found[statement], "reject", reason=reason)
        assert answer.json["state"] == "rejected", answer.text
    for transition in ("submit", "activate"):
        answer = step(member, version, transition)
        assert answer.status_code == 200, answer.text
    return study, version


def matches(member: Member, study: str) -> dict[str, dict[str, Any]]:
    """Return the matches of a study by the patients' given names."""
    listed = member.get(f"{study}/matches?limit=200")
    assert listed.status_code == 200, listed.text
    return {each["patient"]["given_name"]: each for each in listed.json["data"]}


def verdicts(member: Member, study: str) -> dict[str, str]:
    return {name: match["verdict"] for name, match in matches(member, study).items()}


def test_a_patient_becomes_eligible_by_a_laboratory_value(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tier: Tier,
    run_command: Callable[..., Any],
) -> None:
    member = as_member(make_tenant(tier))
    import_records(member, CHART)
    study, version = activated(member)
    run_due_jobs(app, member.tenant)

    assert verdicts(member, study) == {
        "fits": "eligible",
        "lacks": "potential",
        "low": "ineligible",
        "stroke": "ineligible",
    }
    criteria = member.get(f"{version}/criteria").json["criteria"]
    position = next(
        number for number, each in enumerate(criteria) if each["statement"].startswith("HbA1c")
    )
    lacks = matches(member, study)["lacks"]["patient_id"]
    before = member.get(f"{study}/matches/{lacks}").json
    assert before["criteria"][position]["outcome"] == "unknown"
    assert before["criteria"][position]["leaves"][0]["records"] == []

    def status() -> tuple[int, int, int]:
        shown = run_command("match", "status", member.tenant.slug, "--json")
        [row] = json.loads(shown.output)
        return row["eligible"], row["potential"], row["waiting"]

    assert status() == (1, 1, 0)
    import_records(member, [observation("lacks", HBA1C, 7.9, "%")])
    assert status() == (1, 1, 1)
    run_due_jobs(app, member.tenant)

    assert status() == (2, 0, 0)
    assert verdicts(member, study)["lacks"] == "eligible"
    explained = member.get(f"{study}/matches/{lacks}").json
    assert explained["verdict"] == "eligible"
    decided = explained["criteria"][position]
    assert (decided["key"], decided["outcome"]) == (criteria[position]["key"], "met")
    [record] = decided["leaves"][0]["records"]
    assert (float(record["value_number"]), record["unit"], record["code"]) == (7.9, "%", HBA1C[1])
    assert record["start_at"].startswith(days_ago(9))
    records = member.get(f"/patients/{lacks}/records?limit=200").json["data"]
    assert record["id"] in {each["id"] for each in records}


def test_another_tenant_sees_no_proposal(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    ours, theirs = (as_member(make_tenant(tier)) for _ in range(2))
    study = import_study(ours)
    version = propose(ours, study)
    one = next(iter(proposals(ours, version).values()))
    same_id = {"id": UUID(study.split("/")[-1]), "protocol_number": "Other", "title": "Other"}
    with app.app_context(), tenant_context(str(theirs.tenant.id)), transaction():
        insert_item(Study, same_id, ("id",))

    assert theirs.get(f"{version}/proposals").status_code == 404
    assert theirs.post(f"{study}/versions", json={}).json["number"] == 1
    assert proposals(theirs, version) == {}
    assert theirs.post(f"{version}/proposals", json={}).status_code == 422
    named = {"document_id": one["place"] and one["place"]["document_id"]}
    assert theirs.post(f"{version}/proposals", json=named).status_code == 422
    assert theirs.get(f"{version}/proposals/{one['id']}").status_code == 404
    for word in ("accept", "reject"):
        assert decide(theirs, version, one, word).status_code == 404
    assert proposals(ours, version)[one["statement"]] == one
    assert theirs.get(f"{version}/criteria").json["criteria"] == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_a_member_without_the_permission_decides_nothing(
    make_tenant: MakeTenant, as_member: AsMember, tier: Tier, role: Role
) -> None:
    owner = as_member(make_tenant(tier))
    version = propose(owner, import_study(owner))
    one = next(iter(proposals(owner, version).values()))
    member = as_member(owner.tenant, role)

    refused = [
        member.post(f"{version}/proposals", json={}),
        decide(member, version, one, "accept"),
        decide(member, version, one, "reject"),
    ]

    assert {each.status_code for each in refused} == {403}
    assert proposals(owner, version)[one["statement"]] == one
