"""What observations mean: which of them count, and whether their values are in range."""

import datetime as dt
from collections.abc import Callable, Sequence

from trially.recruiting.criteria.code_sets import CodeSet, Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.absence import judge_absence
from trially.recruiting.criteria.evaluation.choosing import begun
from trially.recruiting.criteria.evaluation.chosen_observations import (
    ChosenObservation,
    judgement_of,
    next_change,
)
from trially.recruiting.criteria.evaluation.counting import least_days, most_days
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.value_tests import anything, compile_test, extreme_tests
from trially.recruiting.criteria.evaluation.values import Answer, Test
from trially.recruiting.criteria.evaluation.windows import Place, WindowDays
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.parts import Value
from trially.recruiting.criteria.language.record_leaves import Observation, Pick
from trially.recruiting.criteria.rows import Row

Judge = Callable[[Sequence[Row], Subject], Judgement]


def compile_observation(
    leaf: Observation, codes: CodeSet | None, terminology: Terminology
) -> Judge:
    """Return the function that judges an observation by the rows of its selector."""
    window = WindowDays(leaf.within)
    if leaf.pick in (Pick.MAX, Pick.MIN) and leaf.value is not None:
        return _Extreme(leaf, window, leaf.value, codes).judge
    test = anything if leaf.value is None else compile_test(leaf.value, codes, terminology)
    if leaf.pick in (Pick.LATEST, Pick.EARLIEST):
        return ChosenObservation(leaf, window, test).judge
    return _Several(leaf, window, test).judge


class _Several:
    """Any observation in the window must have the value, some of them, or all."""

    def __init__(self, leaf: Observation, window: WindowDays, test: Test) -> None:
        self.leaf, self.window, self.test = leaf, window, test

    def judge(self, rows: Sequence[Row], subject: Subject) -> Judgement:
        """Judge all rows in the window."""
        moment = subject.moment
        _, present, until, _ = begun(rows, subject)
        seen = [
            (row, place, self.test(row, subject))
            for row in present
            if (place := self.window.place(row, moment)) is not Place.OUT
        ]
        until = min(until, next_change(self.window, present, moment))
        inside = [row for row, place, _ in seen if place is Place.IN]
        if self.leaf.pick == Pick.ALL:
            found = self._judge_all(seen, until)
        else:
            found = self._judge_any(seen, until, moment)
        if found is not None:
            return found
        looked_at = tuple(row for row, _, _ in seen) or tuple(present[-1:])
        if inside:
            has_some = any(answer is True for _, _, answer in seen)
            reason = Reason.TOO_FEW if has_some else None
            return Judgement(Outcome.NOT_MET, reason, looked_at, until)
        reason = Reason.OUT_OF_WINDOW if present else Reason.NO_RECORD
        absent = judge_absence(self.leaf.missing, subject, reason, looked_at, until)
        if seen and absent.outcome != Outcome.NOT_MET:
            return absent._replace(reason=Reason.PARTIAL_DATE)
        return absent

    def _judge_any(
        self, seen: Sequence[tuple[Row, Place, Answer]], until: dt.datetime, moment: Moment
    ) -> Judgement | None:
        """Return the judgement if enough rows have the value or may have it."""
        met = [row for row, place, answer in seen if place is Place.IN and answer is True]
        needed = self.leaf.min_count
        if bool(met) if needed == 1 else least_days(met) >= needed:
            if needed == 1:
                until = max(next_change(self.window, [row], moment) for row in met)
            return Judgement(Outcome.MET, None, tuple(met), until)
        possible = [(row, answer) for row, _, answer in seen if answer is not False]
        reasons = [
            answer if isinstance(answer, Reason) else Reason.PARTIAL_DATE
            for row, place, answer in seen
            if answer is not False and not (place is Place.IN and answer is True)
        ]
        most = most_days([row for row, _ in possible], *self.window.at(moment))
        if possible and most >= needed:
            reason = reasons[0] if reasons else Reason.PARTIAL_DATE
            return Judgement(Outcome.UNKNOWN, reason, tuple(row for row, _ in possible), until)
        return None

    @staticmethod
    def _judge_all(
        seen: Sequence[tuple[Row, Place, Answer]], until: dt.datetime
    ) -> Judgement | None:
        """Return the judgement, unless no row can be in the window and have the value."""
        failing = tuple(row for row, place, answer in seen if answer is False and place is Place.IN)
        if failing:
            return Judgement(Outcome.NOT_MET, None, failing, until)
        if all(answer is False for _, _, answer in seen):
            return None
        for _, _, answer in seen:
            if answer is not True:
                reason = Reason.PARTIAL_DATE if answer is False else answer
                return Judgement(Outcome.UNKNOWN, reason, tuple(row for row, _, _ in seen), until)
        rows = tuple(row for row, _, _ in seen)
        if any(place is Place.IN for _, place, _ in seen):
            return Judgement(Outcome.MET, None, rows, until)
        return Judgement(Outcome.UNKNOWN, Reason.PARTIAL_DATE, rows, until)


