"""Proposals as clients see them: with the page of their place, and their criterion in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trially.database.rows import Item
from trially.recruiting.criteria.english.sentences import describe
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.protocols.documents.places import page_at
from trially.recruiting.protocols.documents.reading import starts_of_pages
from trially.recruiting.valuesets.library import tenants_terminology

_PLACE = frozenset({"document_id", "place_start", "place_end"})


def shown_proposals(rows: Iterable[Item]) -> list[Item]:
    """Return rows of proposals as `ProposalSchema` shows them."""
    proposals = list(rows)
    documents = {row["document_id"] for row in proposals if row["document_id"] is not None}
    starts = starts_of_pages(documents)
    with tenants_terminology() as terminology:
        names = Names(terminology)
        return [_shown(row, starts.get(row["document_id"]), names) for row in proposals]


def _shown(row: Item, starts: Sequence[int] | None, names: Names) -> Item:
    side = Side(row["kind"])
    parts = [
        {**part, "english": _english(part["expression"], side, names)} for part in row["parts"]
    ]
    shown = {name: value for name, value in row.items() if name not in _PLACE}
    return {
        **shown,
        "place": place_of(row, starts),
        "english": row["expression"] and _english(row["expression"], side, names),
        "parts": parts,
    }


def place_of(row: Item, starts: Sequence[int] | None) -> Item | None:
    """Return where a statement is, with its page if its document is still there."""
    if row["document_id"] is None:
        return None
    return {
        "document_id": row["document_id"],
        "start": row["place_start"],
        "end": row["place_end"],
        "page": None if starts is None else page_at(starts, row["place_start"]),
    }


def _english(expression: Mapping[str, Any], side: Side, names: Names) -> str:
    return describe(parse_expression(expression, side), names)
