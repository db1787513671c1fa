"""Leaves about records: conditions, medications, observations and the rest.

The docstring of each class is its description in docs/criteria.md and in the JSON Schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Self

from trially.recruiting.criteria.language.codes import (
    CODES,
    NO_CODES,
    Codes,
    Coding,
    CodingShape,
)
from trially.recruiting.criteria.language.durations import Duration, Span
from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.parts import Missing, Value, Window
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.shapes import Choice, Many, Whole

MONTHS_OF_PREGNANCY = 9


class Status(StrEnum):
    """Whether something is going on, on the day of `as_of`."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ANY = "any"


class Pick(StrEnum):
    """Which of several observations must have the value."""

    LATEST = "latest"
    EARLIEST = "earliest"
    MAX = "max"
    MIN = "min"
    ANY = "any"
    ALL = "all"


class EncounterClass(StrEnum):
    """How a patient was seen."""

    INPATIENT = "inpatient"
    EMERGENCY = "emergency"
    OUTPATIENT = "outpatient"
    HOME = "home"
    VIRTUAL = "virtual"


@dataclass(frozen=True, kw_only=True)
class RecordLeaf(Leaf):
    """What leaves about records have in common."""

    needs: ClassVar[tuple[str, ...]] = ("in", "code")

    in_: Codes = key(CODES, "The codes that a record must have one of.", NO_CODES)
    code: tuple[Coding, ...] = key(
        Many(CodingShape(), or_one=True), "Another spelling of `in` with `codes`.", ()
    )
    within: Window | None = key(Object(Window), "When it began. Left out: ever.", None)
    min_count: int = key(Whole(1, 100), "On how many different days, at least.", 1)
    missing: Missing = key(Choice(Missing), "What no record means.", Missing.COVERED)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse leaves without codes, and with both spellings of them."""
        if self.code and self.in_ != NO_CODES:
            yield "/code", "Give 'in' or 'code', not both."
        elif self.needs and not self.code and self.in_ == NO_CODES:
            yield "", "'in' is missing: the codes that a record must have one of."

    def canonical(self) -> Self:
        """Return the leaf with its codes in `in`."""
        return replace(self, in_=Codes(codes=self.code), code=()) if self.code else self


@dataclass(frozen=True, kw_only=True)
class Onset(Part):
    """When a condition began."""

    before: Duration = key(Span(), "At least so long ago: `P6M`.")


@dataclass(frozen=True, kw_only=True)
class Condition(RecordLeaf):
    """A diagnosis or problem. Refuted ones never count; provisional ones leave it unknown."""

    kind = "condition"

    status: Status = key(Choice(Status), "Whether it goes on at `as_of`.", Status.ANY)
    onset: Onset | None = key(
        Object(Onset), "Another spelling of `within` with `to`: when it began.", None
    )

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse both spellings of the time."""
        yield from super().check()
        if self.onset is not None and self.within is not None:
            yield "/onset", "Give 'within' or 'onset', not both."

    def canonical(self) -> Self:
        """Return the leaf with its codes in `in` and its time in `within`."""
        leaf = super().canonical()
        if leaf.onset is None:
            return leaf
        return replace(leaf, within=Window(to=leaf.onset.before), onset=None)


@dataclass(frozen=True, kw_only=True)
class Medication(RecordLeaf):
    """A prescription, administration or statement of a medication. Proposals never count."""

    kind = "medication"

    status: Status = key(Choice(Status), "Whether it is taken at `as_of`.", Status.ANY)
    min_days: int | None = key(
        Whole(1, 36_500), "Taken for at least so many days, until `as_of` or its end.", None
    )


@dataclass(frozen=True, kw_only=True)
class Procedure(RecordLeaf):
    """A procedure that was performed or has begun."""

    kind = "procedure"


@dataclass(frozen=True, kw_only=True)
class Allergy(RecordLeaf):
    """An allergy or intolerance."""

    kind = "allergy"

    status: Status = key(Choice(Status), "Whether it goes on at `as_of`.", Status.ANY)


@dataclass(frozen=True, kw_only=True)
class Immunization(RecordLeaf):
    """A vaccine that was given."""

    kind = "immunization"


@dataclass(frozen=True, kw_only=True)
class Encounter(RecordLeaf):
    """A visit or stay that took place. It is in a window if one of its days is."""

    kind = "encounter"
    needs = ()

    in_: Codes = key(CODES, "Codes of types of encounters. Left out: all types.", NO_CODES)
    class_: tuple[EncounterClass, ...] = key(
        Many(Choice(EncounterClass), most=5, or_one=True), "How the patient was seen.", ()
    )


@dataclass(frozen=True, kw_only=True)
class Observation(RecordLeaf):
    """A measurement or finding, and what its value must be. Without `value`, that there is one."""

    kind = "observation"

    pick: Pick = key(Choice(Pick), "Which observations must have the value.", Pick.LATEST)
    value: Value | None = key(Object(Value), "What the value must be.", None)
    missing: Missing = key(Choice(Missing), "What no observation means.", Missing.UNKNOWN)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse counts of anything but `any`, and picks without a range."""
        yield from super().check()
        if self.min_count > 1 and self.pick != Pick.ANY:
            yield "/min_count", '\'min_count\' needs "pick": "any".'
        is_range = self.value is not None and self.value.is_bounded
        if self.pick in (Pick.MAX, Pick.MIN) and not is_range:
            yield "/pick", f"'{self.pick}' needs a 'value' with bounds."


@dataclass(frozen=True, kw_only=True)
class Pregnancy(Leaf):
    """A pregnancy that goes on at `as_of`. Men are not pregnant."""

    kind = "pregnancy"

    in_: Codes = key(CODES, "The conditions that mean a pregnancy.", Codes(valueset=("pregnancy",)))
    within: Window = key(
        Object(Window),
        "When it was first recorded, because the ends of pregnancies often are not.",
        Window(from_=Duration(months=MONTHS_OF_PREGNANCY)),
    )
    missing: Missing = key(Choice(Missing), "What no record means.", Missing.COVERED)
