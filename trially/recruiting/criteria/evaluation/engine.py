"""Leaves of any number of studies, evaluated for one patient at a time.

Most leaves are about codes that a patient does not have. So the codes of the patient choose the
leaves that are called, and all others have the judgement of their policy.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from trially.recruiting.criteria.code_sets import CodeRange, CodeSet, Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.absence import judge_absence
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.evaluation.leaves import Judge, compile_leaf
from trially.recruiting.criteria.evaluation.subjects import (
    ReferenceRanges,
    StudyContext,
    Subject,
    cover,
)
from trially.recruiting.criteria.judgements import Judgement
from trially.recruiting.criteria.language.codes import ICD10, ICD10CM
from trially.recruiting.criteria.language.parts import Missing
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Pregnancy, RecordLeaf
from trially.recruiting.criteria.rows import Row
from trially.recruiting.criteria.selectors import Attribute, Selector, select

_NONE: tuple[Row, ...] = ()


class Engine:
    """Compiled leaves. It is made once and used for all patients, by any number of threads."""

    def __init__(self, leaves: Iterable[Leaf], terminology: Terminology) -> None:
        """Compile leaves. Raises `UnknownCodesError` if codes of one cannot be looked up."""
        self.leaves: list[Leaf] = list(dict.fromkeys(leaves))
        self.index_of = {leaf: index for index, leaf in enumerate(self.leaves)}
        self.selectors = [select(leaf, terminology) for leaf in self.leaves]
        self.judges: list[Judge] = [compile_leaf(leaf, terminology) for leaf in self.leaves]
        self._index = _Index()
        self._numbers: list[int] = []
        """By the index of a leaf: the number of its selector, or -1 if it reads no records."""
        self._always: list[int] = []
        """Indices of the leaves that are called for each patient."""
        self._by_selector: defaultdict[int, list[int]] = defaultdict(list)
        self._policies: list[Missing] = []
        self.of_study: list[int] = []
        """Indices of the leaves whose result is not the same for another study."""
        for index, (leaf, selector) in enumerate(zip(self.leaves, self.selectors, strict=True)):
            number = -1 if selector.type is None else self._index.add(selector)
            self._numbers.append(number)
            if isinstance(leaf, RecordLeaf):
                self._by_selector[number].append(index)
            else:
                self._always.append(index)
            if Attribute.STUDY in selector.attributes:
                self.of_study.append(index)
            self._policies.append(
                leaf.missing if isinstance(leaf, RecordLeaf | Pregnancy) else Missing.UNKNOWN
            )

    def by_selector(self, then_by: Callable[[Leaf], str]) -> list[Leaf]:
        """Return the leaves in an order in which those with the same selector follow each other.

        `then_by` orders the leaves of a selector.
        """
        return sorted(
            self.leaves, key=lambda leaf: (self._numbers[self.index_of[leaf]], then_by(leaf))
        )

    def subject(
        self,
        chart: Chart,
        moment: Moment,
        study: StudyContext = StudyContext(),  # noqa: B008  it is immutable
        ranges: ReferenceRanges | None = None,
    ) -> Subject:
        """Return a patient at a moment, with the coverage that the chart gives."""
        return Subject(chart.person, moment, cover(chart.rows, moment), study, ranges)

    def rows_of(self, chart: Chart, index: int) -> Sequence[Row]:
        """Return the rows of a patient that a leaf reads, by the index of the leaf."""
        return self._selected(chart).get(self._numbers[index], _NONE)

    def _selected(self, chart: Chart) -> dict[int, list[Row]]:
        """Return the rows of a patient that fit each selector, by its number."""
        if chart.selected is None or chart.selected[0] is not self:
            chart.selected = self, self._index.rows_by_selector(chart.rows)
        return chart.selected[1]

    def judge_all(self, chart: Chart, subject: Subject) -> list[Judgement]:
        """Return the judgements of all leaves, by their indices."""
        absent = {policy: judge_absence(policy, subject) for policy in Missing}
        judgements = [absent[policy] for policy in self._policies]
        rows = self._selected(chart)
        judges = self.judges
        for index in self._always:
            judgements[index] = judges[index](rows.get(self._numbers[index], _NONE), subject)
        for number, found in rows.items():
            for index in self._by_selector.get(number, ()):
                judgements[index] = judges[index](found, subject)
        return judgements

    def judge_for_study(
        self, judgements: Sequence[Judgement], chart: Chart, subject: Subject
    ) -> Sequence[Judgement]:
        """Return the judgements of all leaves for the subject's study.

        `judgements` are those of `judge_all` for any study: most leaves have the same for all.
        """
        if not self.of_study:
            return judgements
        found = list(judgements)
        for index in self.of_study:
            rows = self.rows_of(chart, index)
            found[index] = self.judges[index](rows, subject)
        return found


class _Index:
    """Finds the selectors that a row fits, by its codes."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, CodeSet | None], int] = {}
        self._by_code: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._by_prefix: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._of_type: defaultdict[str, list[int]] = defaultdict(list)
        self._longest_prefix = 0
        self._by_range: defaultdict[str, list[tuple[CodeRange, int]]] = defaultdict(list)

    def add(self, selector: Selector) -> int:
        """Return the number of what a selector selects: of its type and codes."""
        kind, codes = selector.type or "", selector.codes
        known = self._numbers.get((kind, codes))
        if known is None:
            known = self._numbers[kind, codes] = len(self._numbers)
            self._add_codes(kind, codes, known)
        return known

    def _add_codes(self, kind: str, codes: CodeSet | None, number: int) -> None:
        if codes is None:
            self._of_type[kind].append(number)
            return
        for coding in codes.codes:
            self._by_code[kind, coding.system, coding.code].append(number)
        for prefix in codes.written_prefixes:
            self._by_prefix[kind, prefix].append(number)
            self._longest_prefix = max(self._longest_prefix, len(prefix))
        self._by_range[kind] += [(each, number) for each in codes.ranges]

    def rows_by_selector(self, rows: Iterable[Row]) -> dict[int, list[Row]]:
        """Return the rows that fit each selector, by its number. A row fits by any of its codes."""
        found: dict[int, list[Row]] = {}
        for row in rows:
            fact = row.fact
            kind = fact.type
            numbers: Iterable[int]
            if fact.other_codings is None and kind not in self._of_type:
                code = fact.code
                if code is None:
                    continue
                numbers = self._fitting(kind, fact.code_system, code)
            else:
                numbers = set(self._of_type.get(kind, ()))
                for system, code in fact.codings():
                    numbers.update(self._fitting(kind, system, code))
            for number in numbers:
                if number in found:
                    found[number].append(row)
                else:
                    found[number] = [row]
        return found

    def _fitting(self, kind: str, system: str | None, code: str) -> Iterable[int]:
        if system is None:
            return ()
        exact = self._by_code.get((kind, system, code), ())
        ranges = self._by_range.get(kind, ())
        is_icd10 = system in (ICD10CM, ICD10) and self._longest_prefix
        if not (is_icd10 or ranges):
            return exact
        found = set(exact)
        found.update(number for each, number in ranges if each.has(system, code))
        if not is_icd10:
            return found
        for length in range(1, min(len(code), self._longest_prefix) + 1):
            found.update(self._by_prefix.get((kind, code[:length]), ()))
        return found
