"""Criteria about the distance from a patient's home to the study's sites, on each tier."""

from collections.abc import Sequence
from typing import Any

import pytest
from encrypted_tenants import encrypt
from flask import Flask
from members import AsMember, MakeTenant, Member

from tests.recruiting.criteria.slow_evaluator import kilometres
from tests.recruiting.study_matching.due_jobs import run_due_jobs
from tests.recruiting.study_matching.matched_studies import add_patient, add_study, verdicts
from trially.database.session import transaction
from trially.recruiting.criteria.code_sets import NoTerminology
from trially.recruiting.criteria.facts import Place
from trially.recruiting.matching.subjects import changed_since, number_changes
from trially.recruiting.study_matching import refreshing, running
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.studies import active_studies
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

OMAHA, LINCOLN, DENVER = (41.25626, -95.94043), (40.8, -96.66696), (39.73915, -104.9847)
SUVA, APIA = (-18.1416, 178.4419), (-13.8333, -171.7667)
"""Two towns on both sides of the antimeridian, 1,165 km from each other."""

PLACES = [OMAHA, LINCOLN, DENVER, SUVA, APIA, (90.0, 0.0), (-90.0, 180.0), (0.0, -180.0)]
NEAR = [{"kind": "inclusion", "statement": "Near", "expression": {"distance": {"lte": 100}}}]


def _place(place: tuple[float, float]) -> dict[str, float]:
    return {"latitude": place[0], "longitude": place[1]}


def _add_site(
    member: Member, study: str, place: tuple[float, float] | None, name: str = "Main"
) -> str:
    site = member.post("/sites", json={"name": name, **(_place(place) if place else {})})
    assert site.status_code == 201, site.text
    body = {"site_id": site.json["id"], "status": "open"}
    assert member.post(f"/studies/{study}/sites", json=body).status_code == 201
    return str(site.json["id"])


def _add_patients(member: Member, places: Sequence[tuple[float, float] | None]) -> list[str]:
    return [
        add_patient(member, address={"city": "X", **(_place(place) if place else {})})
        for place in places
    ]


def test_patients_are_near_a_site_or_not(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    member, neighbour = (as_member(make_tenant(tier)) for _ in range(2))
    study = add_study(member, NEAR)
    _add_site(member, study, OMAHA)
    _add_site(neighbour, add_study(neighbour, NEAR), DENVER)
    here, near, far, unknown = _add_patients(member, [OMAHA, LINCOLN, DENVER, None])

    run_due_jobs(app, member.tenant)

    expected = {here: "eligible", near: "eligible", far: "ineligible", unknown: "potential"}
    assert verdicts(member, study) == expected
    explained = {each: member.get(f"/studies/{study}/matches/{each}").json for each in expected}
    assert {each: one["verdict"] for each, one in explained.items()} == expected


def test_matches_follow_homes_and_sites(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "ASKED_SECONDS", 0.0)
    member = as_member(make_tenant())
    study = add_study(member, NEAR)
    site = _add_site(member, study, None)
    [patient] = _add_patients(member, [DENVER])
    found = []

    def look(answer: Any) -> None:
        assert answer.status_code == 200, answer.text
        run_due_jobs(app, member.tenant)
        found.append(verdicts(member, study).get(patient))

    path, version = f"/patients/{patient}", {"If-Match": "*"}
    study_site = member.get(f"/studies/{study}/sites").json["data"][0]["id"]
    look(member.get(f"/sites/{site}"))
    look(member.patch(f"/sites/{site}", json=_place(DENVER), headers=version))
    look(member.patch(f"/sites/{site}", json=_place(OMAHA), headers=version))
    look(member.patch(path, json={"address": _place(LINCOLN)}, headers=version))
    look(member.patch(path, json={"address": {"line": "Elsewhere"}}, headers=version))
    look(member.patch(path, json={"address": _place(LINCOLN)}, headers=version))
    closed = f"/studies/{study}/sites/{study_site}"
    look(member.patch(closed, json={"status": "closed"}, headers=version))

    assert found == [
        "potential",
        "eligible",
        "ineligible",
        "eligible",
        "potential",
        "eligible",
        "potential",
    ]
    assert "latitude" not in member.patch(path, json={"address": {"city": "Y"}}).json["address"]


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("together_from", [0, 10**9], ids=["together", "one by one"])
def test_all_evaluators_agree(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    monkeypatch: pytest.MonkeyPatch,
    is_encrypted: bool,
    together_from: int,
) -> None:
    monkeypatch.setattr(running, "TOGETHER_FROM", together_from)
    member = as_member(make_tenant())
    if is_encrypted:
        encrypt(app, member.tenant)
    patients = _add_patients(member, [*PLACES, None])
    towns = [OMAHA, SUVA]
    # Of each patient, a limit that the distance just meets, and one that it just misses.
    nearest = {
        patient: min(kilometres(Place(*home), Place(*town)) for town in towns)
        for patient, home in zip(patients, PLACES, strict=False)
    }
    limits = sorted(
        {max(1, round(km, 3) + more) for km in nearest.values() for more in (-0.01, 0.01)}
    )
    studies = {}
    for limit in limits:
        unit = {"lte": round(limit, 3), "unit": "km"}
        leaf = [{"kind": "inclusion", "statement": "N", "expression": {"distance": unit}}]
        studies[limit] = add_study(member, leaf)
        for number, town in enumerate(towns):
            _add_site(member, studies[limit], town, f"{limit} {number}")

    with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        number_changes()
        changed = changed_since(0, 1_000)
        running.run_changed(active_studies(), changed, moment_of(), NoTerminology())
    found = {limit: verdicts(member, study) for limit, study in studies.items()}
    with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        for study in active_studies():
            counts = running.run_study(study, moment_of(), NoTerminology(), Trigger.REQUEST)
            assert counts["added"] + counts["changed"] + counts["removed"] == 0

    for limit in limits:
        near = {each for each, verdict in found[limit].items() if verdict == "eligible"}
        assert near == {each for each, km in nearest.items() if km <= round(limit, 3)}, limit
        assert found[limit][patients[-1]] == "potential"


@pytest.mark.parametrize(
    ("place", "pointer"),
    [
        ({"latitude": 91, "longitude": 0}, "latitude"),
        ({"latitude": 0, "longitude": -180.5}, "longitude"),
        ({"latitude": "41.2", "longitude": 1}, "latitude"),
        ({"latitude": True, "longitude": 1}, "latitude"),
        ({"latitude": 41.2}, "latitude"),
        ({"latitude": 41.2, "longitude": None}, "latitude"),
    ],
)
def test_half_a_place_is_refused(member: Member, place: dict[str, Any], pointer: str) -> None:
    for path, body, start in (
        ("/sites", {"name": "A", **place}, "/"),
        (
            "/patients",
            {"mrn": "1", "given_name": "A", "family_name": "B", "address": place},
            "/address/",
        ),
    ):
        answer = member.post(path, json=body)

        assert answer.status_code == 422, answer.text
        assert start + pointer in [each["pointer"] for each in answer.json["errors"]]
