"""Proposals: read from a text, and accepted, corrected or rejected by a person."""

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from tests.recruiting.protocols.proposing import (
    AGE,
    ASTHMA,
    HBA1C,
    PHONE,
    TEXT,
    accept,
    decide,
    proposals,
    propose,
    proposed,
)
from tests.recruiting.protocols.test_protocol_versions import (
    activate,
    criterion,
    draft,
    expressed,
    move,
    put,
)
from tests.recruiting.protocols.test_study_documents import new_study
from trially.auth.roles import Role
from trially.database.session import db, transaction
from trially.recruiting.protocols.versions.proposals.model import CriterionProposal
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

OLDER = {"age": {"gte": 21}}


def test_each_statement_of_a_text_is_a_proposal_with_its_place(member: Member) -> None:
    version = draft(member, new_study(member))

    answer = propose(member, version, text=TEXT).json
    found = proposals(member, version)

    assert {name: answer[name] for name in ("added", "changed", "unchanged", "open")} == {
        "added": 4,
        "changed": 0,
        "unchanged": 0,
        "open": 4,
    }
    assert [each["kind"] for each in found] == ["inclusion"] * 3 + ["exclusion"]
    for each in found:
        place = each["place"]
        assert TEXT[place["start"] : place["end"]] == each["statement"]
        assert (place["page"], place["document_id"]) == (1, answer["document_id"])
        assert (each["state"], each["reader"], each["decided_by"]) == ("open", "rules", None)
    assert found[AGE]["english"] == "The patient is at least 18 years old."
    assert found[HBA1C]["expression"]["observation"]["value"] == {"gte": 7, "lte": 10, "unit": "%"}
    assert [each["confidence"] for each in found] == ["high", "high", "low", "low"]
    assert found[PHONE]["reason"] == "No rule reads this statement."
    assert (found[ASTHMA]["expression"], found[ASTHMA]["english"]) == (None, None)
    [part] = found[ASTHMA]["parts"]
    assert (part["words"], TEXT[part["start"] : part["end"]]) == ("asthma", "asthma")
    assert "asthma" in part["english"] or "J45" in part["english"]
    shown = member.get(f"{version}/proposals/{found[AGE]['id']}")
    assert (shown.json, shown.headers["ETag"]) == (found[AGE], found[AGE]["etag"])
    assert member.get(f"{version}/criteria").json["criteria"] == []
    document = member.get(f"/studies/{version.split('/')[2]}/documents/{answer['document_id']}")
    assert document.json["pages"][0]["text"] == TEXT.strip()


def test_an_accepted_proposal_is_a_reviewed_criterion(member: Member) -> None:
    version = draft(member, new_study(member))
    put(member, version, criterion("First"))
    before = member.get(version)
    found = proposed(member, version)

    as_it_is = accept(member, version, found[HBA1C])
    corrected = accept(member, version, found[AGE], expression=OLDER, is_hard=False, weight=3)
    by_hand = accept(member, version, found[ASTHMA], evaluation="manual", reason="Ask")
    unsupported = accept(member, version, found[PHONE])

    for each, proposal in ((as_it_is, HBA1C), (corrected, AGE), (by_hand, ASTHMA)):
        assert each["review_state"] == "reviewed"
        assert each["statement"] == found[proposal]["statement"]
        assert each["place"] == found[proposal]["place"]
    assert as_it_is["expression"] == found[HBA1C]["expression"]
    assert (as_it_is["proposed_by"], as_it_is["proposer_name"]) == ("reader", "rules 2")
    assert (corrected["expression"], corrected["is_hard"], corrected["weight"]) == (OLDER, False, 3)
    for each in (corrected, by_hand, unsupported):
        assert (each["proposed_by"], each["proposer_name"]) == ("person", member.subject)
    assert (by_hand["expression"], by_hand["evaluation"]) == (None, "manual")
    assert unsupported["evaluation"] == "unsupported"
    states = {each["id"]: each for each in proposals(member, version)}
    assert [states[each["id"]]["state"] for each in found] == [
        "corrected",
        "accepted",
        "accepted",
        "accepted",
    ]
    assert states[found[ASTHMA]["id"]]["decision_reason"] == "Ask"
    assert {each["decided_by"] for each in states.values()} == {member.subject}
    listed = member.get(f"{version}/criteria").json
    assert listed["criteria"][0]["statement"] == "First"
    assert listed["etag"] != before.json["etag"]
    assert put(member, version, etag=before.json["etag"]).status_code == 412
    copy = draft(member, version.rsplit("/versions", 1)[0], copied_from=1)
    copied = member.get(f"{copy}/criteria").json
    assert copied["criteria_hash"] == listed["criteria_hash"]
    assert proposals(member, copy) == []


