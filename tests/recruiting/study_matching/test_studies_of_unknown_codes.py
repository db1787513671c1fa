"""A study whose codes cannot be looked up any more stops no other study."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import text

from tests.recruiting.study_matching.due_jobs import run_due_jobs
from tests.recruiting.study_matching.matched_studies import (
    CRITERIA,
    add_patient,
    add_study,
    verdicts,
)
from trially.database.changes import note_written
from trially.database.session import db, transaction
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

ADULT = CRITERIA[0]
NAMED = {
    "kind": "exclusion",
    "statement": "A disease of ours",
    "expression": {"condition": {"in": {"valueset": ["ours"]}, "missing": "not_met"}},
}


@pytest.fixture
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@pytest.fixture
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture
def studies(app: Flask, member: Member) -> tuple[str, str]:
    """Two studies: one that can be evaluated, and one whose value set is gone."""
    body = {"key": "ours", "name": "Ours", "compose": {"include": [{"codes": ["sct|84114007"]}]}}
    created = member.post("/valuesets", json=body)
    assert created.status_code == 201, created.text
    known, unknown = add_study(member, [ADULT]), add_study(member, [NAMED])
    run_due_jobs(app, member.tenant)
    change(app, member, "value_set", "key = 'renamed'")
    return known, unknown


def change(app: Flask, member: Member, table: str, values: str) -> None:
    """Change all rows of a table of the member's tenant."""
    with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(
            text(f"UPDATE {table} SET {values} WHERE tenant_id = :id"), {"id": member.tenant.id}
        )
        note_written(table, patients=())


def test_the_other_studies_of_a_patient_are_listed(
    member: Member, studies: tuple[str, str]
) -> None:
    known, unknown = studies

    listed = member.get(f"/patients/{add_patient(member)}/studies")

    assert listed.status_code == 200
    assert [each["study_id"] for each in listed.json["studies"]] == [known]
    assert [each["study_id"] for each in listed.json["not_evaluated"]] == [unknown]
    assert member.get(f"/studies/{unknown}/attrition").status_code == 422


@pytest.mark.parametrize("days_ago", [0, 1])
def test_changes_reach_the_matches_of_other_studies(
    app: Flask, member: Member, studies: tuple[str, str], days_ago: int
) -> None:
    known, unknown = studies
    before = verdicts(member, unknown)
    change(app, member, "match_clock", f"matched_on = matched_on - {days_ago}")
    patient = add_patient(member)

    run_due_jobs(app, member.tenant)

    assert verdicts(member, known)[patient] == "eligible"
    assert verdicts(member, unknown) == before
    newest = next(
        job
        for job in member.get("/jobs").json["data"]
        if job["kind"] == "refresh_matches" and job["state"] == "done"
    )
    assert newest["result"]["not_evaluated"] == [unknown]


def test_commands_name_the_study_and_do_the_others(
    member: Member, studies: tuple[str, str], run_command: Callable[..., Any]
) -> None:
    known, unknown = studies
    patient = add_patient(member)
    numbers = {each: member.get(f"/studies/{each}").json["protocol_number"] for each in studies}

    computed = run_command("match", "run", member.tenant.slug)
    explained = run_command("match", "explain", member.tenant.slug, patient)

    assert computed.exit_code == 1
    assert f"The criteria of {numbers[unknown]} name codes that are unknown" in computed.output
    assert verdicts(member, known)[patient] == "eligible"
    assert explained.exit_code == 0
    assert f"{numbers[known]}: eligible" in explained.output
    assert f"{numbers[unknown]}: not evaluated" in explained.output
