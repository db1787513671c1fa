"""Two versions of a protocol name the patients whom they judge differently, on every tier."""

from typing import Any
from uuid import UUID

import pytest
from members import AsMember, MakeFact, MakeTenant, Member

from tests.recruiting.study_matching.matched_studies import (
    CRITERIA,
    add_patient,
    add_study,
    add_version,
    hba1c,
)
from trially.auth.roles import PhiLevel, Role
from trially.tenancy.catalog_choices import Tier

WIDER = [
    CRITERIA[0],
    {
        "kind": "inclusion",
        "statement": "HbA1c from 6 to 8 %",
        "expression": {
            "observation": {
                "in": {"codes": ["loinc|4548-4"]},
                "within": {"from": "-P90D"},
                "value": {"gte": 6, "lte": 8, "unit": "%"},
            }
        },
    },
    CRITERIA[2],
]
DEAD = [CRITERIA[0], {"kind": "inclusion", "statement": "Dead", "expression": {"deceased": True}}]


class Amended:
    """A tenant with a study of two versions, and patients with values."""

    def __init__(self, member: Member, make_fact: MakeFact) -> None:
        self.member, self.tenant = member, member.tenant
        self.site = member.post("/sites", json={"name": "North", "city": "B"}).json["id"]
        self.gains, self.loses, self.stays = (add_patient(member) for _ in range(3))
        self.here = add_patient(member, site_id=self.site)
        self.lacks = add_patient(member)
        for patient, value in (
            *((self.gains, 6.5), (self.loses, 9.0), (self.stays, 7.5)),
            (self.here, 9.5),
        ):
            hba1c(make_fact, self.tenant, patient, value)
        self.study = add_study(member)
        assert add_version(member, self.study, WIDER) == 2
        self.path = f"/studies/{self.study}/versions/1/diff/2"


@pytest.fixture(scope="module")
def amended(
    make_tenant: MakeTenant, as_member: AsMember, make_fact: MakeFact, tier: Tier
) -> tuple[Amended, Amended]:
    """Two tenants with the same study and patients."""
    first, second = (Amended(as_member(make_tenant(tier)), make_fact) for _ in range(2))
    return first, second


def patients(member: Member, path: str) -> list[dict[str, Any]]:
    """Return all affected patients, read in pages of two."""
    found: list[dict[str, Any]] = []
    separator = "&" if "?" in path else "?"
    cursor = ""
    while True:
        page = member.get(f"{path}{separator}limit=2{cursor}")
        assert page.status_code == 200, page.text
        found += page.json["data"]
        if not page.json["page"]["has_more"]:
            return found
        cursor = f"&cursor={page.json['page']['next']}"


