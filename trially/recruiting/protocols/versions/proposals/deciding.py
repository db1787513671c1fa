"""Accept proposals of a draft, as they are or corrected, or reject them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func

from trially.database.rows import Item
from trially.http.problems import Conflict, validation_failed
from trially.recruiting.criteria.language.criteria import Side
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.protocols.versions.criteria import (
    Author,
    hash_of,
    replace_criteria,
    stored_criteria,
)
from trially.recruiting.protocols.versions.criteria_schema import MOST_CRITERIA
from trially.recruiting.protocols.versions.expressions import Finding, canonical
from trially.recruiting.protocols.versions.model import Evaluation, Proposer, ReviewState
from trially.recruiting.protocols.versions.proposals.model import DECIDED_FOR, ProposalState


def criterion_of(proposal: Item, acceptance: Mapping[str, Any]) -> Item:
    """Return the criterion that a proposal becomes, without its id and its position.

    What `acceptance` leaves out is as proposed; without a proposed criterion, the statement is
    `unsupported`. Raises the problem 422 with what is wrong.
    """
    kind = acceptance.get("kind", proposal["kind"])
    evaluation = acceptance.get("evaluation")
    expression = acceptance.get("expression")
    if "expression" not in acceptance and evaluation in (None, Evaluation.EXPRESSED):
        expression = proposal["expression"]
    default = Evaluation.UNSUPPORTED if expression is None else Evaluation.EXPRESSED
    evaluation = evaluation or default
    if (evaluation == Evaluation.EXPRESSED) is (expression is None):
        detail = "Must be `expressed` with an expression, and another value without one."
        raise validation_failed([{"pointer": "/evaluation", "detail": detail}])
    return {
        "kind": kind,
        "statement": proposal["statement"],
        "document_id": proposal["document_id"],
        "place_start": proposal["place_start"],
        "place_end": proposal["place_end"],
        "evaluation": evaluation,
        "expression": None if expression is None else _canonical(expression, kind),
        "is_hard": acceptance["is_hard"],
        "weight": acceptance["weight"],
    }


def state_of(proposal: Item, criterion: Item) -> ProposalState:
    """Return whether a criterion is as it was proposed, or corrected."""
    is_same = all(criterion[name] == proposal[name] for name in ("kind", "expression"))
    return ProposalState.ACCEPTED if is_same else ProposalState.CORRECTED


def author_of(proposal: Item, state: ProposalState, subject: str) -> Author:
    """Return who wrote the criterion: the reader, or else the person who corrected it."""
    if state == ProposalState.CORRECTED or proposal["expression"] is None:
        return Author(Proposer.PERSON, subject)
    return Author(Proposer.READER, f"{proposal['reader']} {proposal['reader_version']}")


def append_criterion(version_id: UUID, key: UUID, criterion: Item, author: Author) -> str:
    """Append a criterion that a person has accepted to a version's list.

    Returns the hash of the list. Answers 409 if the list is full.
    """
    stored = stored_criteria(version_id)
    if len(stored) >= MOST_CRITERIA:
        raise Conflict(f"The version has {len(stored)} criteria, and may have no more.")
    state = {"position": len(stored), "review_state": ReviewState.REVIEWED}
    rows = [*(dict(row) for row in stored), {"id": key, "key": key, **criterion, **state}]
    replace_criteria(version_id, rows, stored, author)
    return hash_of(rows)


def decision(state: ProposalState, reason: str | None, subject: str) -> dict[str, Any]:
    """Return the columns that say who decided what, and why."""
    return {
        "state": state,
        "decided_by": subject,
        "decided_at": func.now(),
        "decision_reason": reason,
    }


def refuse_accepted(proposal: Item) -> None:
    """Answer 409 for a proposal that is a criterion already."""
    if proposal["state"] in DECIDED_FOR:
        raise Conflict(
            "The proposal was accepted already. Change or remove its criterion in the list."
        )


def _canonical(expression: Mapping[str, Any], kind: str) -> dict[str, Any]:
    try:
        return canonical(expression, Side(kind))
    except CriteriaError as error:
        raise validation_failed(list(_findings(error))) from error


def _findings(error: CriteriaError) -> list[Finding]:
    return [
        {"pointer": f"/expression{pointer}", "detail": detail} for pointer, detail in error.problems
    ]
