"""Leaves about a person, and leaves that people answer.

The docstring of each class is its description in docs/criteria.md and in the JSON Schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.parts import Bounds, Missing, Window
from trially.recruiting.criteria.language.shapes import Choice, Flag, Many, Number, Text, Whole


class Leaf(Part):
    """A question about one kind of data of a patient."""

    kind: ClassVar[str]


class AgeUnit(StrEnum):
    """Completed units of age."""

    YEARS = "a"
    MONTHS = "mo"
    WEEKS = "wk"
    DAYS = "d"


class AskedSex(StrEnum):
    """Administrative gender, except for `unknown`."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class DistanceUnit(StrEnum):
    """Units of distances."""

    KILOMETRES = "km"
    MILES = "mi"


@dataclass(frozen=True, kw_only=True)
class Age(Leaf):
    """Completed years, months, weeks or days since birth, on the day of `as_of`."""

    kind = "age"

    gte: int | None = key(Whole(0, 60_000), "At least.", None)
    gt: int | None = key(Whole(0, 60_000), "More than.", None)
    lte: int | None = key(Whole(0, 60_000), "At most.", None)
    lt: int | None = key(Whole(1, 60_000), "Less than.", None)
    unit: AgeUnit = key(Choice(AgeUnit), "Unit of the bounds.", AgeUnit.YEARS)

    @property
    def bounds(self) -> Bounds:
        """The bounds as a range of decimals."""
        numbers = {name: getattr(self, name) for name in ("gte", "gt", "lte", "lt")}
        return Bounds(**{name: Decimal(n) for name, n in numbers.items() if n is not None})

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse ages without bounds, and contradictory bounds."""
        if not self.bounds.is_bounded:
            yield "", "Give 'gte', 'gt', 'lte' or 'lt'."
        yield from self.bounds.check()


@dataclass(frozen=True, kw_only=True)
class Sex(Leaf):
    """Administrative gender. A patient without one, or with `unknown`, is unknown."""

    kind = "sex"
    single = "in"

    in_: tuple[AskedSex, ...] = key(
        Many(Choice(AskedSex), most=3, or_one=True), "The sexes that meet the criterion."
    )


@dataclass(frozen=True, kw_only=True)
class Deceased(Leaf):
    """Whether the patient has died. Without this leaf, only living patients are matched."""

    kind = "deceased"
    direct = "is"

    is_: bool = key(Flag(), "`true` for patients who have died.")


@dataclass(frozen=True, kw_only=True)
class Enrollment(Leaf):
    """Participation in another study, on a day of the window, or else on the day of `as_of`."""

    kind = "enrollment"

    in_other_study: bool = key(Flag(), "`true` for participation, `false` for none.")
    within: Window | None = key(Object(Window), "A day of participation is in it.", None)
    missing: Missing = key(Choice(Missing), "What no known participation means.", Missing.NOT_MET)


@dataclass(frozen=True, kw_only=True)
class Distance(Leaf):
    """Distance from the patient's home to the nearest site of the study, as the crow flies."""

    kind = "distance"

    lte: Decimal = key(Number(20_100), "At most.")
    unit: DistanceUnit = key(Choice(DistanceUnit), "Unit of the distance.", DistanceUnit.KILOMETRES)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse distances that no patient can have."""
        if self.lte <= 0:
            yield "/lte", "The distance must be more than 0."


@dataclass(frozen=True, kw_only=True)
class Manual(Leaf):
    """A question that a person answers. Until then it is unknown."""

    kind = "manual"
    single = "question"

    question: str = key(Text(1000), "The question, to be answered with yes or no.")


@dataclass(frozen=True, kw_only=True)
class Unsupported(Leaf):
    """A statement that the language cannot say. It is kept, counted, and shown to a person."""

    kind = "unsupported"
    single = "text"

    text: str = key(Text(10_000), "The statement, word for word.")
    reason: str | None = key(Text(500), "Why it cannot be said.", None)
