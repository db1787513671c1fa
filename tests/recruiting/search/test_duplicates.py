"""Possible duplicates: which pairs are found, who sees them, and what a decision does."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from members import AsMember, MakePatient, MakeTenant, Member

from trially.auth.roles import Role
from trially.recruiting.duplicates.scoring import LEAST_SCORE, Reason, compare, describe

SSN = {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "078-05-1120", "type": "SS"}
INSURED = {"system": "http://insurance.example", "value": "W1234", "type": "MB"}
CARD = {"system": "http://card.example", "value": "17", "type": None}
ADA = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "birth_date": dt.date(1961, 4, 9),
    "birth_date_precision": "day",
    "sex": "female",
    "phone": "+1 402 555 0142",
    "email": None,
    "mrn": "1",
    "names": None,
    "identifiers": [SSN, INSURED, CARD],
}

OTHER = {**ADA, "mrn": "2", "identifiers": None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mrn": "2"}, Reason.SAME_NAME),
        ({"given_name": "ADA", "family_name": "lovelace", "phone": None}, Reason.SAME_NAME),
        ({"given_name": "Ada Marie", "phone": None}, Reason.SAME_NAME),
        ({"family_name": "Lovelase", "phone": None}, Reason.SIMILAR_NAME),
        ({"family_name": "Lovelace-Byron", "phone": None}, Reason.SIMILAR_NAME),
        ({"given_name": "Lovelace", "family_name": "Ada"}, Reason.SIMILAR_NAME),
        ({"given_name": "A", "phone": None}, Reason.SIMILAR_NAME),
        ({"birth_date": dt.date(1961, 9, 4), "phone": None}, Reason.SIMILAR_BIRTH_DATE),
        ({"birth_date": dt.date(1967, 4, 9), "phone": None}, Reason.SIMILAR_BIRTH_DATE),
        ({"birth_date": dt.date(1961, 1, 1), "birth_date_precision": "year"}, Reason.SAME_PHONE),
        ({"birth_date": None, "phone": "402-555-0142"}, Reason.SAME_PHONE),
        ({"family_name": "King"}, Reason.SAME_GIVEN_NAME),
        (
            {
                "family_name": "King",
                "names": [{"given_name": "Ada", "family_name": "Lovelace"}],
                "phone": None,
            },
            Reason.SAME_NAME,
        ),
        ({"family_name": "King", "phone": None, "identifiers": [SSN]}, Reason.SAME_IDENTIFIER),
        (
            {
                "family_name": "King",
                "phone": None,
                "identifiers": [{"system": "http://card.example", "value": "00 17", "type": None}],
            },
            Reason.SAME_IDENTIFIER,
        ),
    ],
)
def test_a_pair_that_may_be_one_person_reaches_the_score(
    changes: dict[str, Any], reason: Reason
) -> None:
    score, reasons = compare(describe(ADA), describe({**OTHER, **changes}))

    assert score >= LEAST_SCORE
    assert reason in reasons


@pytest.mark.parametrize(
    "changes",
    [
        {"given_name": "Berta"},  # twins
        {"given_name": "Berta", "email": None, "sex": "male"},
        {"family_name": "King", "phone": None},
        {"birth_date": dt.date(1931, 12, 30)},  # a parent of the same name
        {"birth_date": None, "phone": None},
        {"given_name": "Berta", "family_name": "King"},
        {"family_name": "King", "phone": None, "identifiers": [INSURED]},
        {"family_name": "King", "phone": None, "identifiers": [SSN | {"system": "http://b"}]},
    ],
)
def test_other_persons_do_not(changes: dict[str, Any]) -> None:
    score, _ = compare(describe(ADA), describe({**OTHER, **changes}))

    assert score < LEAST_SCORE


def pairs(member: Member, **query: Any) -> list[dict[str, Any]]:
    answer = member.get("/possible-duplicates", query_string=query)
    assert answer.status_code == 200, answer.json
    return list(answer.json["data"])


def test_a_pair_is_listed_dismissed_and_taken_up_again(
    member: Member, make_patient: MakePatient, run_command: Callable[..., Any]
) -> None:
    first = make_patient(member, family_name="Twice", birth_date="1961-04-09")
    second = make_patient(member, family_name="Twise", birth_date="1961-04-09")
    make_patient(member, family_name="Other", birth_date="1971-04-09")

    (pair,) = pairs(member)
    assert {pair["patient_id"], pair["other_patient_id"]} == {first["id"], second["id"]}
    assert {pair["patient"]["family_name"], pair["other_patient"]["family_name"]} == {
        "Twice",
        "Twise",
    }
    assert pair["reasons"] == ["similar_name", "same_birth_date", "same_sex"]
    path = f"/possible-duplicates/{pair['id']}"
    dismissed = member.patch(path, json={"state": "dismissed"})
    assert (dismissed.status_code, dismissed.json["state"]) == (200, "dismissed")

    member.patch(f"/patients/{first['id']}", json={"family_name": "Twise"})
    assert pairs(member) == []
    assert run_command("patients", "duplicates", member.tenant.slug, "--json").output == "[]\n"
    (kept,) = pairs(member, state="dismissed")
    assert (kept["id"], kept["reasons"][0]) == (pair["id"], "same_name")

    member.patch(path, json={"state": "open"})
    assert len(pairs(member)) == 1
    member.patch(f"/patients/{first['id']}", json={"family_name": "Else", "given_name": "Xenia"})
    assert pairs(member) == []
    member.delete(f"/patients/{second['id']}")
    assert member.get(path).status_code == 404


def test_the_commands_index_and_compare_all_patients(
    tenant: Any, member: Member, make_patient: MakePatient, run_command: Callable[..., Any]
) -> None:
    for _ in range(2):
        make_patient(member, family_name="Twice")

    indexed = run_command("patients", "index", tenant.slug)
    found = run_command("patients", "duplicates", tenant.slug)

    assert indexed.output == f"Indexed 2 patients of {tenant.slug}.\n"
    assert "same_name, same_birth_date, same_sex" in found.output
    assert "Twice" not in found.output
    assert len(pairs(member)) == 1


def test_a_pair_is_seen_by_members_who_may_see_both_patients(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    member = as_member(make_tenant())
    here, there = (
        member.post("/sites", json={"name": name}).json["id"] for name in ("Here", "There")
    )
    make_patient(member, family_name="Apart", site_id=here)
    make_patient(member, family_name="Apart", site_id=there)
    make_patient(member, given_name="Eve", family_name="Near", site_id=here)
    make_patient(member, given_name="Eve", family_name="Near", site_id=here)
    local = as_member(member.tenant, Role.RECRUITER, site_ids=[UUID(here)])
    viewer = as_member(member.tenant, Role.VIEWER)
    auditor = as_member(member.tenant, Role.AUDITOR)

    assert len(pairs(member)) == 2
    (near,) = pairs(local)
    assert near["patient"]["family_name"] == "Near"
    (apart,) = [pair for pair in pairs(member) if pair["id"] != near["id"]]
    assert local.get(f"/possible-duplicates/{apart['id']}").status_code == 404
    hidden = pairs(viewer)
    assert [(pair["reasons"], pair["patient"]["family_name"]) for pair in hidden] == [
        (None, None),
        (None, None),
    ]
    assert (
        viewer.patch(f"/possible-duplicates/{near['id']}", json={"state": "dismissed"}).status_code
        == 403
    )
    assert auditor.get("/possible-duplicates").status_code == 403
