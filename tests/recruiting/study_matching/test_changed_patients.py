"""Changed patients have the matches of a run for all, judged one by one or together."""

import datetime as dt
from uuid import UUID

import pytest
from encrypted_tenants import encrypt
from flask import Flask
from members import AsMember, MakeFact, MakeTenant, Member

from tests.recruiting.study_matching.matched_studies import (
    CRITERIA,
    add_patient,
    add_study,
    count_wrong,
    hba1c,
)
from trially.database.session import transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.matching.subjects import changed_since, number_changes
from trially.recruiting.study_matching import running
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.running import run_changed
from trially.recruiting.study_matching.studies import active_studies
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

ASKS_FOR_THE_DEAD = [{"kind": "exclusion", "statement": "Dead", "expression": {"deceased": True}}]
FIRST, LAST = 0, 10**9
"""From how many patients on they are judged together: always, and never."""


@pytest.fixture(params=[FIRST, LAST], ids=["together", "one by one"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "TOGETHER_FROM", request.param)


def match_changed(tenant: Tenant, since: int) -> tuple[int, dict[int, UUID | None], int]:
    """Match the patients who changed since a number.

    Returns the number of the last change, the patients, and how many matches were written.
    """
    with tenant_context(str(tenant.id)), transaction():
        number = number_changes()
        changed = changed_since(since, 1_000)
        written = run_changed(active_studies(), changed, moment_of(), NoTerminology())
    return number, changed, written.total


def change_and_compare(app: Flask, member: Member, make_fact: MakeFact) -> None:
    """Change patients in many ways, and compare what is written with a run for all."""
    tenant = member.tenant
    add_study(member)
    add_study(member, [*CRITERIA, *ASKS_FOR_THE_DEAD])
    patients = [add_patient(member) for _ in range(9)]
    for number, each in enumerate(patients):
        hba1c(make_fact, tenant, each, 4.0 + number)
    with app.app_context():
        since, _, written = match_changed(tenant, 0)
        assert written >= len(patients)
        assert count_wrong(tenant) == 0

    measured, twice, grown, dead, gone, renamed = patients[:6]
    hba1c(make_fact, tenant, measured, 8.0)
    hba1c(make_fact, tenant, twice, 9.0)
    hba1c(make_fact, tenant, twice, 4.0)
    child = (dt.datetime.now(dt.UTC) - dt.timedelta(days=3_650)).date().isoformat()
    member.patch(f"/patients/{grown}", json={"birth_date": child})
    member.patch(f"/patients/{dead}", json={"deceased": True})
    member.patch(f"/patients/{renamed}", json={"given_name": "Grace"})
    member.delete(f"/patients/{gone}")
    with app.app_context():
        since, changed, written = match_changed(tenant, since)
        present = {str(each) for each in changed.values() if each is not None}
        assert present == {measured, twice, grown, dead, renamed}
        assert written > len(present)
        assert count_wrong(tenant) == 0
        assert match_changed(tenant, since)[1:] == ({}, 0)


def test_every_tier(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, make_fact: MakeFact, tier: Tier
) -> None:
    neighbour = as_member(make_tenant(tier))
    hba1c(make_fact, neighbour.tenant, add_patient(neighbour), 8.0)

    change_and_compare(app, as_member(make_tenant(tier)), make_fact)


def test_encrypted_birth_dates(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, make_fact: MakeFact
) -> None:
    member = as_member(make_tenant())
    encrypt(app, member.tenant)

    change_and_compare(app, member, make_fact)
