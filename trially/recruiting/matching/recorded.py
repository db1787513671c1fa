"""Judge conditions, medications and other records of all patients at once.

The rules are those of the evaluator of one patient (`criteria/evaluation/records`), without the
cases in which a date is rough or a record is refuted or unconfirmed.
"""

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.windows import WindowDays
from trially.recruiting.criteria.language.parts import Missing, Window
from trially.recruiting.criteria.language.record_leaves import (
    Allergy,
    Condition,
    Encounter,
    Medication,
    Pregnancy,
    RecordLeaf,
    Status,
)
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.packed_rows import Rows
from trially.recruiting.matching.panel import Panel, Results, distinct_days
from trially.recruiting.matching.selecting import CLASSES
from trially.recruiting.matching.windows import in_window, present

NO, UNSURE, YES = -1, 0, 1
Answers = NDArray[np.int8]


def judge_records(leaf: RecordLeaf, rows: Rows, panel: Panel) -> Results:
    """Judge the patients whose records are packed."""
    rows = present(rows, panel.moment)
    fits = [_is_inside(leaf, rows, panel.moment)]
    if isinstance(leaf, Condition | Medication | Allergy) and leaf.status != Status.ANY:
        fits.append(_has_status(rows, panel.moment, is_active=leaf.status == Status.ACTIVE))
    if isinstance(leaf, Medication) and leaf.min_days is not None:
        fits.append(_lasts(rows, panel.moment, leaf.min_days))
    if isinstance(leaf, Encounter) and leaf.class_:
        fits.append(_has_class(rows, [CLASSES.index(each.value) + 1 for each in leaf.class_]))
    return _count(rows, fits, leaf.min_count, leaf.missing, panel)


def judge_pregnancy(leaf: Pregnancy, rows: Rows, panel: Panel, men: Flags) -> Results:
    """Judge pregnancies: conditions that go on, not of men."""
    rows = present(rows, panel.moment)
    fits = [
        _yes(in_window(rows, leaf.within, panel.moment)),
        _has_status(rows, panel.moment, is_active=True),
    ]
    found = _count(rows, fits, 1, leaf.missing, panel)
    return Results(found.met & ~men, found.not_met | men)


def _count(rows: Rows, fits: list[Answers], needed: int, missing: Missing, panel: Panel) -> Results:
    """Judge on how many days a record began that surely fits, and that may fit."""
    fit = np.minimum.reduce(fits)
    met_days = distinct_days(rows[fit == YES], panel.size)
    possible_days = distinct_days(rows[fit != NO], panel.size)
    met = met_days >= needed
    undecided = ~met & (possible_days >= needed)
    return Results(met, ~met & ~undecided & panel.absent(missing))


def _is_inside(leaf: RecordLeaf, rows: Rows, moment: Moment) -> Answers:
    if isinstance(leaf, Encounter):
        return _yes(_touches(rows, leaf.within, moment))
    return _yes(in_window(rows, leaf.within, moment))


def _touches(rows: Rows, window: Window | None, moment: Moment) -> Flags:
    """Return which stays have a day in a window."""
    first, last = WindowDays(window).at(moment)
    end = np.maximum(rows["end"], rows["day"])
    found: Flags = (rows["day"] <= last) & (end >= first)
    return found


def _has_status(rows: Rows, moment: Moment, *, is_active: bool) -> Answers:
    """Return whether records go on. A known end decides, unless the status contradicts it."""
    has_end = rows["end"] > 0
    has_ended = has_end & (rows["end"] < moment.today)
    goes_on = np.where(has_end, np.where(rows["state"] == NO, UNSURE, YES), rows["state"])
    goes_on = np.where(has_ended, NO, goes_on).astype(np.int8)
    return goes_on if is_active else -goes_on


def _lasts(rows: Rows, moment: Moment, days: int) -> Answers:
    """Return whether medications are taken for so many days, until today or their end."""
    has_end = rows["end"] > 0
    until = np.where(has_end, np.minimum(rows["end"], moment.today), moment.today)
    is_long = until - rows["day"] >= days
    is_sure = has_end | (rows["state"] == YES)
    return np.where(is_long, np.where(is_sure, YES, UNSURE), NO).astype(np.int8)


def _has_class(rows: Rows, numbers: list[int]) -> Answers:
    """Return whether encounters were of one of some classes. One without a class is unsure."""
    is_one = np.isin(rows["group"], numbers)
    return np.where(rows["group"] == 0, UNSURE, np.where(is_one, YES, NO)).astype(np.int8)


def _yes(flags: Flags) -> Answers:
    return np.where(flags, YES, NO).astype(np.int8)
