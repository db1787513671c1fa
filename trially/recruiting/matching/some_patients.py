"""Evaluate leaves for some patients of the current tenant, all of these patients at once.

The frames of the leaves are read for these patients alone, and nothing is stored. Thousands of
leaves share some hundred frames, so a leaf costs numpy a fraction of a millisecond.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Observation
from trially.recruiting.criteria.selectors import Selector
from trially.recruiting.matching.coverage import read_newest
from trially.recruiting.matching.frames import Frame, read_frame
from trially.recruiting.matching.homes import read_homes
from trially.recruiting.matching.judging import judge_leaf
from trially.recruiting.matching.observed import is_packed
from trially.recruiting.matching.panel import Panel
from trially.recruiting.matching.people import People, read_people
from trially.recruiting.matching.vocabulary import known_words

ANY_STUDY = StudyContext()

_FrameKey = tuple[Any, ...]


class SomePatients:
    """Evaluates leaves for some patients at one moment. It serves one transaction.

    Each patient has a place: the patients are numbered from 0 in the order of their ordinals. Sets
    have the bits of places, so they are as short as the patients are few.
    """

    def __init__(
        self,
        patients: Mapping[int, UUID],
        moment: Moment,
        engine: Engine,
        terminology: Terminology,
    ) -> None:
        """`patients` are given by ordinal. `engine` has the leaves."""
        self.moment = moment.without_outlook()
        self.ordinals = sorted(patients)
        self._patients, self._engine, self._terminology = patients, engine, terminology
        self._frames: dict[_FrameKey, Frame] = {}

    def evaluate(self) -> list[Bits]:
        """Return the results of all leaves, those that read the study for no study."""
        return self._judge(range(len(self._engine.leaves)), ANY_STUDY)

    def evaluate_for_study(self, study: StudyContext) -> list[Bits]:
        """Return the results of the leaves that read the study: `Engine.of_study`."""
        return self._judge(self._engine.of_study, study)

    @cached_property
    def everyone(self) -> int:
        """The patients whose records are current, as a set."""
        return self.panel.people.everyone

    @cached_property
    def alive(self) -> int:
        """Those of them who have surely not died, as a set."""
        return self.panel.people.living(self.moment.today)

    @cached_property
    def panel(self) -> Panel:
        """The patients on the day, by place."""
        rows = read_people(self.moment, self.ordinals).rows
        people = People(self._placed(rows))
        covered = self._covered()[: people.size]
        return Panel(self.moment, people, covered, lambda: self._placed(read_homes(self.ordinals)))

    def _covered(self) -> NDArray[np.bool_]:
        """Return by place whether a patient is covered."""
        newest = read_newest(self.moment, list(self._patients.values()))
        size = self.ordinals[-1] + 1 if self.ordinals else 0
        covered: NDArray[np.bool_] = newest.covered(size, self.moment)[self.ordinals]
        return covered

    def _judge(self, indices: Iterable[int], study: StudyContext) -> list[Bits]:
        found = []
        for index in indices:
            leaf, selector = self._engine.leaves[index], self._engine.selectors[index]
            frame = None if selector.type is None else self._frame(leaf, selector)
            found.append(judge_leaf(leaf, selector, frame, self.panel, self._terminology, study))
        return found

    def _frame(self, leaf: Leaf, selector: Selector) -> Frame:
        """Return the frame of a selector. All leaves with the same selector share it."""
        is_whole = isinstance(leaf, Observation) and not is_packed(leaf)
        key = (selector.type, selector.codes, selector.keeps, is_whole)
        if key not in self._frames:
            self._frames[key] = self._read_frame(selector, is_whole=is_whole)
        return self._frames[key]

    def _read_frame(self, selector: Selector, *, is_whole: bool) -> Frame:
        frame = read_frame(
            *(selector, self.moment, self._with_ordinals, known_words(selector)),
            list(self._patients.values()),
            whole=is_whole,
        )
        places = self._places_of(np.fromiter(frame.hard, np.int32, len(frame.hard)))
        hard = dict(zip(places.tolist(), frame.hard.values(), strict=True))
        return replace(frame, rows=self._placed(frame.rows), hard=hard)

    def _with_ordinals(self, ordinals: Sequence[int]) -> Mapping[int, UUID]:
        return {ordinal: self._patients[ordinal] for ordinal in ordinals}

    def _placed(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows with places instead of ordinals."""
        placed = rows.copy()
        placed["ordinal"] = self._places_of(rows["ordinal"])
        return placed

    def _places_of(self, ordinals: NDArray[Any]) -> NDArray[np.intp]:
        return np.searchsorted(np.array(self.ordinals, np.int32), ordinals)
