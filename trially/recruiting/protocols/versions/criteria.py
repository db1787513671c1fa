"""Read and replace the whole list of criteria of a version."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, insert, select
from uuid_utils.compat import uuid7

from trially.database.changes import note_change
from trially.database.placement import current_placement
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.http.problems import validation_failed
from trially.recruiting.protocols.documents.places import DocumentText, Place, page_at
from trially.recruiting.protocols.documents.reading import starts_of_pages, text_of_document
from trially.recruiting.protocols.versions.expressions import Finding, canonical, errors_of
from trially.recruiting.protocols.versions.model import Criterion, Evaluation, Proposer

CONTENT = (
    "key",
    "kind",
    "statement",
    "document_id",
    "place_start",
    "place_end",
    "evaluation",
    "expression",
    "is_hard",
    "weight",
)
"""The columns that say what a criterion is. They decide whether a version is as it was."""

_STATE = ("review_state", "proposed_by", "proposer_name")
_WRITTEN = (*CONTENT, *_STATE, "position")
_NAMES = ("id", *_WRITTEN)
_columns = table_of(Criterion).c


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes criteria: a member by subject, or a reader by name."""

    kind: Proposer
    name: str


def stored_criteria(version_id: UUID) -> list[Item]:
    """Return the rows of a version's criteria in their order."""
    statement = (
        select(*columns_named(Criterion, _NAMES))
        .where(of_current_tenant(Criterion), _columns.protocol_version_id == version_id)
        .order_by(_columns.position)
    )
    return fetch_items(statement)


def shown_criteria(rows: Sequence[Item]) -> list[Item]:
    """Return rows of criteria as clients see them, with the pages of their places."""
    documents = {row["document_id"] for row in rows if row["document_id"] is not None}
    starts = starts_of_pages(documents)
    return [_shown(row, starts.get(row["document_id"])) for row in rows]


