"""Evaluate leaves for all patients of the current tenant, from what is stored if possible.

1. The results of a leaf on this day are stored: they are read.
2. Few patients have changed since: they are evaluated one by one, and the results are patched.
3. The frame of its selector is stored: numpy evaluates it. A changed bound or window comes here.
4. Else the frame is read from the records, and stored.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property
from uuid import UUID

import numpy as np

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import BITS_OF, Bits
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Encounter, Observation
from trially.recruiting.criteria.selectors import Selector
from trially.recruiting.matching import lasting, stored
from trially.recruiting.matching.bits import pack, unpack
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.matching.coverage import NewestRecords, read_newest
from trially.recruiting.matching.deciding import wanted_by
from trially.recruiting.matching.digests import (
    name_coverage,
    name_frame,
    name_leaf,
    name_living,
    name_newest,
    name_people,
)
from trially.recruiting.matching.facts import in_portions
from trially.recruiting.matching.frames import Frame, read_frame
from trially.recruiting.matching.homes import kept_homes
from trially.recruiting.matching.judging import judge_leaf
from trially.recruiting.matching.lasting import (
    begins_later,
    end_of_day,
    is_of_former_day,
    lasts_all_day,
)
from trially.recruiting.matching.narrowing import Narrowing, narrowing_of
from trially.recruiting.matching.observed import is_packed
from trially.recruiting.matching.panel import Panel
from trially.recruiting.matching.people import People, read_people
from trially.recruiting.matching.subjects import (
    changed_since,
    number_changes,
    patients_with,
)
from trially.recruiting.matching.vocabulary import NO_WORDS, Vocabulary, known_words
from trially.recruiting.patients.choices import RecordStatus

FEW_PATIENTS = 2_000
"""So many changed patients are evaluated one by one. More are read again as a whole."""

FEW_PARTS = 20
"""Of so many patients, one may have changed for that."""

MOST_STORED_BYTES = 16 * 2**20
"""A larger frame is not stored."""


class SetWise:
    """Evaluates leaves for all patients at one moment. It serves one transaction."""

    def __init__(
        self,
        moment: Moment,
        terminology: Terminology,
        study: StudyContext = StudyContext(),  # noqa: B008  it is immutable
    ) -> None:
        self.moment = moment.without_outlook()
        self.terminology = terminology
        self.study = study
        self.today = dt.date.fromordinal(moment.today)
        self.change_number = number_changes()
        self._last_frame: tuple[bytes, Frame] | None = None
        """The frame that was read last. Several would take as much memory as their patients."""
        self._brief: set[Leaf] = set()
        """Leaves whose results may change later on the day. They are not stored."""
        self._coverage_lasts = True

    def evaluate(self, leaves: Sequence[Leaf]) -> list[Bits]:
        """Return the results of leaves, in their order. Raises `UnknownCodesError`."""
        engine = Engine(leaves, self.terminology)
        names = {
            leaf: name_leaf(leaf, selector, self.moment, self.study)
            for leaf, selector in zip(engine.leaves, engine.selectors, strict=True)
        }
        found = stored.read_leaves([*names.values(), self._living_name], self.today)
        results = self._patch(engine, names, found)
        by_frame = engine.by_selector(then_by=self._look_back)
        missing = [leaf for leaf in by_frame if names[leaf] not in results]
        new = {names[leaf]: self._judge(leaf, engine) for leaf in missing}
        if self._living_name in found and self._living_name in results:
            self.__dict__["universe"] = results[self._living_name].met
        kept = {names[leaf]: new[names[leaf]] for leaf in missing if leaf not in self._brief}
        stored.write_leaves(kept, self.change_number, self.today)
        return [(results | new)[names[leaf]] for leaf in leaves]

    def _look_back(self, leaf: Leaf) -> str:
        """Return what distinguishes the frames of a selector."""
        return str(narrowing_of(leaf, self.moment).look_back)

    @cached_property
    def universe(self) -> int:
        """The patients who are alive and whose records are current, as a set."""
        living = self.people.living(self.moment.today)
        stored.write_leaves({self._living_name: Bits(living, 0)}, self.change_number, self.today)
        return living

    @cached_property
    def people(self) -> People:
        """All patients whose records are current."""
        return stored.kept_or_read(
            *(name_people(self.moment), self.change_number, self.today),
            read=lambda: read_people(self.moment),
            dump=People.dump,
            load=People.load,
        )

    @cached_property
    def panel(self) -> Panel:
        """All patients on the day."""
        return Panel(
            *(self.moment, self.people, self._coverage()),
            lambda: kept_homes(self.change_number, self.today),
        )

    @cached_property
    def _living_name(self) -> bytes:
        return name_living(self.moment)

    def _coverage(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        name = name_coverage(self.moment)
        kept = stored.read_leaves([name], self.today).get(name)
        if kept is not None and kept.change_number == self.change_number:
            return unpack(kept.bits.met, self.people.size)
        newest, size = self._newest_records(), self.people.size
        covered = newest.covered(size, self.moment)
        in_the_end = newest.covered(size, end_of_day(self.moment))
        # Of a day to come, it is not known at what time the first record begins.
        self._coverage_lasts = self._is_past and bool(np.array_equal(covered, in_the_end))
        if self._coverage_lasts:
            stored.write_leaves({name: Bits(pack(covered), 0)}, self.change_number, self.today)
        return covered

    def _newest_records(self) -> NewestRecords:
        """Return when the newest records began: as stored, patched, or read from the records."""
        name = name_newest(self.moment)
        kept = stored.read_frame(name, self.today)
        newest = None if kept is None else NewestRecords.load(kept.content)
        if kept is None or newest is None or not newest.serve(self.moment):
            newest = read_newest(self.moment)
        elif kept.change_number == self.change_number:
            return newest
        else:
            changed = self._few_changed(kept.change_number)
            patients = [each for each in (changed or {}).values() if each is not None]
            read = read_newest(self.moment, None if changed is None else patients)
            newest = read if changed is None else newest.patched(list(changed), read)
        if not is_of_former_day(self.moment) and self._is_past:
            stored.write_frame(name, self.change_number, newest.dump(), self.today)
        return newest

    def _judge(self, leaf: Leaf, engine: Engine) -> Bits:
        """Judge a leaf for all patients."""
        selector = engine.selectors[engine.index_of[leaf]]
        frame = None if selector.type is None else self._frame(leaf, selector)
        bits = judge_leaf(leaf, selector, frame, self.panel, self.terminology, self.study)
        lasts = frame is None or lasts_all_day(frame, self.moment)
        if not lasts or not self._coverage_lasts:
            self._brief.add(leaf)
        return bits

    def _frame(self, leaf: Leaf, selector: Selector) -> Frame:
        """Return the frame of a selector: as stored, patched, or read from the records."""
        narrowing = narrowing_of(leaf, self.moment)
        is_whole = isinstance(leaf, Observation) and not is_packed(leaf)
        if is_whole or (isinstance(leaf, Encounter) and leaf.in_ == NO_CODES):
            return self._read(selector, narrowing, is_whole=is_whole)
        name = name_frame(selector, self.moment, narrowing.look_back)
        if self._last_frame is None or self._last_frame[0] != name:
            self._last_frame = None
            self._last_frame = name, self._stored_or_read(name, selector, narrowing)
        return self._last_frame[1]

    def _stored_or_read(self, name: bytes, selector: Selector, narrowing: Narrowing) -> Frame:
        kept = stored.read_frame(name, self.today)
        frame = None if kept is None else Frame.load(kept.content)
        if kept is None or frame is None or frame.since > self.moment.today:
            frame = self._read(selector, narrowing, known_words(selector))
        elif kept.change_number == self.change_number:
            return frame
        else:
            frame = self._brought_up_to_date(frame, kept.change_number, selector, narrowing)
        content = frame.dump()
        is_stored = not is_of_former_day(self.moment) and (
            self._is_past or lasts_all_day(frame, self.moment)
        )
        if len(content) <= MOST_STORED_BYTES and is_stored:
            stored.write_frame(name, self.change_number, content, self.today)
        return frame

    @cached_property
    def _is_past(self) -> bool:
        """Whether the moment is not to come. Later on that day, a frame is still right."""
        return self.moment.at <= lasting.now()

    def _brought_up_to_date(
        self, frame: Frame, number: int, selector: Selector, narrowing: Narrowing
    ) -> Frame:
        """Return a frame with the records of changed patients as they are now."""
        changed = self._few_changed(number)
        if changed is None:
            return self._read(selector, narrowing, frame.vocabulary)
        kept = frame.without(np.array(list(changed), np.int32))
        patients = [each for each in changed.values() if each is not None]
        if not patients:
            return kept
        return kept.with_(self._read(selector, narrowing, frame.vocabulary, patients))

    def _read(
        self,
        selector: Selector,
        narrowing: Narrowing,
        vocabulary: Vocabulary = NO_WORDS,
        patients: Sequence[UUID] | None = None,
        *,
        is_whole: bool = False,
    ) -> Frame:
        """Read the records of all patients, or of some."""
        return read_frame(
            *(selector, self.moment, patients_with, vocabulary, patients),
            narrowing=narrowing,
            whole=is_whole,
        )

    def _few_changed(self, number: int) -> Mapping[int, UUID | None] | None:
        """Return the patients who changed since a number, by ordinal; None if they are many."""
        most = min(FEW_PATIENTS, max(1, self.people.size // FEW_PARTS))
        changed = changed_since(number, most + 1)
        return None if len(changed) > most else changed

    def _patch(
        self,
        engine: Engine,
        names: Mapping[Leaf, bytes],
        found: Mapping[bytes, stored.KeptLeaf],
    ) -> dict[bytes, Bits]:
        """Return the stored results that are right, and those that few patients change."""
        results = {
            name: kept.bits
            for name, kept in found.items()
            if kept.change_number == self.change_number
        }
        stale = {
            leaf: found[name]
            for leaf, name in names.items()
            if name in found and name not in results
        }
        if not stale:
            return results
        changed = self._few_changed(min(kept.change_number for kept in stale.values()))
        if changed is None:
            return results
        patched = self._judge_changed(engine, {leaf: k.bits for leaf, k in stale.items()}, changed)
        by_name = {names[leaf]: bits for leaf, bits in patched.items()}
        if not self._brief & patched.keys():
            stored.write_leaves(by_name, self.change_number, self.today)
        return results | by_name

    def _judge_changed(
        self,
        engine: Engine,
        stale: Mapping[Leaf, Bits],
        changed: Mapping[int, UUID | None],
    ) -> dict[Leaf, Bits]:
        """Return results in which changed patients are judged again, one by one."""
        gone = sum(1 << ordinal for ordinal in changed)
        sets = {leaf: [each & ~gone for each in bits] for leaf, bits in stale.items()}
        ordinal_of = {each: ordinal for ordinal, each in changed.items() if each is not None}
        wanted = wanted_by(engine.selectors)
        for portion in in_portions(ordinal_of):
            for chart in read_charts(portion, self.moment, wanted):
                if chart.person.record_status != RecordStatus.CURRENT:
                    continue
                if begins_later((row.fact for row in chart.rows), self.moment):
                    self._brief |= stale.keys()
                bit = 1 << ordinal_of[chart.person.id]
                subject = engine.subject(chart, self.moment, self.study)
                judgements = engine.judge_all(chart, subject)
                for leaf, members in sets.items():
                    outcome = judgements[engine.index_of[leaf]].outcome
                    for number, is_member in enumerate(BITS_OF[outcome]):
                        if is_member:
                            members[number] |= bit
        return {leaf: Bits(*members) for leaf, members in sets.items()}
