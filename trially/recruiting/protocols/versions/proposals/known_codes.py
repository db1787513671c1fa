"""Proposals whose codes can be looked up: their criteria can be evaluated in this installation.

Readers name codes with all codes below them. Without the terminology that has the hierarchy, an
activated version with such codes would select no patients at all.
"""

from collections.abc import Iterator, Sequence

from trially.database.rows import Item
from trially.recruiting.criteria.checking import check_expression
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.language.codes import CodingShape
from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.criteria.language.shapes import Json
from trially.recruiting.drafting.drafts import MOST_REASON
from trially.recruiting.drafting.reading.readings import Confidence
from trially.recruiting.valuesets.library import tenants_terminology

NARROWED = (
    "The codes below {codes} are not known here and not included. A patient who has only such a"
    " code is not found."
)


def with_known_codes(rows: Sequence[Item]) -> list[Item]:
    """Return rows of proposals without criteria whose codes are not known here.

    A code whose hierarchy is not loaded stands for itself alone, which is an assumption. A
    criterion with other unknown codes is none, and the reason says why. Only a proposal without a
    criterion keeps the parts that were read.
    """
    with tenants_terminology() as terminology:
        return [_known(row, terminology) for row in rows]


def _known(row: Item, terminology: Terminology) -> Item:
    alone: list[str] = []
    expression = row["expression"] and _narrowed(row["expression"], terminology, alone)
    details = list(_unknown(expression, row["kind"], terminology)) if expression else []
    if details:
        reason = f"Its codes cannot be looked up. {' '.join(details)}"[:MOST_REASON]
        row = {**row, "expression": None, "reason": reason, "confidence": Confidence.LOW}
    elif expression:
        row = {**row, "expression": expression, "parts": []}
        row |= {"confidence": Confidence.MEDIUM} if alone else {}
    parts = [
        {**part, "expression": _narrowed(part["expression"], terminology, alone)}
        for part in row["parts"]
    ]
    return {**row, "parts": parts, "assumptions": [*row["assumptions"], *_assumed(alone)]}


def _unknown(expression: Json, side: str, terminology: Terminology) -> Iterator[str]:
    """Yield what is unknown of the codes of an expression: sentences."""
    tree = parse_expression(expression, Side(side))
    yield from dict.fromkeys(detail for _, detail in check_expression(tree, terminology))


def _assumed(alone: Sequence[str]) -> list[str]:
    return [NARROWED.format(codes=", ".join(dict.fromkeys(alone)))] if alone else []


def _narrowed(value: Json, terminology: Terminology, alone: list[str]) -> Json:
    """Return a part of an expression, where codes without a hierarchy stand for themselves alone.

    Such codes are appended to `alone`.
    """
    if isinstance(value, list):
        return [_narrowed(each, terminology, alone) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _narrowed(each, terminology, alone) for name, each in value.items()}
    if value.get("descendants") is not True:
        return kept
    codings = [_CODING.parse(each, "") for each in value["codes"]]
    unknown = [str(each) for each in codings if terminology.below(each) is None]
    alone += unknown
    if unknown:
        del kept["descendants"]
    return kept


_CODING = CodingShape()
