"""A study and its versions say how many criteria the machine evaluates, on every tier."""

from typing import Any

import pytest
from members import AsMember, MakeTenant, Member

from tests.recruiting.protocols.test_protocol_versions import (
    activate,
    criterion,
    draft,
    expressed,
    put,
)
from tests.recruiting.protocols.test_study_documents import new_study
from trially.auth.roles import PhiLevel, Role
from trially.recruiting.protocols.versions.checking import counts_of
from trially.tenancy.catalog_choices import Tier

ADULT = {"age": {"gte": 18}}
SEEN = {"observation": {"in": {"codes": "loinc|4548-4"}, "value": {"text": "manual"}}}
NONE = {
    **dict.fromkeys(("criteria", "evaluated", "partly", "manual", "unsupported"), 0),
    "not_expressed": 0,
    "not_reviewed": 0,
    "share": None,
}
CRITERIA = [
    expressed("Adults"),
    criterion("A text is no part", expression=SEEN),
    criterion("Partly", expression={"any": [ADULT, {"not": {"manual": "Ill?"}}]}),
    criterion("Partly, deep", expression={"all": [{"any": [ADULT, {"unsupported": "x"}]}]}),
    criterion("All by hand", expression={"manual": "Willing?"}),
    criterion("By hand", evaluation="manual"),
    criterion("Kept", evaluation="unsupported"),
    criterion("Kept in the language", expression={"unsupported": "As the investigator thinks"}),
    criterion("Later"),
]
COUNTED = {
    "criteria": 9,
    "evaluated": 2,
    "partly": 2,
    "manual": 2,
    "unsupported": 2,
    "not_expressed": 1,
    "not_reviewed": 8,
    "share": 0.2222,
}


@pytest.fixture(scope="module")
def pair(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> tuple[Member, Member]:
    return as_member(make_tenant(tier)), as_member(make_tenant(tier))


def shown(member: Member, study: str) -> tuple[Any, Any, Any]:
    answer = member.get(f"{study}/evaluation")
    assert answer.status_code == 200, answer.text
    return answer.json["number"], answer.json["status"], answer.json["evaluation"]


def test_the_share_is_of_the_active_version_or_else_of_the_newest(
    pair: tuple[Member, Member],
) -> None:
    member, neighbour = pair
    study = new_study(member)
    assert shown(member, study) == (None, None, NONE)
    first = draft(member, study)
    assert shown(member, study) == (1, "draft", NONE)

    stored = put(member, first, *CRITERIA)
    assert stored.status_code == 200, stored.text
    assert shown(member, study) == (1, "draft", COUNTED)
    assert counts_of(stored.json["criteria"])["reviewed"] == 9 - COUNTED["not_reviewed"]

    second = draft(member, study)
    assert shown(member, study)[:2] == (2, "draft")
    assert put(member, second, expressed(), expressed("Grown")).status_code == 200
    assert activate(member, second).status_code == 200
    draft(member, study)
    number, status, evaluation = shown(member, study)
    assert (number, status, evaluation["share"]) == (2, "active", 1.0)
    assert neighbour.get(f"{study}/evaluation").status_code == 404


def test_each_version_has_its_own_numbers(pair: tuple[Member, Member]) -> None:
    member, neighbour = pair
    study = new_study(member)
    version = draft(member, study)
    draft(member, study)
    before = member.get(version)

    assert put(member, version, *CRITERIA).status_code == 200

    after = member.get(version, headers={"If-None-Match": before.headers["ETag"]})
    assert (before.json["evaluation"], after.json["evaluation"]) == (NONE, COUNTED)
    listed = member.get(f"{study}/versions").json["data"]
    assert [each["evaluation"] for each in listed] == [COUNTED, NONE]
    assert listed[0] == after.json
    assert neighbour.get(version).status_code == 404


def test_members_without_phi_see_the_share(
    pair: tuple[Member, Member], as_member: AsMember
) -> None:
    member, _ = pair
    study = new_study(member)
    blind = as_member(member.tenant, Role.VIEWER, phi_level=PhiLevel.NONE)
    site = member.post("/sites", json={"name": "Share", "city": "B"}).json["id"]
    restricted = as_member(member.tenant, Role.COORDINATOR, site_ids=[site])

    assert shown(blind, study) == shown(restricted, study) == (None, None, NONE)
