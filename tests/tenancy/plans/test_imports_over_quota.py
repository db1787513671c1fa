"""Imports beyond a quota end before the batch that would exceed it."""

from collections.abc import Callable
from typing import Any

from members import Member

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit

NDJSON = {"Content-Type": "application/fhir+ndjson"}


def _patients(number: int, first: int = 0) -> bytes:
    return b"\n".join(
        b'{"resourceType": "Patient", "id": "p%d", "identifier": [{"type": {"coding":'
        b' [{"code": "MR"}]}, "value": "M%d"}]}' % (each, each)
        for each in range(first, first + number)
    )


def test_an_import_over_the_quota_fails_with_a_fault_and_writes_nothing_of_its_batch(
    member_in: Callable[[Tier], Member], allow: Any, used: Any, stored: Any, tier: Tier
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=5)
    assert member.post("/imports?source=h", data=_patients(3), headers=NDJSON).status_code == 201

    refused = member.post("/imports?source=h", data=_patients(6), headers=NDJSON)

    assert refused.status_code == 403
    assert (refused.json["code"], refused.json["limit"]) == ("quota_exceeded", "patients")
    assert (refused.json["most"], refused.json["used"]) == (5, 3)
    ended = member.get(refused.headers["Location"]).json
    assert ended["state"] == "failed"
    assert "allows 5 patients, and 3 are used" in ended["failure"]
    [found] = member.get(f"/imports/{ended['id']}/errors").json["data"]
    assert (found["code"], found["line"]) == ("quota_exceeded", 1)
    assert stored(member.tenant)[Limit.PATIENTS] == used(member.tenant)["patients"] == 3

    allow(member.tenant, patients=6)
    assert member.post("/imports?source=h", data=_patients(6), headers=NDJSON).status_code == 201
    assert stored(member.tenant)[Limit.PATIENTS] == used(member.tenant)["patients"] == 6


def test_an_import_that_adds_no_patient_is_not_refused(
    member_in: Callable[[Tier], Member], allow: Any, tier: Tier
) -> None:
    member = member_in(tier)
    member.post("/imports?source=h", data=_patients(4), headers=NDJSON)
    allow(member.tenant, patients=2)

    changed = _patients(4).replace(b'"id"', b'"gender": "male", "id"')

    assert member.post("/imports?source=h", data=changed, headers=NDJSON).status_code == 201
    assert {each["sex"] for each in member.get("/patients").json["data"]} == {"male"}


def test_a_dry_run_says_so_and_lets_no_other_writer_wait(
    member_in: Callable[[Tier], Member], allow: Any, used: Any, stored: Any, tier: Tier
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=5, imports_per_day=1)

    fits, beyond = (
        member.post("/imports/dry-run?source=h", data=_patients(number), headers=NDJSON).json
        for number in (5, 6)
    )

    assert fits["state"] == "done"
    assert beyond["state"] == "failed"
    assert "allows 5 patients, and 0 are used" in beyond["failure"]
    assert used(member.tenant) == {}
    assert stored(member.tenant)[Limit.PATIENTS] == 0


def test_imports_of_a_day_count_also_if_they_are_deleted(
    member_in: Callable[[Tier], Member], allow: Any, tier: Tier
) -> None:
    member = member_in(tier)
    allow(member.tenant, imports_per_day=2)
    answers = [
        member.post("/imports?source=h", data=_patients(1, first), headers=NDJSON)
        for first in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert member.delete(f"/imports/{answers[0].json['id']}").status_code == 204

    refused = member.post("/imports?source=h", data=_patients(1, 9), headers=NDJSON)

    assert refused.status_code == 403
    assert (refused.json["limit"], refused.json["used"]) == ("imports_per_day", 2)
    assert "allows 2 imports per day" in refused.json["detail"]
