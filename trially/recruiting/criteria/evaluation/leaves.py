"""Each leaf as one function, made once: what it means for a person and the rows it selects."""

from collections.abc import Callable, Sequence
from typing import Any

from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import NEVER
from trially.recruiting.criteria.evaluation.observations import compile_observation
from trially.recruiting.criteria.evaluation.persons import (
    JudgePerson,
    compile_age,
    compile_deceased,
    compile_distance,
    compile_enrollment,
    compile_sex,
)
from trially.recruiting.criteria.evaluation.records import compile_pregnancy, compile_records
from trially.recruiting.criteria.evaluation.subjects import Subject
from trially.recruiting.criteria.judgements import Judgement, Outcome, Reason
from trially.recruiting.criteria.language.person_leaves import (
    Age,
    Deceased,
    Distance,
    Enrollment,
    Leaf,
    Manual,
    Sex,
    Unsupported,
)
from trially.recruiting.criteria.language.record_leaves import Observation, Pregnancy, RecordLeaf
from trially.recruiting.criteria.rows import Row
from trially.recruiting.criteria.selectors import select

Judge = Callable[[Sequence[Row], Subject], Judgement]

ENGINE_VERSION = 2
"""Grows with each change of what a leaf means: cached results depend on it."""

_OF_PERSONS: dict[type[Leaf], Callable[[Any], JudgePerson]] = {
    Age: compile_age,
    Sex: compile_sex,
    Deceased: compile_deceased,
    Distance: compile_distance,
    Enrollment: compile_enrollment,
}
_FOR_A_PERSON = Judgement(Outcome.UNKNOWN, Reason.FOR_A_PERSON, (), NEVER)
_NOT_IN_LANGUAGE = Judgement(Outcome.UNSUPPORTED, Reason.NOT_IN_LANGUAGE, (), NEVER)


def compile_leaf(leaf: Leaf, terminology: Terminology) -> Judge:
    """Return the function of a leaf. Raises `UnknownCodesError`."""
    compiler = _OF_PERSONS.get(type(leaf))
    if compiler is not None:
        judge_person = compiler(leaf)
        return lambda rows, subject: judge_person(subject)  # noqa: ARG005
    if isinstance(leaf, Manual):
        return lambda rows, subject: _FOR_A_PERSON  # noqa: ARG005
    if isinstance(leaf, Unsupported):
        return lambda rows, subject: _NOT_IN_LANGUAGE  # noqa: ARG005
    if isinstance(leaf, Pregnancy):
        return compile_pregnancy(leaf)
    if isinstance(leaf, Observation):
        return compile_observation(leaf, select(leaf, terminology).codes, terminology)
    if isinstance(leaf, RecordLeaf):
        return compile_records(leaf)
    raise TypeError(f"There is no function for {type(leaf).__name__}.")
