"""What conditions, medications, procedures, allergies, immunizations and encounters mean."""

import datetime as dt
from collections.abc import Callable, Sequence

from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.evaluation.absence import judge_absence
from trially.recruiting.criteria.evaluation.choosing import begun
from trially.recruiting.criteria.evaluation.counting import least_days, most_days
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.values import Answer
from trially.recruiting.criteria.evaluation.windows import (
    NO_CHANGE,
    Place,
    WindowDays,
    place_of_start,
    place_of_stay,
)
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
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
from trially.recruiting.criteria.rows import UNDATED, Row

Judge = Callable[[Sequence[Row], Subject], Judgement]
Part = Callable[[Row, Moment], Answer]
Changes = Callable[[Row, Moment], int]


def compile_records(leaf: RecordLeaf) -> Judge:
    """Return the function that judges a leaf by the rows of its selector."""
    judge = _RecordJudge(
        leaf.within, leaf.min_count, leaf.missing, is_stay=leaf.kind == "encounter"
    )
    if isinstance(leaf, Condition | Medication | Allergy) and leaf.status != Status.ANY:
        judge.demand_status(is_active=leaf.status == Status.ACTIVE)
    if isinstance(leaf, Medication) and leaf.min_days is not None:
        judge.demand_days(leaf.min_days)
    if isinstance(leaf, Encounter) and leaf.class_:
        judge.demand_class(frozenset(each.value for each in leaf.class_))
    return judge.judge


def compile_pregnancy(leaf: Pregnancy) -> Judge:
    """Return the function that judges a pregnancy: a condition that goes on, not of a man."""
    judge = _RecordJudge(leaf.within, 1, leaf.missing, is_stay=False)
    judge.demand_status(is_active=True)

    def judge_pregnancy(rows: Sequence[Row], subject: Subject) -> Judgement:
        if subject.person.sex == "male":
            return Judgement(Outcome.NOT_MET, None, (), NEVER)
        return judge.judge(rows, subject)

    return judge_pregnancy


