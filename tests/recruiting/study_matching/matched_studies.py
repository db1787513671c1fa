"""Studies with an active version of their protocol, and patients whom they may select."""

import datetime as dt
from typing import Any
from uuid import uuid4

from members import MakeFact, Member

from trially.database.session import transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.running import run_study
from trially.recruiting.study_matching.studies import active_studies
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

RECENTLY = dt.datetime.now(dt.UTC) - dt.timedelta(days=5)

CRITERIA = [
    {"kind": "inclusion", "statement": "Adults", "expression": {"age": {"gte": 18}}},
    {
        "kind": "inclusion",
        "statement": "HbA1c from 7 to 10 %",
        "expression": {
            "observation": {
                "in": {"codes": ["loinc|4548-4"]},
                "within": {"from": "-P90D"},
                "value": {"gte": 7, "lte": 10, "unit": "%"},
            }
        },
    },
    {
        "kind": "exclusion",
        "statement": "Heart failure",
        "expression": {"condition": {"in": {"codes": ["sct|84114007"]}, "missing": "not_met"}},
    },
]


def add_patient(member: Member, born: str = "1960-05-17", **more: Any) -> str:
    names = {"given_name": "Ada", "family_name": "Example"}
    body = {"mrn": str(uuid4()), "birth_date": born, "sex": "other", **names, **more}
    answer = member.post("/patients", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def add_study(member: Member, criteria: list[dict[str, Any]] = CRITERIA) -> str:
    """Add a study with an active version, and return its id."""
    study = add_study_in_review(member, criteria)
    path = f"/studies/{study}/versions/1/activate"
    activated = member.post(path, headers={"If-Match": "*"})
    assert activated.status_code == 200, activated.text
    return study


def add_study_in_review(member: Member, criteria: list[dict[str, Any]] = CRITERIA) -> str:
    """Add a study with a version in review, and return its id."""
    study = member.post(
        "/studies", json={"protocol_number": str(uuid4()), "title": "A study", "sponsor": "S"}
    ).json["id"]
    add_version(member, study, criteria)
    return str(study)


def add_version(member: Member, study: str, criteria: list[dict[str, Any]]) -> int:
    """Add a version in review to a study, and return its number."""
    path = f"/studies/{study}/versions"
    number = int(member.post(path, json={}).json["number"])
    body = {"criteria": [{"review_state": "reviewed", **each} for each in criteria]}
    stored = member.request(
        "PUT", f"{path}/{number}/criteria", json=body, headers={"If-Match": "*"}
    )
    assert stored.status_code == 200, stored.text
    submitted = member.post(f"{path}/{number}/submit", headers={"If-Match": "*"})
    assert submitted.status_code == 200, submitted.text
    return number


def hba1c(make_fact: MakeFact, tenant: Tenant, patient: str, value: float) -> str:
    return make_fact(
        tenant,
        patient,
        value_number=value,
        unit="%",
        start_at=RECENTLY,
        start_precision="instant",
    )


def verdicts(member: Member, study: str) -> dict[str, str]:
    page = member.get(f"/studies/{study}/matches?limit=200").json
    return {item["patient_id"]: item["verdict"] for item in page["data"]}


def count_wrong(tenant: Tenant) -> int:
    """Return how many matches a run for all patients of the tenant writes."""
    wrong = 0
    with tenant_context(str(tenant.id)), transaction():
        for study in active_studies():
            counts = run_study(study, moment_of(), NoTerminology(), Trigger.REQUEST)
            wrong += counts["added"] + counts["changed"] + counts["removed"]
    return wrong
