"""What would change a result: a record, an answer, a correction, or time alone."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import NEVER, Moment
from trially.recruiting.criteria.english.sentences import asked_of_people
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.evaluation.verdicts import Rule, bits_of
from trially.recruiting.criteria.explaining.flips import Flip, is_satisfied, smallest_flips
from trially.recruiting.criteria.explaining.ways import Way, way_of
from trially.recruiting.criteria.explaining.wording import describe_change
from trially.recruiting.criteria.judgements import Judgement, Outcome
from trially.recruiting.criteria.language.criteria import Side
from trially.recruiting.criteria.language.parts import Window
from trially.recruiting.criteria.language.record_leaves import Pregnancy, RecordLeaf

_STEPS = 12
"""Changes by time alone that are looked at."""


class Change(NamedTuple):
    """What must happen to one leaf."""

    pointer: str
    """JSON pointer of the leaf in its expression."""
    wanted: Outcome
    """`met` or `not_met`."""
    way: Way
    from_day: dt.date | None
    """The first and the last day on which a record must begin today, to be in the window."""
    to_day: dt.date | None
    at: dt.datetime | None
    """When time alone changes it."""
    text: str


class CriterionChanges(NamedTuple):
    """What would make a patient satisfy one criterion."""

    id: str
    alternatives: tuple[tuple[Change, ...], ...]
    """Each is enough. All changes of an alternative are needed."""


def what_would_satisfy(
    rules: Sequence[Rule],
    engine: Engine,
    chart: Chart,
    subject: Subject,
    judgements: Sequence[Judgement],
    terminology: Terminology,
) -> list[CriterionChanges]:
    """Return the changes for each criterion that keeps a patient from being eligible."""
    finder = ChangeFinder(engine, chart, subject, judgements, Names(terminology))
    found = [CriterionChanges(rule.criterion.id, finder.alternatives(rule)) for rule in rules]
    return [each for each in found if each.alternatives]


class ChangeFinder:
    """Finds what must happen to the results of one patient. It serves any number of criteria."""

    def __init__(
        self,
        engine: Engine,
        chart: Chart,
        subject: Subject,
        judgements: Sequence[Judgement],
        names: Names,
    ) -> None:
        self.engine, self.chart, self.subject = engine, chart, subject
        self.judgements, self.names = judgements, names
        self.results = bits_of(judgements)
        self._later: dict[dt.datetime, Subject] = {}
        self._changes: dict[tuple[int, Outcome], Change] = {}

    def alternatives(self, rule: Rule) -> tuple[tuple[Change, ...], ...]:
        """Return what would satisfy a criterion. Nothing is returned for one that is satisfied."""
        if rule.fold is None:
            return ((self._decision(rule),),)
        if is_satisfied(rule, self.results):
            return ()
        return tuple(self._all(rule, flip) for flip in smallest_flips(rule, self.results))

    def _decision(self, rule: Rule) -> Change:
        """Return what a person must decide about a criterion without an expression."""
        is_inclusion = rule.criterion.kind == Side.INCLUSION
        wanted = Outcome.MET if is_inclusion else Outcome.NOT_MET
        is_so = "is so" if is_inclusion else "is not so"
        text = f"A person decides that this {is_so}: {asked_of_people(rule.criterion)}"
        return Change("", wanted, Way.ANSWER, None, None, None, text)

    def _all(self, rule: Rule, flip: Flip) -> tuple[Change, ...]:
        """Return the changes of all leaves of a flip."""
        return tuple(
            self._change(index, wanted, rule.pointers[rule.indices.index(index)])
            for index, wanted in flip
        )

    def _change(self, index: int, wanted: Outcome, pointer: str) -> Change:
        known = self._changes.get((index, wanted))
        if known is None:
            known = self._changes[index, wanted] = self._find(index, wanted)
        return known._replace(pointer=pointer) if pointer else known

    def _find(self, index: int, wanted: Outcome) -> Change:
        leaf, judgement = self.engine.leaves[index], self.judgements[index]
        at = self._by_time(index, wanted)
        way = Way.TIME if at is not None else way_of(leaf, judgement, wanted)
        window = leaf.within if isinstance(leaf, RecordLeaf | Pregnancy) else None
        days = self._days(window) if way == Way.RECORD else (None, None)
        moment = self.subject.moment
        text = describe_change(
            *(leaf, judgement, wanted, way),
            days=days,
            on=None if at is None else dt.date.fromordinal(moment.days.of(at)),
            moment=moment,
            names=self.names,
        )
        return Change("", wanted, way, *days, at, text)

    def _by_time(self, index: int, wanted: Outcome) -> dt.datetime | None:
        """Return when time alone gives a leaf the result, if it does within some steps."""
        until = self.judgements[index].until
        if until == NEVER:
            return None
        rows = self.engine.rows_of(self.chart, index)
        for _ in range(_STEPS):
            if until == NEVER:
                return None
            judgement = self.engine.judges[index](rows, self._at(until))
            if judgement.outcome == wanted:
                return until
            until = judgement.until
        return None

    def _at(self, instant: dt.datetime) -> Subject:
        """Return the patient at a later instant, if no record is added."""
        if instant not in self._later:
            former = self.subject.moment
            later = Moment(instant, former.days, former.look_back)
            subject = self.engine.subject(
                self.chart, later, self.subject.study, self.subject.ranges
            )
            self._later[instant] = subject
        return self._later[instant]

    def _days(self, window: Window | None) -> tuple[dt.date | None, dt.date | None]:
        """Return the days on which a new record must begin: a last one only if it is not today."""
        moment = self.subject.moment
        if window is None:
            return None, None
        first = None if window.from_ is None else moment.before(window.from_)
        last = moment.before(window.to)
        return (
            None if first is None else dt.date.fromordinal(first),
            None if last == moment.today else dt.date.fromordinal(last),
        )
