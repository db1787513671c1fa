"""Texts that proposals are read from, the readers, and the command."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import Member

from tests.recruiting.documents.made_pdfs import make_pdf
from tests.recruiting.protocols.proposing import (
    TEXT,
    accept,
    decide,
    proposals,
    propose,
    proposed,
)
from tests.recruiting.protocols.test_protocol_versions import (
    activate,
    draft,
)
from tests.recruiting.protocols.test_study_documents import new_study, upload
from tests.recruiting.study_imports.registry_bodies import body
from trially.database.session import db
from trially.recruiting.drafting.drafts import DraftError
from trially.recruiting.drafting.reading.readings import Extent, Reading
from trially.recruiting.drafting.reading.rules import Rules
from trially.recruiting.drafting.splitting.statements import SplitText
from trially.recruiting.protocols.versions.proposals.proposing import MOST_PROPOSALS
from trially.state import state_of


def test_a_text_that_is_read_again_changes_open_proposals_only(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = draft(member, new_study(member))
    age, hba1c, *_ = proposed(member, version)
    decide(member, version, age, "reject")

    same = propose(member, version, text=TEXT).json
    name_reader(member.app, monkeypatch, "Cautious")
    other = propose(member, version, text=TEXT, reader="cautious").json

    counted = ("added", "changed", "unchanged", "open")
    assert [same[name] for name in counted] == [0, 0, 4, 3]
    assert [other[name] for name in counted] == [0, 3, 1, 3]
    assert (other["reader"], other["reader_version"]) == ("cautious", "9")
    now = proposals(member, version)
    assert [each["reader"] for each in now] == ["rules", "cautious", "cautious", "cautious"]
    assert now[1]["id"] == hba1c["id"]
    assert now[1]["reason"] == "Not sure."
    assert decide(member, version, hba1c, "accept").status_code == 412


def test_the_part_of_a_protocol_with_the_criteria_is_read(member: Member) -> None:
    study = new_study(member)
    version = draft(member, study)
    pages = (
        "Protocol\n5.1 Inclusion Criteria 2\n1 Objectives\nTo show something",
        "5 Population\n5.1 Inclusion Criteria\n1. Age 18 or older\n2. BMI of 25 or more",
        "5.2 Exclusion Criteria\n1. Pregnancy\n5.3 Lifestyle\nNo alcohol\n6 Treatment\nTablets",
    )
    document = upload(member, study, make_pdf(*pages), "application/pdf").json["id"]

    found = propose(member, version, document_id=document).json
    one_page = propose(member, version, document_id=document, first_page=3, last_page=3).json

    assert (found["first_page"], found["last_page"], found["added"]) == (2, 3, 3)
    assert (one_page["first_page"], one_page["last_page"]) == (3, 3)
    assert one_page["added"] > 0
    listed = proposals(member, version, document_id=document)[:3]
    assert [(each["statement"], each["place"]["page"]) for each in listed] == [
        ("Age 18 or older", 2),
        ("BMI of 25 or more", 2),
        ("Pregnancy", 3),
    ]


@pytest.mark.parametrize(
    ("named", "pointer"),
    [
        ({}, ""),
        ({"document_id": str(uuid4())}, "/document_id"),
        ({"document_id": str(uuid4()), "text": "x"}, "/text"),
        ({"text": "x", "first_page": 1}, "/document_id"),
        ({"document_id": str(uuid4()), "first_page": 3, "last_page": 2}, "/last_page"),
        ({"text": " "}, "/text"),
        ({"text": "x", "reader": "missing"}, "/reader"),
        ({"text": "* x\n" * (MOST_PROPOSALS + 1)}, "/document_id"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(
    member: Member, named: dict[str, Any], pointer: str
) -> None:
    version = draft(member, new_study(member))

    answer = propose(member, version, **named)

    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]
    assert proposals(member, version) == []


@dataclass(frozen=True)
class Cautious:
    """A reader that proposes nothing, because it is not sure, or fails."""

    value_sets: frozenset[str]
    name: str = "cautious"
    version: str = "9"

    def read(self, split: SplitText) -> Sequence[Reading]:
        """Return readings without criteria. No transaction is open meanwhile."""
        assert "t2dm" in self.value_sets
        assert not db.session().in_transaction()
        if "Fail" in split.text:
            raise DraftError("The model is not there.")
        return [
            replace(
                each,
                extent=Extent.UNREAD,
                criterion=None,
                parts=(),
                reason="Not sure.",
                assumptions=(),
                reader=self.name,
                version=self.version,
            )
            for each in Rules().read(split)
        ]


def name_reader(app: Flask, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make a class of this module a reader that requests can name."""
    monkeypatch.setitem(state_of(app).settings.readers, name.lower(), f"{__name__}:{name}")


