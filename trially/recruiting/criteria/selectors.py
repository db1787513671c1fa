"""What a leaf reads: independent of its bounds and windows, so that leaves share what is read."""

from dataclasses import dataclass
from enum import StrEnum

from trially.recruiting.criteria.code_sets import CodeSet, Terminology, look_up
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.parts import Missing
from trially.recruiting.criteria.language.person_leaves import (
    Age,
    Deceased,
    Distance,
    Enrollment,
    Leaf,
    Sex,
)
from trially.recruiting.criteria.language.record_leaves import (
    Observation,
    Pick,
    Pregnancy,
    RecordLeaf,
)


class Keeps(StrEnum):
    """Which rows of a patient can decide a leaf. A frame may leave out all others."""

    ALL = "all"
    LATEST = "latest"
    """Rows that may be the latest that has begun by `as_of`: `latest_rows`. Of later ones, only
    the first is needed, for `valid_until`."""
    EARLIEST = "earliest"
    """Rows that may be the earliest: `earliest_rows`."""


class Attribute(StrEnum):
    """What a leaf reads of a person and of the study."""

    BIRTH_DATE = "birth_date"
    SEX = "sex"
    DEATH = "death"
    ENROLLMENTS = "enrollments"
    PLACE = "place"
    COVERAGE = "coverage"
    STUDY = "study"
    """The study and its sites: the result is not the same for another study."""


@dataclass(frozen=True, slots=True)
class Selector:
    """What a leaf reads. Leaves with equal selectors read the same."""

    type: str | None = None
    """`clinical_fact.type`, or None for leaves that read no records."""
    codes: CodeSet | None = None
    """None for encounters of all codes."""
    keeps: Keeps = Keeps.ALL
    attributes: frozenset[Attribute] = frozenset()


_OF_PERSONS: dict[type[Leaf], frozenset[Attribute]] = {
    Age: frozenset({Attribute.BIRTH_DATE}),
    Sex: frozenset({Attribute.SEX}),
    Deceased: frozenset({Attribute.DEATH}),
    Distance: frozenset({Attribute.PLACE, Attribute.STUDY}),
    Enrollment: frozenset({Attribute.ENROLLMENTS, Attribute.STUDY}),
}
_KEPT = {Pick.LATEST: Keeps.LATEST, Pick.EARLIEST: Keeps.EARLIEST}


def select(leaf: Leaf, terminology: Terminology) -> Selector:
    """Return what a leaf reads. Raises `UnknownCodesError`."""
    attributes = _OF_PERSONS.get(type(leaf), frozenset())
    if getattr(leaf, "missing", None) == Missing.COVERED:
        attributes |= {Attribute.COVERAGE}
    if isinstance(leaf, Pregnancy):
        attributes |= {Attribute.SEX}
        return Selector("condition", look_up(leaf.in_, terminology), attributes=attributes)
    if not isinstance(leaf, RecordLeaf):
        return Selector(attributes=attributes)
    codes = None if leaf.in_ == NO_CODES else look_up(leaf.in_, terminology)
    keeps = _KEPT.get(leaf.pick, Keeps.ALL) if isinstance(leaf, Observation) else Keeps.ALL
    if isinstance(leaf, Observation) and _needs_range_of_patient(leaf):
        attributes |= {Attribute.SEX, Attribute.BIRTH_DATE}
    return Selector(leaf.kind, codes, keeps, attributes)


def _needs_range_of_patient(leaf: Observation) -> bool:
    """Return whether the tenant's own reference ranges may be used, which depend on the patient."""
    return leaf.value is not None and leaf.value.times is not None
