"""Let a reader propose criteria, and keep its proposals with a draft."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from trially.database.changes import note_change
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.drafting.drafts import Proposal, draft
from trially.recruiting.drafting.reading.readings import Confidence, Part, Reader
from trially.recruiting.protocols.versions.expressions import canonical
from trially.recruiting.protocols.versions.proposals.model import CriterionProposal, ProposalState
from trially.recruiting.protocols.versions.proposals.study_fields import propose_from_study
from trially.recruiting.protocols.versions.proposals.texts import ReadText

MOST_PROPOSALS = 500
"""Proposals of a draft. A whole protocol has thousands of statements, most of them no criteria."""

MOST_PARTS = 20
LONGEST_NAME = 100
STUDY = "study"
"""The reader of a study's own fields."""

_READ = (
    *("kind", "statement", "document_id", "place_start", "place_end", "study_field"),
    *("expression", "reason", "parts", "assumptions", "confidence", "reader", "reader_version"),
)
"""The columns that a reader fills."""

_columns = table_of(CriterionProposal).c


class TooManyError(ValueError):
    """A text has more statements than a draft may have proposals."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """How many proposals of a reading are new, changed, and as they were."""

    added: int
    changed: int
    unchanged: int


def read_proposals(text: ReadText, reader: Reader, study: Item | None = None) -> list[Item]:
    """Return what a reader proposes for a text, and what the fields of a study propose.

    The document's id is missing in the rows: `store_proposals` adds it. Needs no transaction.
    Raises `DraftError` if the text is too long, or the reader fails.
    """
    rows = [] if study is None else list(_rows_of_fields(study))
    for proposal in draft(text.text, reader=reader).proposals():
        rows.append(_row_of(proposal, text))
    return rows


def store_proposals(version_id: UUID, document_id: UUID, read: Sequence[Item]) -> Proposed:
    """Keep what was read of a document with a version. The study must be locked.

    A statement has one proposal. A person's decision about it stays; an open proposal becomes what
    the reader proposes now. Raises `TooManyError`.
    """
    rows = [
        row if row["study_field"] is not None else {**row, "document_id": document_id}
        for row in read
    ]
    stored = {_identity(row): row for row in _stored(version_id)}
    new = [row for row in rows if _identity(row) not in stored]
    if len(stored) + len(new) > MOST_PROPOSALS:
        raise TooManyError(
            f"The text has {len(rows)} statements, and a draft has at most {MOST_PROPOSALS}"
            " proposals. Name the pages of the document that have the criteria."
        )
    changed = [
        (known, row)
        for row in rows
        if (known := stored.get(_identity(row))) is not None
        and known["state"] == ProposalState.OPEN
        and any(known[name] != row[name] for name in _READ)
    ]
    for known, row in changed:
        update_item(CriterionProposal, known["id"], row, ("id",))
    _insert(version_id, new, len(stored))
    return Proposed(len(new), len(changed), len(rows) - len(new) - len(changed))


def _stored(version_id: UUID) -> list[Item]:
    statement = select(*columns_named(CriterionProposal, ("id", "state", *_READ))).where(
        of_current_tenant(CriterionProposal), _columns.protocol_version_id == version_id
    )
    return fetch_items(statement)


def _identity(row: Item) -> tuple[Any, ...]:
    """Return which statement a proposal is about."""
    return row["study_field"], row["document_id"], row["place_start"], row["place_end"]


def _insert(version_id: UUID, rows: Sequence[Item], first: int) -> None:
    if not rows:
        return
    common = {"tenant_id": current_placement().tenant_id, "protocol_version_id": version_id}
    inserted = [
        {"id": uuid7(), "position": position, **row} for position, row in enumerate(rows, first)
    ]
    db.session.execute(insert(table_of(CriterionProposal)), [{**common, **row} for row in inserted])
    for row in inserted:
        note_change(CriterionProposal, row["id"], row, {name: (None, row[name]) for name in row})


def _row_of(proposal: Proposal, text: ReadText) -> Item:
    reading, offset = proposal.reading, text.place.start
    expression = reading.criterion
    kind = proposal.side.value
    return {
        "kind": kind,
        "statement": proposal.words,
        "document_id": None,
        "place_start": proposal.place.start + offset,
        "place_end": proposal.place.end + offset,
        "study_field": None,
        "expression": None if expression is None else canonical(expression, kind),
        "reason": proposal.reason,
        "parts": list(_parts(proposal.parts[:MOST_PARTS], kind, offset)),
        "assumptions": [str(each) for each in reading.assumptions],
        "confidence": reading.confidence,
        "reader": reading.reader[:LONGEST_NAME],
        "reader_version": reading.version[:LONGEST_NAME],
    }


def _parts(parts: Sequence[Part], kind: str, offset: int) -> Iterator[Item]:
    """Yield the parts whose criteria the language accepts."""
    for part in parts:
        try:
            expression = canonical(part.criterion, kind)
        except CriteriaError:
            continue
        yield {
            "kind": part.kind.value,
            "words": part.words,
            "start": part.place.start + offset,
            "end": part.place.end + offset,
            "is_negated": part.is_negated,
            "expression": expression,
        }


def _rows_of_fields(study: Item) -> Iterator[Item]:
    for field, statement, proposal in propose_from_study(study):
        has_criterion = proposal.criterion is not None
        yield {
            "kind": "inclusion",
            "statement": statement,
            "document_id": None,
            "place_start": None,
            "place_end": None,
            "study_field": field,
            "expression": proposal.criterion and canonical(proposal.criterion, "inclusion"),
            "reason": proposal.reason,
            "parts": [],
            "assumptions": [],
            "confidence": Confidence.HIGH if has_criterion else Confidence.LOW,
            "reader": "study",
            "reader_version": "1",
        }
