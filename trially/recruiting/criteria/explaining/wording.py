"""What would change a result, as English sentences."""

import datetime as dt

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.english.sentences import describe_leaf
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.explaining.reasons import REASONS
from trially.recruiting.criteria.explaining.ways import Way
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.person_leaves import (
    Age,
    Deceased,
    Distance,
    Enrollment,
    Leaf,
    Manual,
    Sex,
)
from trially.recruiting.criteria.language.record_leaves import Observation

Window = tuple[dt.date | None, dt.date | None]
"""The first and the last day on which a new record must begin; None if any day will do."""

_CORRECTED: dict[type[Leaf], str] = {
    Age: "the birth date",
    Sex: "the administrative sex",
    Deceased: "the date of death",
    Distance: "the patient's home or of the study's sites",
    Enrollment: "the participation in other studies",
}


def describe_change(
    leaf: Leaf,
    judgement: Judgement,
    wanted: Outcome,
    way: Way,
    *,
    days: Window,
    on: dt.date | None,
    moment: Moment,
    names: Names,
) -> str:
    """Return what must happen so that a leaf is `met` or `not_met`.

    `days` are those of a new record, and `on` is the day on which time alone changes the leaf.
    """
    sentence = describe_leaf(leaf, names).rstrip(".")
    is_so = "holds" if wanted == Outcome.MET else "does not hold"
    if way == Way.TIME:
        return f"{_when(leaf, on)}, without any new record, this {is_so}: {sentence}."
    if way == Way.ANSWER:
        answer = "yes" if wanted == Outcome.MET else "no"
        asked = leaf.question if isinstance(leaf, Manual) else sentence
        return f"A person answers with {answer}: {asked}"
    if way == Way.CORRECTION:
        what = _CORRECTED.get(type(leaf), "the records")
        why = "" if judgement.reason is None else f" {REASONS[judgement.reason]}"
        return f"A correction of {what}, so that this {is_so}: {sentence}.{why}"
    if wanted == Outcome.NOT_MET and judgement.reason == Reason.NO_COVERAGE:
        first = dt.date.fromordinal(moment.before(moment.look_back))
        return f"A new record of any kind, dated {first} or later."
    return f"{_record(leaf, wanted, names)}{_dated(days)}{_saying(leaf, sentence, is_so)}."


def _when(leaf: Leaf, on: dt.date | None) -> str:
    """Return when time alone changes a leaf. The day of an age would disclose the birthday."""
    if isinstance(leaf, Age):
        return "From a birthday on"
    return "Some day" if isinstance(leaf, Deceased) else f"From {on} on"


def _record(leaf: Leaf, wanted: Outcome, names: Names) -> str:
    if not isinstance(leaf, Observation) or leaf.value is None:
        return "A new record"
    verb = "that is" if wanted == Outcome.MET else "that is not"
    return f"A new result of {names.codes(leaf.in_)} {verb} {names.value(leaf.value)}"


def _dated(days: Window) -> str:
    first, last = days
    if first is not None and last is not None:
        return f", dated from {first} to {last}"
    if first is not None:
        return f", dated {first} or later"
    return "" if last is None else f", dated {last} or earlier"


def _saying(leaf: Leaf, sentence: str, is_so: str) -> str:
    """Return what a record must say, unless the name of the record says it."""
    if isinstance(leaf, Observation) and leaf.value is not None and leaf.min_count == 1:
        return ""
    return f", by which this {is_so}: {sentence}"
