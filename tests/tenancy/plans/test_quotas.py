"""Quotas: what exceeds one is refused, in the transaction that would exceed it."""

from collections.abc import Callable
from typing import Any

import pytest
from members import MakePatient, Member

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit

PATIENT = {
    "given_name": "Ada",
    "family_name": "Example",
    "birth_date": "1960-05-17",
    "sex": "female",
}


def test_the_last_allowed_patient_is_created_and_the_next_is_refused(
    member_in: Callable[[Tier], Member], allow: Any, used: Any, tier: Tier
) -> None:
    member, neighbour = member_in(tier), member_in(tier)
    allow(member.tenant, patients=2)

    statuses = [member.post("/patients", json={**PATIENT, "mrn": str(n)}) for n in range(3)]

    assert [answer.status_code for answer in statuses] == [201, 201, 403]
    refusal = statuses[-1].json
    assert refusal == {
        "type": "/problems/forbidden",
        "code": "quota_exceeded",
        "title": "Forbidden",
        "status": 403,
        "detail": "The tenant's plan allows 2 patients, and 2 are used."
        " Ask the operator of this service for more, or delete some.",
        "request_id": refusal["request_id"],
        "limit": "patients",
        "most": 2,
        "used": 2,
        "plan": "standard",
        "contact": None,
    }
    assert used(member.tenant) == {"patients": 2}
    assert used(neighbour.tenant) == {}
    assert neighbour.post("/patients", json={**PATIENT, "mrn": "0"}).status_code == 201


def test_a_deleted_patient_makes_room_and_a_merged_one_does_not(
    member_in: Callable[[Tier], Member],
    make_patient: MakePatient,
    allow: Any,
    used: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)
    allow(member.tenant, patients=2)
    kept, merged = make_patient(member), make_patient(member)

    assert member.post(f"/patients/{merged['id']}/merge", json={"into": kept["id"]}).json
    assert used(member.tenant) == {"patients": 2}
    assert member.post("/patients", json={**PATIENT, "mrn": "A"}).status_code == 403
    assert member.request("DELETE", f"/patients/{merged['id']}/merge").status_code == 200
    assert used(member.tenant) == {"patients": 2}

    assert member.delete(f"/patients/{merged['id']}").status_code == 204
    assert used(member.tenant) == {"patients": 1}
    make_patient(member)
    assert member.post("/patients", json={**PATIENT, "mrn": "B"}).status_code == 403


def test_what_was_written_without_a_limit_counts_once_there_is_one(
    member_in: Callable[[Tier], Member],
    make_patient: MakePatient,
    allow: Any,
    used: Any,
    tier: Tier,
) -> None:
    member = member_in(tier)
    for _ in range(3):
        make_patient(member)
    assert used(member.tenant) == {}

    allow(member.tenant, patients=4)
    make_patient(member)
    assert used(member.tenant) == {"patients": 4}

    allow(member.tenant, patients=None)
    make_patient(member)
    assert used(member.tenant) == {}

    allow(member.tenant, patients=4)
    refused = member.post("/patients", json={**PATIENT, "mrn": "A"}).json
    assert (refused["most"], refused["used"]) == (4, 5)


def test_a_study_beyond_the_limit_is_refused(
    member_in: Callable[[Tier], Member], allow: Any, tier: Tier
) -> None:
    member = member_in(tier)
    allow(member.tenant, studies=1)

    answers = [
        member.post("/studies", json={"protocol_number": f"P-{number}", "title": "A study"})
        for number in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 403]
    assert answers[1].json["limit"] == Limit.STUDIES


@pytest.mark.parametrize("most", [10, 1000])
def test_bytes_of_documents_count(
    member_in: Callable[[Tier], Member], allow: Any, used: Any, stored: Any, tier: Tier, most: int
) -> None:
    member = member_in(tier)
    allow(member.tenant, storage_bytes=most)
    study = member.post("/studies", json={"protocol_number": "P", "title": "A study"}).json

    answer = member.post(
        f"/studies/{study['id']}/documents?title=Protocol&kind=protocol",
        data=b"Eligible are adults with asthma.",
        headers={"Content-Type": "text/plain"},
    )

    is_allowed = most == 1000
    assert answer.status_code == (201 if is_allowed else 403), answer.json
    assert stored(member.tenant)[Limit.STORAGE_BYTES] == (32 if is_allowed else 0)
    assert used(member.tenant) == ({"storage_bytes": 32} if is_allowed else {})