def test_decisions_are_made_once_and_of_what_was_seen(member: Member, as_member: AsMember) -> None:
    version = draft(member, new_study(member))
    age, hba1c, phone, _ = proposed(member, version)
    other = as_member(member.tenant, Role.COORDINATOR)

    rejected = decide(other, version, age, "reject", reason="The study's age says it").json
    stale = decide(member, version, age, "accept")
    accepted = decide(member, version, rejected, "accept")
    again = decide(member, version, accepted.json, "accept")
    late = decide(member, version, accepted.json, "reject")
    wrong = decide(member, version, hba1c, "accept", expression={"age": {"wrong": 1}})
    nothing = decide(member, version, phone, "accept", evaluation="expressed")

    assert (rejected["state"], rejected["decided_by"]) == ("rejected", other.subject)
    assert rejected["decision_reason"] == "The study's age says it"
    assert rejected["criterion_key"] is None
    assert stale.status_code == 412
    assert (accepted.json["state"], accepted.json["decided_by"]) == ("accepted", member.subject)
    assert (again.status_code, late.status_code) == (409, 409)
    assert [each["pointer"] for each in wrong.json["errors"]] == ["/expression/age/wrong"]
    assert [each["pointer"] for each in nothing.json["errors"]] == ["/evaluation"]
    assert len(member.get(f"{version}/criteria").json["criteria"]) == 1
    assert [each["id"] for each in proposals(member, version, state="accepted")] == [age["id"]]
    elsewhere = draft(member, new_study(member))
    assert decide(member, elsewhere, hba1c, "reject").status_code == 404
    path = f"{version}/proposals/{hba1c['id']}/reject"
    assert member.post(path, json={}).status_code == 428


def test_undecided_proposals_hinder_the_activation(member: Member) -> None:
    version = draft(member, new_study(member))
    age, *others = proposed(member, version)
    accept(member, version, age)

    validated = member.post(f"{version}/validate", json={}).json["hindrances"]
    refused = activate(member, version)

    assert (refused.status_code, refused.json["code"]) == (409, "version_not_ready")
    assert refused.json["errors"] == validated
    number, *named = validated
    assert number["pointer"] == "/proposals"
    assert number["detail"].startswith("3 proposals are neither accepted nor rejected.")
    assert [each["pointer"] for each in named] == [f"/proposals/{each['id']}" for each in others]
    assert named[0]["detail"] == "Not decided: “HbA1c of 7 to 10 %”, page 1."
    in_review = [
        propose(member, version, text=TEXT),
        *(decide(member, version, others[0], word) for word in ("accept", "reject")),
    ]
    assert [each.status_code for each in in_review] == [409] * 3
    move(member, version, "reopen")
    for each in others:
        assert decide(member, version, each, "reject").status_code == 200
    assert activate(member, version).status_code == 200


def test_proposals_of_an_active_version_never_change(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    member = as_member(make_tenant(tier))
    version = draft(member, new_study(member))
    age, *others = proposed(member, version)
    accept(member, version, age)
    rejected = [decide(member, version, each, "reject").json for each in others]
    assert activate(member, version).status_code == 200
    before = proposals(member, version)

    refused = [
        propose(member, version, text=TEXT),
        *(decide(member, version, rejected[0], word) for word in ("accept", "reject")),
    ]

    assert {(each.status_code, each.json["code"]) for each in refused} == {(409, "version_frozen")}
    with (
        app.app_context(),
        tenant_context(str(member.tenant.id)),
        pytest.raises(DBAPIError, match="never changes"),
        transaction(),
    ):
        db.session.execute(update(CriterionProposal).values(statement="X"))
    assert proposals(member, version) == before


def test_what_is_proposed_and_decided_is_recorded(member: Member) -> None:
    version = draft(member, new_study(member))
    age, hba1c, *_ = proposed(member, version)
    accept(member, version, age)
    decide(member, version, hba1c, "reject", reason="No")

    rejection, acceptance, proposing = (
        each["changes"]
        for each in member.get("/audit?limit=20").json["data"]
        if any(change["table"] == "criterion_proposal" for change in each["changes"])
    )

    assert [each["row_id"] for each in rejection] == [hba1c["id"]]
    assert rejection[0]["values"]["decision_reason"] == [None, "No"]
    assert [each["table"] for each in acceptance] == [
        "criterion_proposal",
        "criterion",
        "protocol_version",
    ]
    assert len([each for each in proposing if each["table"] == "criterion_proposal"]) == 4


def test_roles_that_only_read_decide_nothing(member: Member, as_member: AsMember) -> None:
    version = draft(member, new_study(member))
    age, *_ = proposed(member, version)
    viewer = as_member(member.tenant, Role.VIEWER)

    assert proposals(viewer, version)[AGE] == age
    for answer in (
        propose(viewer, version, text=TEXT),
        decide(viewer, version, age, "accept"),
        decide(viewer, version, age, "reject"),
    ):
        assert answer.status_code == 403


def test_a_criterion_of_an_unknown_value_set_hinders_the_activation(member: Member) -> None:
    version = draft(member, new_study(member))
    unknown = {"condition": {"in": {"valueset": "missing"}}}
    put(member, version, expressed(), {**expressed("X"), "expression": unknown})

    answer = activate(member, version)

    assert answer.status_code == 409
    assert answer.json["errors"] == [
        {
            "pointer": "/criteria/1/expression/condition/in/valueset/0",
            "detail": "There is no value set 'missing'.",
        }
    ]