def test_a_reader_that_fails_changes_nothing(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = draft(member, new_study(member))
    name_reader(member.app, monkeypatch, "Cautious")

    answer = propose(member, version, text="* Fail", reader="cautious")

    assert (answer.status_code, answer.json["code"]) == (422, "text_not_read")
    assert answer.json["detail"] == "The model is not there."
    assert proposals(member, version) == []


def import_study(member: Member, nct_id: str = "NCT00000011") -> str:
    """Import a study with an age, and with an eligibility text of two statements."""
    eligibility = {"eligibilityCriteria": "* HbA1c of 7 to 10 %\n* Smartphone"}
    study = body(nct_id, eligibilityModule={**eligibility, "minimumAge": "18 Years", "sex": "ALL"})
    answer = member.post("/studies/import", json=study)
    assert answer.status_code == 200, answer.text
    return f"/studies/{answer.json['studies'][0]['study_id']}"


def test_the_command_proposes_for_the_newest_draft(member: Member, run_command: Any) -> None:
    study, slug = import_study(member), member.tenant.slug
    command = ("studies", "propose", slug, "NCT00000011")

    tried = run_command(*command, "--dry-run", "--json")
    assert member.get(f"{study}/versions").json["data"] == []
    done = run_command(*command)
    again = run_command(*command, "--json")

    assert tried.exit_code == 0, (tried.output, tried.exception)
    assert json.loads(tried.stdout) == {
        "is_dry_run": True,
        "version": 1,
        "added": 3,
        "changed": 0,
        "unchanged": 0,
        "statements": 3,
        "with_criterion": 2,
        "by_confidence": {"high": 1, "medium": 1, "low": 1},
    }
    assert done.exit_code == 0, done.output
    assert "Proposed 2 criteria for 3 statements of version 1: 3 new" in done.stdout
    assert json.loads(again.stdout)["unchanged"] == 3
    age, *_ = proposals(member, f"{study}/versions/1")
    assert (age["study_field"], age["place"]) == ("minimum_age", None)
    assert (age["statement"], age["reader"]) == ("Minimum age: 18 years", "study")
    assert age["expression"] == {"age": {"gte": 18}}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("NCT99999999",), "There is no study NCT99999999."),
        (("NCT00000011", "--reader", "missing"), "There is no reader 'missing'."),
    ],
)
def test_the_command_says_what_is_missing(
    member: Member, run_command: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    import_study(member)

    refused = run_command("studies", "propose", member.tenant.slug, *arguments)

    assert refused.exit_code == 1
    assert sentence in refused.output


def test_a_condition_whose_hierarchy_is_not_loaded_stands_for_itself(member: Member) -> None:
    version = draft(member, new_study(member))

    stroke, metformin = proposed(member, version, "Exclusion Criteria:\n* Stroke\n* Metformin")

    codes = stroke["expression"]["condition"]["in"]
    assert ("descendants" in codes, codes["codes"]) == (False, ["sct|230690007"])
    assert stroke["confidence"] == "medium"
    assert "sct|230690007" in stroke["assumptions"][0]
    assert metformin["expression"] is None
    assert "ingredient '6809' are not known" in metformin["reason"]
    assert metformin["parts"][0]["expression"]["medication"]["in"] == {"ingredient": ["6809"]}
    accept(member, version, stroke)
    accept(member, version, metformin, expression=metformin["parts"][0]["expression"])
    refused = activate(member, version)
    assert [each["pointer"] for each in refused.json["errors"]] == [
        "/criteria/1/expression/medication/in/ingredient/0"
    ]


def test_a_part_whose_hierarchy_is_not_loaded_stands_for_itself(member: Member) -> None:
    version = draft(member, new_study(member))

    [statement] = proposed(
        member, version, "Inclusion Criteria:\n* Stroke, unless it is well known to the nurse"
    )

    assert statement["expression"] is None
    [part] = statement["parts"]
    codes = part["expression"]["condition"]["in"]
    assert ("descendants" in codes, codes["codes"]) == (False, ["sct|230690007"])
    assert "sct|230690007" in statement["assumptions"][0]
    accept(member, version, statement, expression=part["expression"])
    assert activate(member, version).status_code == 200
