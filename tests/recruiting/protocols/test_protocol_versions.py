"""Versions of protocols: their criteria, their way to activation, and what never changes."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from tests.recruiting.protocols.test_study_documents import new_study, upload
from trially.auth.roles import Role
from trially.database.rows import insert_item
from trially.database.session import db, transaction
from trially.recruiting.protocols.versions.expressions import criteria_of
from trially.recruiting.protocols.versions.model import Criterion, ProtocolVersion
from trially.recruiting.protocols.versions.transitions import protocol_activated
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

ADULT = {"age": {"gte": 18, "unit": "a"}}
REVIEWED = {"review_state": "reviewed"}


def criterion(statement: str = "Adults", **members: Any) -> dict[str, Any]:
    return {"kind": "inclusion", "statement": statement, **members}


def expressed(statement: str = "Adults", **members: Any) -> dict[str, Any]:
    return criterion(statement, expression=ADULT, **REVIEWED, **members)


def draft(member: Member, study: str, **body: Any) -> str:
    answer = member.post(f"{study}/versions", json=body)
    assert answer.status_code == 201, answer.text
    path = f"{study}/versions/{answer.json['number']}"
    assert answer.headers["Location"].endswith(path)
    return path


def put(member: Member, version: str, *criteria: Any, etag: str = "*") -> Any:
    body, headers = {"criteria": list(criteria)}, {"If-Match": etag}
    return member.request("PUT", f"{version}/criteria", json=body, headers=headers)


def move(member: Member, version: str, transition: str, etag: str = "*") -> Any:
    return member.post(f"{version}/{transition}", headers={"If-Match": etag})


def activate(member: Member, version: str) -> Any:
    assert move(member, version, "submit").status_code == 200
    return move(member, version, "activate")


def test_a_list_of_criteria_is_replaced_as_a_whole(member: Member) -> None:
    version = draft(member, new_study(member), label="First")

    first = put(member, version, expressed(), criterion("Able to attend", evaluation="manual"))
    assert first.status_code == 200, first.text
    one, other = first.json["criteria"]
    second = put(
        member,
        version,
        criterion("New", evaluation="unsupported", kind="exclusion"),
        {**criterion("Adults"), "id": one["id"], "expression": ADULT, **REVIEWED},
    )

    assert [each["statement"] for each in second.json["criteria"]] == ["New", "Adults"]
    assert second.json["criteria"][1] == one
    assert other["id"] not in second.text
    assert second.json["counts"] == {
        "not_expressed": 0,
        "expressed": 1,
        "unsupported": 1,
        "manual": 0,
        "reviewed": 1,
    }
    assert second.json["criteria_hash"] != first.json["criteria_hash"]
    assert member.get(f"{version}/criteria").json == second.json
    assert put(member, version, etag=first.json["etag"]).status_code == 412
    assert member.get(f"{version}/criteria").json == second.json


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"kind": "inclusion"}, "/criteria/1/statement"),
        (criterion(expression={"age": {"gt": 1, "wrong": 2}}), "/criteria/1/expression/age/wrong"),
        (criterion(expression={"nothing": {}}), "/criteria/1/expression/nothing"),
        (criterion(expression={}), "/criteria/1/expression"),
        (criterion(evaluation="expressed"), "/criteria/1/evaluation"),
        (criterion(expression=ADULT, evaluation="manual"), "/criteria/1/evaluation"),
        (criterion(id=str(uuid4())), "/criteria/1/id"),
        (criterion(statement=" \n "), "/criteria/1/statement"),
        (criterion(statement="a\x00"), "/criteria/1/statement"),
        (criterion(kind="other"), "/criteria/1/kind"),
        (
            criterion(place={"document_id": str(uuid4()), "start": 0, "end": 3}),
            "/criteria/1/place/document_id",
        ),
        (criterion(weight=0), "/criteria/1/weight"),
        (criterion(proposed_by="reader"), "/criteria/1/proposed_by"),
    ],
)
def test_a_wrong_list_changes_nothing_and_each_mistake_has_a_pointer(
    member: Member, wrong: dict[str, Any], pointer: str
) -> None:
    version = draft(member, new_study(member))
    before = put(member, version, criterion()).json

    answer = put(member, version, criterion(), wrong)

    assert answer.status_code == 422
    assert pointer in [each["pointer"] for each in answer.json["errors"]]
    assert member.get(f"{version}/criteria").json == before


def test_a_statement_keeps_its_place_in_its_document(member: Member) -> None:
    study = new_study(member)
    version = draft(member, study)
    source = "Inclusion:\n* Adults of\n  18 years\n* Diabetes"
    document = upload(member, study, source.encode()).json["id"]
    start, end = source.index("Adults"), source.index("\n* Diabetes")
    place = {"document_id": document, "start": start, "end": end}

    taken = put(member, version, {"kind": "inclusion", "place": place})
    said = put(member, version, criterion("Adults of 18 years", place=place))
    other = put(member, version, criterion("Minors", place=place))
    nowhere = put(member, version, {"kind": "inclusion", "place": {**place, "end": 10_000}})

    for answer in (taken, said):
        [shown] = answer.json["criteria"]
        assert shown["statement"] == "Adults of\n  18 years"
        assert shown["place"] == {**place, "page": 1}
    assert other.json["errors"][0]["pointer"] == "/criteria/0/statement"
    assert nowhere.json["errors"][0]["pointer"] == "/criteria/0/place"
    elsewhere = put(member, draft(member, new_study(member)), {"kind": "inclusion", "place": place})
    assert elsewhere.json["errors"][0]["pointer"] == "/criteria/0/place/document_id"


def test_a_version_goes_from_draft_to_superseded(app: Flask, member: Member) -> None:
    study = new_study(member)
    first = draft(member, study)
    put(member, first, expressed(), criterion("Able"))
    seen: list[dict[str, Any]] = []

    def note(study_id: UUID, **ids: Any) -> None:
        seen.append({"study_id": study_id, **ids})

    assert move(member, first, "activate").status_code == 409
    with protocol_activated.connected_to(note):
        active = activate(member, first).json
        second = draft(member, study, copied_from=1)
        put(member, second, expressed("Other"))
        latter = activate(member, second).json

    assert (active["status"], active["approved_by"]) == ("active", member.subject)
    assert None not in (active["approved_at"], active["effective_on"])
    assert [each["status"] for each in member.get(f"{study}/versions").json["data"]] == [
        "superseded",
        "active",
    ]
    assert [each["former_id"] for each in seen] == [None, UUID(active["id"])]
    assert seen[1]["version_id"] == UUID(latter["id"])
    with app.app_context(), tenant_context(str(member.tenant.id)):
        [criteria] = criteria_of([UUID(active["id"])]).values()
    assert [each.expression is None for each in criteria.criteria] == [False, True]


def test_a_version_in_review_can_be_corrected_and_reopened(member: Member) -> None:
    version = draft(member, new_study(member))
    submitted = move(member, version, "submit")

    assert submitted.json["status"] == "in_review"
    assert put(member, version, criterion()).status_code == 200
    assert move(member, version, "submit").status_code == 409
    assert move(member, version, "reopen", submitted.json["etag"]).status_code == 412
    assert move(member, version, "reopen").json["status"] == "draft"
    assert move(member, version, "reopen").status_code == 409


def test_a_version_is_activated_when_a_person_has_reviewed_its_expressions(member: Member) -> None:
    study = new_study(member)
    version = draft(member, study)

    empty = activate(member, version)
    put(member, version, criterion("Able"), criterion(expression=ADULT))
    drafted = move(member, version, "activate")

    assert (empty.status_code, empty.json["code"]) == (409, "version_not_ready")
    assert drafted.json["errors"] == [
        {"pointer": "/criteria/1/review_state", "detail": "The expression must be reviewed."}
    ]
    put(member, version, *(criterion(f"Statement {number}") for number in range(64)))
    assert "At most 63" in move(member, version, "activate").json["errors"][0]["detail"]
    put(member, version, criterion("Able"), expressed())
    assert move(member, version, "activate").status_code == 200


def test_only_some_roles_approve(member: Member, as_member: AsMember) -> None:
    study = new_study(member)
    version = draft(member, study)
    put(member, version, expressed())
    coordinator = as_member(member.tenant, Role.COORDINATOR)

    assert move(coordinator, version, "submit").status_code == 200
    assert move(coordinator, version, "activate").status_code == 403
    assert move(member, version, "activate").status_code == 200


def test_an_active_version_never_changes(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    member = as_member(make_tenant(tier))
    study = new_study(member)
    version = draft(member, study)
    put(member, version, expressed())
    active = activate(member, version).json
    before = member.get(f"{version}/criteria").json

    refused = [
        put(member, version, criterion()),
        member.patch(version, json={"label": "X"}),
        move(member, version, "reopen"),
        move(member, version, "activate"),
    ]
    assert [(each.status_code, each.json["code"]) for each in refused] == [
        (409, "version_frozen")
    ] * 4

    added = {"protocol_version_id": UUID(active["id"]), "position": 9, "key": uuid4()}
    new = {**added, "kind": "inclusion", "statement": "X"}
    statements = (
        lambda: db.session.execute(update(Criterion).values(statement="X")),
        lambda: db.session.execute(delete(Criterion)),
        lambda: insert_item(Criterion, new, ("id",)),
        lambda: db.session.execute(update(ProtocolVersion).values(label="X")),
        lambda: db.session.execute(update(ProtocolVersion).values(status="draft")),
        lambda: db.session.execute(delete(ProtocolVersion)),
    )
    for statement in statements:
        with (
            app.app_context(),
            tenant_context(str(member.tenant.id)),
            pytest.raises(DBAPIError, match="never changes"),
            transaction(),
        ):
            statement()
    assert member.get(f"{version}/criteria").json == before
    assert member.get(version).json == active


def test_a_version_is_compared_with_the_one_it_was_copied_from(member: Member) -> None:
    study = new_study(member)
    first = draft(member, study)
    put(member, first, expressed("Adults"), criterion("Able"), criterion("Gone"))
    second = draft(member, study, copied_from=1)
    [adult, able, _] = member.get(f"{second}/criteria").json["criteria"]
    older = {"age": {"gte": 21, "unit": "a"}}
    put(
        member,
        second,
        {**criterion("able"), "id": able["id"]},
        {**criterion("Adults"), "id": adult["id"], "expression": older},
        criterion("New"),
    )

    found = member.get(f"{study}/versions/1/diff/2").json

    assert [each["statement"] for each in found["added"]] == ["New"]
    assert [each["statement"] for each in found["removed"]] == ["Gone"]
    assert [each["fields_changed"] for each in found["changed"]] == [["statement"], ["expression"]]
    assert (found["unchanged"], found["changes_matches"]) == (0, True)
    same = member.get(f"{study}/versions/2/diff/2").json
    assert (same["unchanged"], same["changed"], same["changes_matches"]) == (3, [], False)
    assert member.get(f"{study}/versions/1/diff/3").status_code == 404
    assert member.post(f"{study}/versions", json={"copied_from": 9}).status_code == 422


def test_criteria_are_validated_without_being_stored(member: Member) -> None:
    version = draft(member, new_study(member))
    put(member, version, criterion("Able", kind="exclusion"))
    before = member.get(f"{version}/criteria").json

    stored = member.post(f"{version}/validate", json={}).json
    wrong = {"criteria": [criterion(expression={"age": {"wrong": 1}}), criterion()]}
    sent = member.post(f"{version}/validate", json=wrong).json

    assert (stored["errors"], stored["hindrances"]) == ([], [])
    assert {each["detail"] for each in stored["warnings"]} == {
        "There is no inclusion.",
        "Has no expression, so it is unknown for every patient.",
    }
    assert [each["pointer"] for each in sent["errors"]] == ["/criteria/0/expression/age/wrong"]
    assert any("Says the same" in each["detail"] for each in sent["warnings"])
    assert member.get(f"{version}/criteria").json == before


def test_who_wrote_a_criterion_is_kept_until_it_changes(
    app: Flask, member: Member, as_member: AsMember
) -> None:
    version = draft(member, new_study(member))
    [written] = put(member, version, criterion("Able")).json["criteria"]
    with app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(
            text("UPDATE criterion SET proposed_by = 'reader', proposer_name = 'R 1'")
        )
    other = as_member(member.tenant, Role.COORDINATOR)

    [accepted] = put(other, version, {**criterion("Able"), "id": written["id"], **REVIEWED}).json[
        "criteria"
    ]
    [edited] = put(other, version, {**criterion("Unable"), "id": written["id"]}).json["criteria"]

    assert (accepted["proposed_by"], accepted["proposer_name"]) == ("reader", "R 1")
    assert accepted["review_state"] == "reviewed"
    assert (edited["proposed_by"], edited["proposer_name"]) == ("person", other.subject)
    assert edited["key"] == written["key"]