class _Extreme:
    """The greatest or the smallest value in the window must be in a range.

    The greatest value is at least 5 if any value is, and at most 10 if all are. So values in
    different units need no common order.
    """

    def __init__(
        self, leaf: Observation, window: WindowDays, value: Value, codes: CodeSet | None
    ) -> None:
        self.leaf, self.window = leaf, window
        self.any_test, self.all_test = extreme_tests(leaf.pick, value, codes)

    def judge(self, rows: Sequence[Row], subject: Subject) -> Judgement:
        """Judge the rows in the window."""
        moment = subject.moment
        _, present, until, _ = begun(rows, subject)
        until = min(until, next_change(self.window, present, moment))
        places = [(row, self.window.place(row, moment)) for row in present]
        seen = [(row, place) for row, place in places if place is not Place.OUT]
        evidence = tuple(row for row, _ in seen)
        if not seen:
            reason = Reason.OUT_OF_WINDOW if present else Reason.NO_RECORD
            return judge_absence(self.leaf.missing, subject, reason, tuple(present[-1:]), until)
        answer = _both(
            _any_of(self._answers(self.any_test, seen, subject)),
            _all_of(self._answers(self.all_test, seen, subject)),
        )
        if any(place is Place.IN for _, place in seen):
            return judgement_of(answer, evidence, until)
        absent = judge_absence(self.leaf.missing, subject, Reason.OUT_OF_WINDOW, evidence, until)
        if answer is False and absent.outcome == Outcome.NOT_MET:
            return absent
        reason = answer if isinstance(answer, Reason) else Reason.PARTIAL_DATE
        return Judgement(Outcome.UNKNOWN, reason, evidence, absent.until)

    @staticmethod
    def _answers(
        test: Test, seen: Sequence[tuple[Row, Place]], subject: Subject
    ) -> list[tuple[bool, Answer]]:
        return [(place is Place.IN, test(row, subject)) for row, place in seen]


def _any_of(answers: list[tuple[bool, Answer]]) -> Answer:
    """Return whether any row has the value. Rows that may be outside cannot prove it."""
    if any(is_inside and answer is True for is_inside, answer in answers):
        return True
    open_ones = [answer for _, answer in answers if answer is not False]
    return next(
        (each if isinstance(each, Reason) else Reason.PARTIAL_DATE for each in open_ones), False
    )


def _all_of(answers: list[tuple[bool, Answer]]) -> Answer:
    """Return whether all rows have the value. Rows that may be outside cannot disprove it."""
    if any(is_inside and answer is False for is_inside, answer in answers):
        return False
    open_ones = [answer for _, answer in answers if answer is not True]
    return next(
        (each if isinstance(each, Reason) else Reason.PARTIAL_DATE for each in open_ones), True
    )


def _both(one: Answer, other: Answer) -> Answer:
    if one is False or other is False:
        return False
    return other if one is True else one