class _RecordJudge:
    """Counts the days on which a record began that meets all demands."""

    def __init__(
        self, window: Window | None, needed: int, missing: Missing, *, is_stay: bool
    ) -> None:
        self.window = WindowDays(window)
        self.needed = needed
        self.missing = missing
        self.is_stay = is_stay
        self.demands: list[Part] = []
        self.changes: list[Changes] = [
            self.window.next_change_of_stay if is_stay else self.window.next_change
        ]
        self._place = place_of_stay if is_stay else place_of_start

    def demand_status(self, *, is_active: bool) -> None:
        """Demand that a record goes on at `as_of`, or that it does not."""

        def has_status(row: Row, moment: Moment) -> Answer:
            goes_on = row.goes_on(moment.today)
            return Reason.UNKNOWN_STATUS if goes_on is None else goes_on == is_active

        self.demands.append(has_status)
        self.changes.append(_next_end)

    def demand_days(self, days: int) -> None:
        """Demand that a medication is taken for so many days, until `as_of` or its end."""

        def lasts(row: Row, moment: Moment) -> Answer:
            return _lasts(row, moment.today, days)

        def next_change(row: Row, moment: Moment) -> int:
            full = (row.first_day + days, row.last_day + days)
            later = [day for day in full if moment.today < day < NO_CHANGE]
            return min([*later, _next_end(row, moment)])

        self.demands.append(lasts)
        self.changes.append(next_change)

    def demand_class(self, classes: frozenset[str]) -> None:
        """Demand that an encounter was of one of some classes."""

        def has_class(row: Row, moment: Moment) -> Answer:  # noqa: ARG001
            found = row.encounter_class
            return Reason.UNKNOWN_CLASS if found is None else found in classes

        self.demands.append(has_class)

    def judge(self, rows: Sequence[Row], subject: Subject) -> Judgement:
        """Judge the rows of the selector."""
        moment = subject.moment
        _, present, next_at, refuted = begun(rows, subject)
        first_day, last_day = self.window.at(moment)
        met: list[Row] = []
        possible: list[Row] = []
        first_reason: Reason | None = None
        for row in present:
            answer = self._fits(row, self._place(row, first_day, last_day), moment)
            if answer is True:
                met.append(row)
            elif answer is not False:
                possible.append(row)
                first_reason = first_reason or answer
        if (len(met) >= self.needed) and (self.needed == 1 or least_days(met) >= self.needed):
            return self._judge_met(met, refuted, moment, next_at)
        until = min(next_at, self._until(present, moment, min))
        if self._most_days(met + possible, moment) >= self.needed:
            reason = first_reason or Reason.PARTIAL_DATE
            return Judgement(Outcome.UNKNOWN, reason, tuple(met + possible), until)
        reason = Reason.TOO_FEW if met else Reason.NO_FIT if present else Reason.NO_RECORD
        return judge_absence(self.missing, subject, reason, tuple(met or present), until)

    def _fits(self, row: Row, place: Place, moment: Moment) -> Answer:
        """Return whether a row meets all demands. One that it surely fails decides."""
        if place is Place.OUT:
            return False
        doubt: Reason | None = Reason.PARTIAL_DATE if place is Place.PARTLY else None
        for demand in self.demands:
            answer = demand(row, moment)
            if answer is False:
                return False
            if answer is not True:
                doubt = doubt or answer
        if not row.is_certain:
            doubt = doubt or Reason.UNCONFIRMED
        return True if doubt is None else doubt

    def _judge_met(
        self, met: list[Row], refuted: list[Row], moment: Moment, next_at: dt.datetime
    ) -> Judgement:
        """Return that the leaf is met, or in conflict with a record that refutes it."""
        if not refuted:
            # Any one of the rows is enough, if one is needed.
            until = self._until(met, moment, max if self.needed == 1 else min)
            until = until if self.needed == 1 else min(until, next_at)
            return Judgement(Outcome.MET, None, tuple(met), until)
        until = min(next_at, self._until([*met, *refuted], moment, min))
        said = [row for row in refuted if not row.is_future(moment.today, moment.at)]
        coming = [row.begins_at(moment.days) for row in refuted if row not in said]
        until = min([until, *coming])
        contradicting = tuple(row for row in said if not _is_older(row, met, moment))
        if contradicting:
            rows_of_both = (*met, *contradicting)
            return Judgement(Outcome.CONFLICT, Reason.REFUTED_ELSEWHERE, rows_of_both, until)
        return Judgement(Outcome.MET, None, tuple(met), until)

    def _most_days(self, rows: list[Row], moment: Moment) -> int:
        if self.needed == 1:
            return len(rows)
        first, last = (UNDATED, moment.today) if self.is_stay else self.window.at(moment)
        return most_days(rows, first, last)

    def _until(
        self, rows: Sequence[Row], moment: Moment, pick: Callable[[list[int]], int]
    ) -> dt.datetime:
        """Return when the first or the last of the rows may change."""
        if not moment.looks_ahead:
            return NEVER
        days = [min(change(row, moment) for change in self.changes) for row in rows]
        day = pick(days) if days else NO_CHANGE
        return NEVER if day == NO_CHANGE else moment.days.midnight(day)


def _lasts(row: Row, today: int, days: int) -> Answer:
    """Return whether a medication is taken for so many days, until today or its end."""
    if row.end_first is not None and row.end_last is not None:
        least = min(row.end_first, today) - row.last_day
        most = min(row.end_last, today) - row.first_day
    else:
        most = today - row.first_day
        least = today - row.last_day if row.is_active else -1
    if least >= days:
        return True
    if most < days:
        return False
    is_dated = row.first_day == row.last_day
    return Reason.UNKNOWN_STATUS if is_dated and row.end_first is None else Reason.PARTIAL_DATE


def _next_end(row: Row, moment: Moment) -> int:
    """Return the next day on which a row may have ended."""
    if row.end_first is None or row.end_last is None:
        return NO_CHANGE
    ends = [day + 1 for day in (row.end_first, row.end_last) if day >= moment.today]
    return min(ends, default=NO_CHANGE)


def _is_older(refuted: Row, met: list[Row], moment: Moment) -> bool:
    """Return whether a record that refutes was surely written before all that affirm."""
    day = _said_on(refuted, moment)
    newest = max((_said_on(row, moment) or UNDATED for row in met), default=UNDATED)
    return day is not None and day < newest


def _said_on(row: Row, moment: Moment) -> int | None:
    """Return the day on which a record was written, or else the day that it is about."""
    if row.fact.recorded_at is not None:
        return moment.days.of(row.fact.recorded_at)
    return None if row.first_day == UNDATED else row.last_day
