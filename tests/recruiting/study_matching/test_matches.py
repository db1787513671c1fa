"""A study's criteria become matches, and matches follow changes, on every tier."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakeFact, MakeTenant, Member
from sqlalchemy import select

from tests.recruiting.study_matching.due_jobs import run_due_jobs
from tests.recruiting.study_matching.matched_studies import (
    CRITERIA,
    add_patient,
    add_study,
    add_version,
    hba1c,
    verdicts,
)
from trially.auth.roles import PhiLevel, Role
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.matching.subjects import changed_since
from trially.recruiting.study_matching.model import Match
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.running import run_changed
from trially.recruiting.study_matching.studies import find_active
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture(scope="module")
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture
def work(app: Flask, tenant: Tenant) -> Callable[[], None]:
    """Let a worker do all jobs of the tenant, those that wait for further changes too."""
    return lambda: run_due_jobs(app, tenant)


def test_matches_follow_activation_and_changes(
    app: Flask, tenant: Tenant, member: Member, make_fact: MakeFact, work: Callable[[], None]
) -> None:
    fits, lacks, fails = (add_patient(member) for _ in range(3))
    hba1c(make_fact, tenant, fits, 7.5)
    hba1c(make_fact, tenant, fails, 5.0)
    study = add_study(member)
    work()

    assert verdicts(member, study) == {
        **verdicts(member, study),
        fits: "eligible",
        lacks: "potential",
        fails: "ineligible",
    }

    hba1c(make_fact, tenant, lacks, 8.0)
    member.patch(f"/patients/{lacks}", json={"phone": "+1"})
    work()

    assert verdicts(member, study)[lacks] == "eligible"
    explained = member.get(f"/studies/{study}/matches/{lacks}").json
    assert explained["verdict"] == "eligible"
    assert [each["alternatives"] for each in explained["criteria"]] == [[], [], []]
    [record] = explained["criteria"][1]["leaves"][0]["records"]
    assert (float(record["value_number"]), record["unit"]) == (8.0, "%")

    member.delete(f"/patients/{fits}")
    work()
    assert fits not in verdicts(member, study)


def test_a_preview_counts_as_the_matches_do(
    tenant: Tenant, member: Member, make_fact: MakeFact, work: Callable[[], None]
) -> None:
    fits = add_patient(member)
    hba1c(make_fact, tenant, fits, 9.0)
    study = add_study(member)
    work()
    found = list(verdicts(member, study).values())

    counted = member.post(f"/studies/{study}/versions/1/preview", json={}).json
    without = member.post(f"/studies/{study}/versions/1/preview", json={"off": [1]}).json

    assert counted["counts"]["eligible"] == found.count("eligible")
    assert counted["counts"]["potential"] == found.count("potential")
    assert without["counts"] == counted["criteria"][1]["without"]
    assert member.get(f"/studies/{study}/attrition").json["counts"] == counted["counts"]
    body = {"criteria": [{"kind": "inclusion", "expression": {"sex": ["female"]}}]}
    women = member.post(f"/studies/{study}/versions/1/preview", json=body).json
    assert women["counts"]["eligible"] == 0
    assert women["patients"] == counted["patients"]


def test_people_decide_beside_the_criteria(member: Member, work: Callable[[], None]) -> None:
    patient = add_patient(member)
    study = add_study(member)
    work()
    path = f"/studies/{study}/decisions/{patient}"

    decided = member.request("PUT", path, json={"decision": "excluded", "reason": "Moved away"})

    assert decided.status_code == 200, decided.text
    [listed] = [
        each
        for each in member.get(f"/studies/{study}/matches?limit=200").json["data"]
        if each["patient_id"] == patient
    ]
    assert listed["decision"] == "excluded"
    assert member.delete(path).status_code == 204
    assert member.delete(path).status_code == 404


def test_a_second_run_writes_no_match(
    app: Flask, tenant: Tenant, member: Member, work: Callable[[], None]
) -> None:
    add_patient(member)
    study = add_study(member)
    work()
    before = member.get(f"/studies/{study}/matches?limit=200").json["data"]

    started = member.post(f"/studies/{study}/match-runs")
    work()

    assert started.status_code == 200
    job = member.get(f"/jobs/{started.json['id']}").json
    assert job["state"] == "done", job
    assert (job["result"]["added"], job["result"]["changed"], job["result"]["removed"]) == (0, 0, 0)
    assert member.get(f"/studies/{study}/matches?limit=200").json["data"] == before


def test_a_match_names_the_version_that_it_follows_from(
    app: Flask, tenant: Tenant, member: Member, work: Callable[[], None]
) -> None:
    changed, unchanged = (UUID(add_patient(member)) for _ in range(2))
    study = add_study(member)
    work()
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        former = versions(study)[unchanged]
    number = add_version(member, study, CRITERIA)
    member.post(f"/studies/{study}/versions/{number}/activate", headers={"If-Match": "*"})

    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        newest = find_active(UUID(study))
        assert newest is not None
        numbered = {each: ordinal for ordinal, each in changed_since(0, 1_000).items()}
        run_changed([newest], {numbered[changed]: changed}, moment_of(), NoTerminology())
        found = versions(study)
    assert (found[changed], found[unchanged]) == (newest.version_id, former)
    assert former != newest.version_id

    work()
    with app.app_context(), tenant_context(str(tenant.id)), transaction():
        assert set(versions(study).values()) == {newest.version_id}


def versions(study: str) -> dict[UUID, UUID]:
    """Return by patient the version of the protocol that a match names."""
    match = table_of(Match)
    rows = db.session.execute(
        select(match.c.patient_id, match.c.protocol_version_id).where(
            of_current_tenant(Match), match.c.study_id == UUID(study)
        )
    )
    return {row.patient_id: row.protocol_version_id for row in rows}


def test_members_of_a_site_see_its_patients(
    tenant: Tenant, member: Member, as_member: AsMember, work: Callable[[], None]
) -> None:
    site = member.post("/sites", json={"name": str(uuid4()), "city": "B"}).json["id"]
    here, elsewhere = add_patient(member, site_id=site), add_patient(member)
    study = add_study(member)
    work()
    restricted = as_member(tenant, Role.COORDINATOR, site_ids=[site])

    assert list(verdicts(restricted, study)) == [here]
    assert restricted.get(f"/studies/{study}/matches/{elsewhere}").status_code == 404
    counted = restricted.post(f"/studies/{study}/versions/1/preview", json={}).json
    assert counted["patients"] == 1


def test_members_without_phi_see_no_small_numbers(
    tenant: Tenant, member: Member, as_member: AsMember, work: Callable[[], None]
) -> None:
    add_patient(member)
    study = add_study(member)
    work()
    blind = as_member(tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    counted = blind.get(f"/studies/{study}/attrition")

    assert counted.status_code == 200, counted.text
    numbers = [counted.json["patients"], *counted.json["counts"].values()]
    assert all(number is None or (number >= 10 and number % 10 == 0) for number in numbers)
    assert blind.get(f"/studies/{study}/matches").status_code == 403