def hash_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of what a list of criteria says, in hexadecimal."""
    content = [[row[name] for name in CONTENT] for row in rows]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def read_body(study_id: UUID, criteria: Sequence[Item], stored: Sequence[Item]) -> list[Item]:
    """Return the rows that a list of criteria in a body describes, without who wrote them.

    `stored` are the rows that the version has now. Raises the problem 422 with everything that is
    wrong with the list.
    """
    errors = [*_errors_of_ids(criteria, stored), *errors_of(criteria)]
    texts: dict[UUID, DocumentText | None] = {}
    rows = []
    for position, criterion in enumerate(criteria):
        found = _read(study_id, criterion, texts)
        if isinstance(found, list):
            errors += [
                {**each, "pointer": f"/criteria/{position}{each['pointer']}"} for each in found
            ]
        rows.append({"position": position, **(found if isinstance(found, dict) else {})})
    if errors:
        raise validation_failed(errors)
    keys = {row["id"]: row["key"] for row in stored}
    for criterion, row in zip(criteria, rows, strict=True):
        row["id"] = criterion.get("id") or uuid7()
        row["key"] = keys.get(row["id"], row["id"])
        if row["expression"] is not None:
            row["expression"] = canonical(row["expression"], row["kind"])
    return rows


def replace_criteria(
    version_id: UUID, rows: Sequence[Item], stored: Sequence[Item], author: Author
) -> None:
    """Make `rows` the criteria of a version, which has the rows `stored` now.

    A criterion whose content changes, or that is new, has the author from now on. Rows that stay as
    they are are not written.
    """
    former = {row["id"]: row for row in stored}
    for row in rows:
        known = former.get(row["id"])
        is_same = known is not None and all(row[name] == known[name] for name in CONTENT)
        row["proposed_by"] = known["proposed_by"] if known and is_same else author.kind
        row["proposer_name"] = known["proposer_name"] if known and is_same else author.name
    written = [row for row in rows if row != former.get(row["id"])]
    kept = {row["id"] for row in rows} - {row["id"] for row in written}
    gone = [row_id for row_id in former if row_id not in kept]
    if gone:
        db.session.execute(
            delete(table_of(Criterion)).where(
                of_current_tenant(Criterion),
                _columns.protocol_version_id == version_id,
                _columns.id.in_(gone),
            )
        )
    insert_criteria(version_id, written, former)
    for row_id in former.keys() - {row["id"] for row in rows}:
        note_change(Criterion, row_id, {}, {})


def insert_criteria(
    version_id: UUID, rows: Sequence[Item], former: Mapping[UUID, Item] | None = None
) -> None:
    """Insert criteria of a version. `former` are the rows that they replace."""
    if not rows:
        return
    common = {"tenant_id": current_placement().tenant_id, "protocol_version_id": version_id}
    db.session.execute(insert(table_of(Criterion)), [{**common, **row} for row in rows])
    for row in rows:
        old = (former or {}).get(row["id"], {})
        values = {name: (old.get(name), row[name]) for name in _WRITTEN}
        note_change(Criterion, row["id"], row, values)


def _errors_of_ids(criteria: Sequence[Item], stored: Sequence[Item]) -> list[Finding]:
    known = {row["id"] for row in stored}
    errors, seen = [], set()
    for position, criterion in enumerate(criteria):
        criterion_id = criterion.get("id")
        if criterion_id is None:
            continue
        pointer = f"/criteria/{position}/id"
        if criterion_id not in known:
            detail = "Is no criterion of this version. Leave the id of a new criterion out."
            errors.append({"pointer": pointer, "detail": detail})
        elif criterion_id in seen:
            errors.append({"pointer": pointer, "detail": "Must occur once."})
        seen.add(criterion_id)
    return errors


def _read(
    study_id: UUID, criterion: Item, texts: dict[UUID, DocumentText | None]
) -> Item | list[Finding]:
    """Return the columns of a criterion in a body, or what is wrong with it."""
    place, expression = criterion["place"] or {}, criterion["expression"]
    statement = criterion.get("statement")
    errors: list[Finding] = []
    if place:
        statement, errors = _statement_at(study_id, place, statement, texts)
    elif statement is None:
        errors = [{"pointer": "/statement", "detail": "Is needed without a place."}]
    default = Evaluation.NOT_EXPRESSED if expression is None else Evaluation.EXPRESSED
    evaluation = criterion.get("evaluation", default)
    if (evaluation == Evaluation.EXPRESSED) is (expression is None):
        detail = "Must be `expressed` with an expression, and another value without one."
        errors.append({"pointer": "/evaluation", "detail": detail})
    if errors:
        return errors
    same = ("kind", "expression", "is_hard", "weight", "review_state")
    return {
        **{name: criterion[name] for name in same},
        "statement": statement,
        "evaluation": evaluation,
        "document_id": place.get("document_id"),
        "place_start": place.get("start"),
        "place_end": place.get("end"),
    }


def _statement_at(
    study_id: UUID, place: Item, statement: str | None, texts: dict[UUID, DocumentText | None]
) -> tuple[str | None, list[Finding]]:
    """Return the statement at a place, and what is wrong with the place."""
    document_id = place["document_id"]
    if document_id not in texts:
        texts[document_id] = text_of_document(study_id, document_id)
    text, where = texts[document_id], Place(place["start"], place["end"])
    if text is None:
        detail = "The study has no such document."
        return None, [{"pointer": "/place/document_id", "detail": detail}]
    found = text.at(where)
    if found is None or not found.strip():
        return None, [{"pointer": "/place", "detail": "The document has no text there."}]
    if statement is not None and not text.says(statement, where):
        detail = "Must be the text at the place. Leave it out to take that."
        return None, [{"pointer": "/statement", "detail": detail}]
    return found, []


def _shown(row: Item, starts: Sequence[int] | None) -> Item:
    place = None
    if row["document_id"] is not None:
        place = {
            "document_id": row["document_id"],
            "start": row["place_start"],
            "end": row["place_end"],
            "page": None if starts is None else page_at(starts, row["place_start"]),
        }
    shown = ("id", "key", "kind", "statement", "evaluation", "expression", "is_hard", "weight")
    return {**{name: row[name] for name in (*shown, *_STATE)}, "place": place}