def changes(rows: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {each["patient_id"]: (each["former"], each["latter"]) for each in rows}


def test_the_patients_whose_verdict_changes_are_counted_and_listed(
    amended: tuple[Amended, Amended],
) -> None:
    study, _ = amended
    counted = study.member.get(f"{study.path}/counts").json

    numbers = {(each["former"], each["latter"]): each["patients"] for each in counted["changes"]}
    assert len(numbers) == 6
    assert {change: number for change, number in numbers.items() if number} == {
        ("ineligible", "eligible"): 1,
        ("eligible", "ineligible"): 2,
    }
    assert (counted["patients"], counted["unchanged"], counted["changed"]) == (5, 2, 3)
    listed = patients(study.member, f"{study.path}/patients")
    assert changes(listed) == {
        study.gains: ("ineligible", "eligible"),
        study.loses: ("eligible", "ineligible"),
        study.here: ("eligible", "ineligible"),
    }
    assert {each["patient"]["family_name"] for each in listed} == {"Example"}
    total = study.member.get(f"{study.path}/patients?limit=1&total=true").json["page"]["total"]
    assert total == 3


def test_the_other_direction_is_the_reverse(amended: tuple[Amended, Amended]) -> None:
    study, _ = amended
    back = f"/studies/{study.study}/versions/2/diff/1/patients"

    there = changes(patients(study.member, f"{study.path}/patients"))

    assert changes(patients(study.member, back)) == {
        patient: (latter, former) for patient, (former, latter) in there.items()
    }
    same = f"/studies/{study.study}/versions/1/diff/1"
    assert patients(study.member, f"{same}/patients") == []
    assert study.member.get(f"{same}/counts").json["changed"] == 0


def test_a_list_is_narrowed_by_verdicts(amended: tuple[Amended, Amended]) -> None:
    study, _ = amended
    path = f"{study.path}/patients"

    assert set(changes(patients(study.member, f"{path}?latter=eligible"))) == {study.gains}
    assert set(changes(patients(study.member, f"{path}?former=eligible"))) == {
        study.loses,
        study.here,
    }
    assert patients(study.member, f"{path}?former=potential") == []
    cursor = study.member.get(f"{path}?limit=1").json["page"]["next"]
    assert study.member.get(f"{path}?limit=1&former=eligible&cursor={cursor}").status_code == 400


def test_a_neighbour_sees_its_own_patients(amended: tuple[Amended, Amended]) -> None:
    study, neighbour = amended

    ours = set(changes(patients(study.member, f"{study.path}/patients")))
    theirs = set(changes(patients(neighbour.member, f"{neighbour.path}/patients")))

    assert ours
    assert len(ours) == len(theirs)
    assert ours.isdisjoint(theirs)
    for more in ("counts", "patients"):
        assert neighbour.member.get(f"{study.path}/{more}").status_code == 404
    cursor = study.member.get(f"{study.path}/patients?limit=1").json["page"]["next"]
    taken = neighbour.member.get(f"{neighbour.path}/patients?limit=1&cursor={cursor}")
    assert taken.status_code == 400


def test_a_member_of_a_site_sees_its_patients(
    amended: tuple[Amended, Amended], as_member: AsMember
) -> None:
    study, _ = amended
    restricted = as_member(study.tenant, Role.COORDINATOR, site_ids=[study.site])

    assert set(changes(patients(restricted, f"{study.path}/patients"))) == {study.here}
    counted = restricted.get(f"{study.path}/counts").json
    assert (counted["patients"], counted["changed"]) == (1, 1)


def test_a_member_without_phi_sees_rounded_numbers(
    amended: tuple[Amended, Amended], as_member: AsMember
) -> None:
    study, _ = amended
    blind = as_member(study.tenant, Role.VIEWER, phi_level=PhiLevel.NONE)

    counted = blind.get(f"{study.path}/counts").json

    assert [counted[name] for name in ("patients", "unchanged", "changed")] == [None] * 3
    assert [each["patients"] for each in counted["changes"]] == [None] * 6
    assert blind.get(f"{study.path}/patients").status_code == 403


def test_the_dead_are_ineligible_by_a_version_that_leaves_them_out(
    amended: tuple[Amended, Amended],
) -> None:
    study, _ = amended
    member = study.member
    dead = add_patient(member, deceased=True)
    number = add_version(member, study.study, DEAD)

    found = changes(patients(member, f"/studies/{study.study}/versions/1/diff/{number}/patients"))

    assert found[dead] == ("ineligible", "eligible")
    assert found[study.stays] == ("eligible", "ineligible")


def test_versions_that_do_not_exist_or_cannot_be_evaluated_are_refused(
    amended: tuple[Amended, Amended],
) -> None:
    study, _ = amended
    member, base = study.member, f"/studies/{study.study}/versions/1/diff"
    number = member.post(f"/studies/{study.study}/versions", json={}).json["number"]
    many = [{"kind": "inclusion", "statement": f"Number {each}"} for each in range(64)]
    path = f"/studies/{study.study}/versions/{number}"
    stored = member.request(
        "PUT", f"{path}/criteria", json={"criteria": many}, headers={"If-Match": "*"}
    )
    assert stored.status_code == 200, stored.text

    for more in ("counts", "patients"):
        assert member.get(f"{base}/99/{more}").status_code == 404
        assert member.get(f"{base}/{number}/{more}").status_code == 422
        missing = f"/studies/{UUID(int=1)}/versions/1/diff/2/{more}"
        assert member.get(missing).status_code == 404
    assert member.post(f"{path}/preview", json={}).status_code == 422
