"""Explanations say in English what each criterion asks, and what would change it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from members import AsMember, MakeFact, MakeTenant, Member

from tests.recruiting.study_matching.matched_studies import (
    CRITERIA,
    add_patient,
    add_study,
    hba1c,
)
from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog import Tenant

HBA1C = "The most recent HbA1c within the last 90 days is between 7 % and 10 %."
PEOPLE = [
    *CRITERIA,
    {"kind": "inclusion", "statement": "Able to comply", "evaluation": "manual"},
    {"kind": "inclusion", "statement": "Willing", "expression": {"manual": "Willing?"}},
]


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant()


@pytest.fixture(scope="module")
def member(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant)


@pytest.fixture(scope="module")
def study(member: Member) -> str:
    return add_study(member, PEOPLE)


def explain(member: Member, study: str, patient: str) -> dict[str, Any]:
    answer = member.get(f"/studies/{study}/matches/{patient}")
    assert answer.status_code == 200, answer.text
    explained: dict[str, Any] = answer.json
    return explained


def texts(criterion: dict[str, Any]) -> list[list[str]]:
    return [[each["text"] for each in one["changes"]] for one in criterion["alternatives"]]


def test_a_potential_match_says_what_is_missing(tenant: Tenant, member: Member, study: str) -> None:
    patient = add_patient(member)

    explained = explain(member, study, patient)

    assert explained["verdict"] == "potential"
    assert explained["undecided"] == {"records": 1, "conflicts": 0, "people": 2}
    age, value, _, decided, asked = explained["criteria"]
    assert (age["sentence"], age["alternatives"]) == ("The patient is at least 18 years old.", [])
    assert (value["sentence"], value["unknown_kind"]) == (HBA1C, "record")
    [[text]] = texts(value)
    assert text.startswith("A new result of HbA1c that is between 7 % and 10 %, dated 20")
    assert value["leaves"][0]["reason_text"] == "There is no such record."
    assert decided["sentence"] == "A person decides: Able to comply"
    assert texts(decided) == [["A person decides that this is so: Able to comply"]]
    assert (asked["unknown_kind"], texts(asked)) == (
        "person",
        [["A person answers with yes: Willing?"]],
    )


def test_evidence_shows_the_value_as_it_is_compared(
    tenant: Tenant, member: Member, make_fact: MakeFact, study: str
) -> None:
    patient = add_patient(member)
    hba1c(make_fact, tenant, patient, 5.0)

    value = explain(member, study, patient)["criteria"][1]

    assert (value["outcome"], value["unknown_kind"]) == ("not_met", None)
    [leaf] = value["leaves"]
    assert (leaf["pointer"], leaf["record_count"], len(leaf["records"])) == ("", 1, 1)
    assert texts(value)[0][0].startswith("A new result of HbA1c that is between")


def test_a_list_says_the_same_kinds_and_score_as_the_explanation(
    member: Member, study: str, run_command: Callable[..., Any]
) -> None:
    assert run_command("match", "run", member.tenant.slug).exit_code == 0

    page = member.get(f"/studies/{study}/matches?limit=200").json["data"]

    assert page
    for match in page:
        explained = explain(member, study, match["patient_id"])
        assert match["undecided"] == explained["undecided"]
        assert match["unknowns"] == sum(match["undecided"].values())
        assert match["score"] == explained["score"]


def test_attrition_and_previews_have_sentences(member: Member, study: str) -> None:
    counted = member.get(f"/studies/{study}/attrition").json["criteria"]
    body = {"criteria": [{"kind": "exclusion", "expression": None, "statement": "Ill"}]}
    previewed = member.post(f"/studies/{study}/versions/1/preview", json=body).json["criteria"]

    assert [each["sentence"] for each in counted][1] == HBA1C
    assert [each["sentence"] for each in previewed] == ["A person decides: Ill"]


def test_the_command_explains_in_english(
    member: Member, study: str, run_command: Callable[..., Any]
) -> None:
    patient = add_patient(member)

    run = run_command("match", "explain", member.tenant.slug, patient)

    assert run.exit_code == 0, run.output
    assert ": potential, not decided: 1 records, 2 people" in run.output
    assert f"  1 inclusion, unknown: {HBA1C}\n    There is no such record.\n" in run.output
    assert "    needs: A new result of HbA1c that is between 7 % and 10 %, dated" in run.output


def test_runs_are_filtered(member: Member, study: str, run_command: Callable[..., Any]) -> None:
    assert run_command("match", "run", member.tenant.slug).exit_code == 0
    path = f"/studies/{study}/match-runs"

    requested = member.get(f"{path}?trigger=request&state=done").json["data"]

    assert requested
    assert {(each["trigger"], each["state"]) for each in requested} == {("request", "done")}
    assert member.get(f"{path}?state=failed").json["data"] == []
    assert member.get(f"{path}?trigger=new_day").json["data"] == []
    assert member.get(f"{path}?trigger=other").status_code == 400


def test_counts_of_runs_are_for_those_who_see_all_sites(
    tenant: Tenant,
    member: Member,
    as_member: AsMember,
    study: str,
    run_command: Callable[..., Any],
) -> None:
    site = member.post("/sites", json={"name": "Counted", "city": "B"}).json["id"]
    for _ in range(12):
        add_patient(member)
    assert run_command("match", "run", member.tenant.slug).exit_code == 0
    restricted = as_member(tenant, Role.COORDINATOR, site_ids=[site])
    blind = as_member(tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    whole, of_sites, rounded = (
        each.get(f"/studies/{study}/match-runs?state=done").json["data"][0]["counts"]
        for each in (member, restricted, blind)
    )

    assert set(whole) == {"eligible", "potential", "ineligible", "added", "changed", "removed"}
    assert whole["potential"] >= 12
    assert of_sites is None
    assert rounded["potential"] == round(whole["potential"], -1)
    assert {name for name, number in rounded.items() if number is None} == {
        name for name, number in whole.items() if number < 10
    }


def test_members_see_explanations_of_their_sites_alone(
    tenant: Tenant, member: Member, as_member: AsMember, study: str
) -> None:
    site = member.post("/sites", json={"name": "Explained", "city": "B"}).json["id"]
    here, elsewhere = add_patient(member, site_id=site), add_patient(member)
    restricted = as_member(tenant, Role.COORDINATOR, site_ids=[site])
    blind = as_member(tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    assert explain(restricted, study, here)["verdict"] == "potential"
    for path in (f"/studies/{study}/matches/{elsewhere}", f"/patients/{elsewhere}/studies"):
        assert restricted.get(path).status_code == 404
        assert blind.get(path).status_code == 403


def test_a_birthday_is_masked(tenant: Tenant, member: Member, as_member: AsMember) -> None:
    """A member who sees no birth dates does not learn them from the day on which an age changes."""
    today = dt.datetime.now(dt.UTC).date()
    born = today.replace(year=today.year - 17, day=1) + dt.timedelta(days=70)
    patient = add_patient(member, born=born.isoformat())
    adults = add_study(member, CRITERIA[:1])
    limited = as_member(tenant, Role.COORDINATOR, phi_level=PhiLevel.LIMITED)

    whole, masked = (explain(each, adults, patient) for each in (member, limited))

    turns = born.replace(year=born.year + 18)
    [whole_change] = whole["criteria"][0]["alternatives"][0]["changes"]
    assert dt.datetime.fromisoformat(whole_change["at"]).date() in (
        turns,
        turns - dt.timedelta(days=1),
    )
    [change] = masked["criteria"][0]["alternatives"][0]["changes"]
    [leaf] = masked["criteria"][0]["leaves"]
    assert change["text"] == whole_change["text"]
    for instant in (change["at"], leaf["until"], masked["valid_until"]):
        assert instant[4:10] == "-01-01"
