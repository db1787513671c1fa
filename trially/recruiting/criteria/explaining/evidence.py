"""Evidence: the records that decide a leaf, as the evaluator saw them."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.english.sentences import describe_leaf
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.explaining.reasons import REASONS
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Observation
from trially.recruiting.criteria.rows import Row
from trially.recruiting.criteria.selectors import select
from trially.recruiting.criteria.units.analyte import Analyte, convert
from trially.recruiting.criteria.units.table import analytes_of
from trially.value_sets.codes import LOINC

MOST_EVIDENCE = 20
"""Records that are shown of one leaf: the latest ones."""


class Evidence(NamedTuple):
    """A record that decides a leaf."""

    fact_id: UUID
    type: str
    code_system: str | None
    code: str | None
    begun_at: dt.datetime | None
    precision: str | None
    """Of `begun_at`: `year`, `month`, `day` or `instant`."""
    ended_at: dt.datetime | None
    status: str | None
    is_refuting: bool
    value: Decimal | None
    unit: str | None
    comparator: str | None
    converted: Decimal | None
    """The value in the unit of the criterion, as it is compared. None if nothing is converted."""
    converted_unit: str | None
    value_code: str | None
    value_text: str | None
    reference_low: Decimal | None
    reference_high: Decimal | None


class LeafExplanation(NamedTuple):
    """What one leaf says of a patient, and on what it rests."""

    pointer: str
    """JSON pointer of the leaf in its expression."""
    sentence: str
    outcome: Outcome
    reason: Reason | None
    reason_text: str | None
    evidence: tuple[Evidence, ...]
    records: int
    """Records that decide it. `evidence` has at most `MOST_EVIDENCE` of them."""
    until: dt.datetime


def explain_leaf(pointer: str, leaf: Leaf, judgement: Judgement, names: Names) -> LeafExplanation:
    """Return the explanation of a judgement."""
    latest_first = sorted(judgement.rows, key=lambda row: -row.last_day)
    analyte = None
    if latest_first:
        analyte = names.once("analyte", leaf, lambda: _analyte(leaf, names.terminology))
    return LeafExplanation(
        pointer,
        describe_leaf(leaf, names),
        judgement.outcome,
        judgement.reason,
        None if judgement.reason is None else REASONS[judgement.reason],
        tuple(_evidence(row, leaf, analyte) for row in latest_first[:MOST_EVIDENCE]),
        len(judgement.rows),
        judgement.until,
    )


def facts_of(explanations: list[LeafExplanation]) -> Iterator[UUID]:
    """Yield the ids of the records that explanations show, for the record of disclosures."""
    return (each.fact_id for one in explanations for each in one.evidence)


def _analyte(leaf: Leaf, terminology: Terminology) -> Analyte | None:
    if not isinstance(leaf, Observation) or leaf.in_ == NO_CODES:
        return None
    codes = select(leaf, terminology).codes
    loinc = [each.code for each in codes.codes if each.system == LOINC] if codes else []
    analytes = analytes_of(loinc)
    return analytes[0] if len(analytes) == 1 else None


def _evidence(row: Row, leaf: Leaf, analyte: Analyte | None) -> Evidence:
    fact = row.fact
    converted, unit = _converted(row, leaf, analyte)
    return Evidence(
        fact_id=fact.id,
        type=fact.type,
        code_system=fact.code_system,
        code=fact.code,
        begun_at=fact.start_at,
        precision=fact.start_precision,
        ended_at=fact.end_at,
        status=fact.clinical_status or fact.status,
        is_refuting=row.is_refuted,
        value=fact.value_number,
        unit=fact.unit,
        comparator=fact.comparator,
        converted=converted,
        converted_unit=unit,
        value_code=fact.value_code,
        value_text=fact.value_text,
        reference_low=fact.reference_low,
        reference_high=fact.reference_high,
    )


def _converted(row: Row, leaf: Leaf, analyte: Analyte | None) -> tuple[Decimal | None, str | None]:
    """Return the value in the unit of the criterion, rounded as it is compared."""
    number = row.fact.value_number
    value = leaf.value if isinstance(leaf, Observation) else None
    if number is None or analyte is None or value is None or value.unit is None:
        return None, None
    found, asked = analyte.unit(row.fact.unit), analyte.unit(value.unit)
    if found is None or asked is None or found == asked:
        return None, None
    bounds = [each for each in (value.low, value.high) if each is not None]
    digits = max(-int(each.normalize().as_tuple().exponent) for each in bounds)
    return convert(number, found, asked, digits), asked.name
