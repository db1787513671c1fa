"""The latest or the earliest observation, and whether it has the value."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.evaluation.absence import judge_absence
from trially.recruiting.criteria.evaluation.choosing import (
    Candidate,
    are_simultaneous,
    begun,
    earliest_rows,
    latest_rows,
)
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.values import Answer, Test
from trially.recruiting.criteria.evaluation.windows import NO_CHANGE, Place, WindowDays
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.record_leaves import Observation, Pick
from trially.recruiting.criteria.rows import Row


class ChosenObservation:
    """The latest or the earliest observation must have the value."""

    def __init__(self, leaf: Observation, window: WindowDays, test: Test) -> None:
        self.leaf, self.window, self.test = leaf, window, test
        self.choose = latest_rows if leaf.pick == Pick.LATEST else earliest_rows

    def _choice(self, rows: Sequence[Row], subject: Subject) -> "_Choice":
        """Return which rows may be the one that counts, computed once for rows and a subject."""
        key = (id(rows), self.leaf.pick)
        known: _Choice | None = subject.chosen.get(key)
        if known is None or known.rows is not rows:
            moment = subject.moment
            _, present, next_at, _ = begun(rows, subject)
            chosen = self.choose(present, moment)
            known = subject.chosen[key] = _Choice(
                rows,
                chosen,
                tuple(row for row, _, _ in chosen),
                min([next_at, *_presences(present, moment)]),
                all(row.last_day > moment.today for row in present),
            )
        return known

    def judge(self, rows: Sequence[Row], subject: Subject) -> Judgement:
        """Judge the chosen row or, if several may be it, all of them."""
        moment = subject.moment
        _, chosen, evidence, until, may_be_none = self._choice(rows, subject)
        if not chosen:
            return judge_absence(self.leaf.missing, subject, until=until)
        until = min(until, next_change(self.window, evidence, moment))
        if len(chosen) == 1 and not may_be_none:
            row, first, last = chosen[0]
            place = self.window.place_between(first, last, moment)
            if place is Place.IN:
                return judgement_of(self.test(row, subject), evidence, until)
            if place is Place.OUT:
                return self._stale(subject, evidence, until)
        places = [self.window.place_between(first, last, moment) for _, first, last in chosen]
        answers = [self.test(row, subject) for row in evidence]
        if not may_be_none and all(place is Place.IN for place in places):
            return _agreement(evidence, answers, until)
        stale = self._stale(subject, evidence, until)
        fails_outside = stale.outcome == Outcome.NOT_MET
        if all(place is Place.OUT for place in places) or (
            # Whether they are in the window or not, and whether they have begun: they fail.
            fails_outside
            and all(
                place is Place.OUT or answer is False
                for place, answer in zip(places, answers, strict=True)
            )
        ):
            return stale
        doubts = [
            answer
            if place is Place.IN or (place is Place.PARTLY and answer is False and fails_outside)
            else Reason.PARTIAL_DATE
            for place, answer in zip(places, answers, strict=True)
        ]
        found = _agreement(evidence, doubts, stale.until)
        if may_be_none and found.outcome in (Outcome.MET, Outcome.NOT_MET):
            return Judgement(Outcome.UNKNOWN, Reason.PARTIAL_DATE, evidence, stale.until)
        return found

    def _stale(self, subject: Subject, evidence: tuple[Row, ...], until: dt.datetime) -> Judgement:
        """Return the judgement if the row that counts is outside of the window."""
        return judge_absence(self.leaf.missing, subject, Reason.OUT_OF_WINDOW, evidence, until)


class _Choice(NamedTuple):
    """The rows of a selector that may be the one that counts."""

    rows: Sequence[Row]
    """All rows. They are kept, so that no others get their id."""
    chosen: list[Candidate]
    evidence: tuple[Row, ...]
    """The rows of those that are chosen."""
    until: dt.datetime
    """When another row begins, or surely has begun."""
    may_be_none: bool
    """Whether perhaps no row has begun."""


def _agreement(rows: tuple[Row, ...], answers: list[Answer], until: dt.datetime) -> Judgement:
    """Return what all rows agree on, of which any one may be the one that counts."""
    if all(answer is answers[0] for answer in answers):
        return judgement_of(answers[0], rows, until)
    for (one, first), (other, second) in combinations(zip(rows, answers, strict=True), 2):
        if {first, second} == {True, False} and are_simultaneous(one, other):
            return Judgement(Outcome.CONFLICT, Reason.TWO_VALUES, rows, until)
    reasons = [answer for answer in answers if isinstance(answer, Reason)]
    return Judgement(Outcome.UNKNOWN, reasons[0] if reasons else Reason.PARTIAL_DATE, rows, until)


def _presences(rows: Iterable[Row], moment: Moment) -> Iterator[dt.datetime]:
    """Yield when each row that may not have begun yet surely will have."""
    for row in rows:
        if moment.today < row.last_day < NO_CHANGE:
            yield moment.days.midnight(row.last_day)


def judgement_of(answer: Answer, rows: tuple[Row, ...], until: dt.datetime) -> Judgement:
    """Return the judgement that an answer means."""
    if isinstance(answer, Reason):
        return Judgement(Outcome.UNKNOWN, answer, rows, until)
    return Judgement(Outcome.MET if answer else Outcome.NOT_MET, None, rows, until)


def next_change(window: WindowDays, rows: Iterable[Row], moment: Moment) -> dt.datetime:
    """Return when any of the rows may enter or leave a window."""
    if not moment.looks_ahead:
        return NEVER
    day = min((window.next_change(row, moment) for row in rows), default=NO_CHANGE)
    return NEVER if day == NO_CHANGE else moment.days.midnight(day)
