"""Judge observations of all patients at once: those whose dates are known to the day.

The rules are those of the evaluator of one patient (`criteria/evaluation/observations`), without
the cases in which a date is rough or records contradict each other.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.evaluation.value_tests import compile_test, extreme_tests
from trially.recruiting.criteria.evaluation.values import CodedTest, NumericTest, Range, Test
from trially.recruiting.criteria.language.record_leaves import Observation, Pick
from trially.recruiting.criteria.selectors import Selector
from trially.recruiting.criteria.units.spelling import normalise
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.code_conditions import codes_of
from trially.recruiting.matching.frames import Frame
from trially.recruiting.matching.packed_rows import Rows
from trially.recruiting.matching.panel import Panel, Results, distinct_days
from trially.recruiting.matching.selecting import COMPARATORS
from trially.recruiting.matching.windows import in_window, present

FAILS, PASSES, UNDECIDED = 0, 1, 2
Answers = NDArray[np.int8]


def is_packed(leaf: Observation) -> bool:
    """Return whether packed rows have what a leaf reads. They lack texts and reference ranges."""
    return leaf.value is None or not (leaf.value.text or leaf.value.times)


def judge_observations(
    leaf: Observation, selector: Selector, terminology: Terminology, frame: Frame, panel: Panel
) -> Results:
    """Judge the patients whose observations are packed."""
    codes = selector.codes
    rows = present(frame.rows, panel.moment)
    inside = in_window(rows, leaf.within, panel.moment)

    def answer(test: Test) -> Answers:
        return _answers(test, rows, frame, codes_of(selector))

    if leaf.pick in (Pick.MAX, Pick.MIN):
        assert leaf.value is not None  # noqa: S101
        any_test, all_test = extreme_tests(leaf.pick, leaf.value, codes)
        met, not_met, decided = _extremes(
            rows[inside], answer(any_test)[inside], answer(all_test)[inside], panel
        )
    else:
        answers = (
            np.full(len(rows), PASSES, np.int8)
            if leaf.value is None
            else answer(compile_test(leaf.value, codes, terminology))
        )
        judged = _all if leaf.pick == Pick.ALL else partial(_any, leaf.min_count)
        met, not_met, decided = judged(rows[inside], answers[inside], panel)
    return Results(met, not_met | (panel.absent(leaf.missing) & ~decided))


Judged = tuple[Flags, Flags, Flags]
"""Who meets the leaf, who does not, and who has a row that decides between these and unknown."""


def _any(needed: int, rows: Rows, answers: Answers, panel: Panel) -> Judged:
    """Judge whether rows have the value on so many days. A chosen row is one of one."""
    met = distinct_days(rows[answers == PASSES], panel.size) >= needed
    possible = distinct_days(rows[answers != FAILS], panel.size) >= needed
    inside = panel.having(rows["ordinal"])
    return met, inside & ~possible, inside


def _all(rows: Rows, answers: Answers, panel: Panel) -> Judged:
    """Judge whether all rows have the value."""
    failing = panel.having(rows["ordinal"][answers == FAILS])
    undecided = panel.having(rows["ordinal"][answers == UNDECIDED])
    inside = panel.having(rows["ordinal"])
    return inside & ~failing & ~undecided, failing, inside


def _extremes(rows: Rows, any_answers: Answers, all_answers: Answers, panel: Panel) -> Judged:
    """Judge whether one row reaches a bound, and none exceeds the other one."""
    ordinals = rows["ordinal"]
    inside = panel.having(ordinals)
    reached = panel.having(ordinals[any_answers == PASSES])
    may_be_reached = panel.having(ordinals[any_answers != FAILS])
    exceeded = panel.having(ordinals[all_answers == FAILS])
    may_be_exceeded = panel.having(ordinals[all_answers != PASSES])
    return (
        reached & ~may_be_exceeded,
        inside & (~may_be_reached | exceeded),
        inside,
    )


def _answers(test: Test, rows: Rows, frame: Frame, codes: list[str]) -> Answers:
    """Return whether each row passes a test."""
    if isinstance(test, CodedTest):
        return _coded_answers(test, rows, frame)
    answers = np.full(len(rows), UNDECIDED, np.int8)
    if not isinstance(test, NumericTest):
        return answers  # Texts and reference ranges are not packed: no row is here.
    for number, unit in enumerate((None, *frame.vocabulary.units)):
        bounds = test.range_in(unit)
        if bounds is not None:
            of_unit = np.flatnonzero((rows["unit"] == number) & ~np.isnan(rows["value"]))
            values, comparators = rows["value"][of_unit], rows["state"][of_unit]
            answers[of_unit] = _is_in(bounds, values)
            for written in np.unique(comparators[comparators > 0]):
                compared = comparators == written
                comparator = COMPARATORS[written - 1]
                answers[of_unit[compared]] = _compare(bounds, comparator, values[compared])
    if test.analyte is not None:
        _undo_misread(answers, test.analyte.misread, rows, frame, codes)
    return answers


def _is_in(bounds: Range, values: NDArray[np.float64]) -> Flags:
    """Return whether numbers are in a range.

    Values of up to 15 digits and bounds become different doubles if they are different decimals.
    """
    found = np.ones(len(values), np.bool_)
    if bounds.low is not None:
        low = float(bounds.low)
        found &= values >= low if bounds.has_low else values > low
    if bounds.high is not None:
        high = float(bounds.high)
        found &= values <= high if bounds.has_high else values < high
    return found


def _compare(bounds: Range, comparator: str, values: NDArray[np.float64]) -> Answers:
    """Return whether values with a comparator, such as `<5`, are in a range.

    What is known of such a value is a range without one of its ends. It passes if all of that range
    is in the bounds, and fails if none of it is.
    """
    is_upper, has_value = comparator in ("<", "<="), comparator in ("<=", ">=")
    near, has_near = (bounds.high, bounds.has_high) if is_upper else (bounds.low, bounds.has_low)
    far, has_far = (bounds.low, bounds.has_low) if is_upper else (bounds.high, bounds.has_high)
    sign = 1.0 if is_upper else -1.0
    found = np.full(len(values), UNDECIDED, np.int8)
    if far is None:
        passes = np.ones(len(values), np.bool_)
        if near is not None:
            beyond = sign * (values - float(near))
            passes = (beyond <= 0) if has_near or not has_value else (beyond < 0)
        found[passes] = PASSES
    else:
        beyond = sign * (values - float(far))
        found[(beyond < 0) if has_far and has_value else (beyond <= 0)] = FAILS
    return found


def _undo_misread(
    answers: Answers,
    misread: frozenset[tuple[str, str]],
    rows: Rows,
    frame: Frame,
    codes: list[str],
) -> None:
    """Leave rows undecided whose unit means another scale with their code."""
    for number, code in enumerate(codes, 1):
        for unit_number, unit in enumerate((None, *frame.vocabulary.units)):
            if (code, normalise(unit)) in misread:
                answers[(rows["code"] == number) & (rows["unit"] == unit_number)] = UNDECIDED


def _coded_answers(test: CodedTest, rows: Rows, frame: Frame) -> Answers:
    """Return whether the coded value of each row is in a set. Without one it is undecided.

    So it is for -1, a value that is not in the vocabulary: the last element stands for it.
    """
    by_number = np.full(len(frame.vocabulary.values) + 2, UNDECIDED, np.int8)
    for number, value in enumerate(frame.vocabulary.values, 1):
        system, _, code = value.rpartition("|")
        by_number[number] = test.codes.has(system or None, code)
    answers: Answers = by_number[rows["answer"]]
    return answers
