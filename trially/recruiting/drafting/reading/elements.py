"""Elements of a statement: criteria that its words propose, time windows, and single words."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trially.recruiting.drafting.knowledge.kinds import Kind

Json = dict[str, Any]


class Role(StrEnum):
    """What a word does in a statement."""

    FILLER = "filler"
    """It changes nothing: `patients`, `must`, `diagnosis of`."""
    AND = "and"
    OR = "or"
    COMMA = "comma"
    BREAK = "break"
    """A semicolon, or the end of a sentence."""
    BUT = "but"
    NEGATION = "negation"
    CURRENT = "current"
    PAST = "past"
    TAKING = "taking"
    """About medications and procedures: `taking`, `treatment with`."""
    TOOK = "took"
    DUTY = "duty"
    """`must`: after a condition, it says what those with the condition need."""
    MINOR = "minor"
    """`children`: read only beside an age."""
    BLOCK = "block"
    """What follows is not asked of the patient: `family history of`, `except`."""
    OPEN = "open"
    """An opening bracket: what follows may define what was said before."""
    OTHER = "other"
    """Unread."""


@dataclass(frozen=True, slots=True)
class Word:
    """Characters with a role."""

    start: int
    end: int
    role: Role


@dataclass(frozen=True, slots=True)
class Window:
    """A time before today: `within 3 months before screening`, `for at least 6 months`."""

    start: int
    end: int
    duration: str
    """In ISO 8601's notation."""
    is_least: bool = False
    """Whether it has lasted at least so long, instead of having been since then."""


class Assumption(StrEnum):
    """What a reading takes for granted, which a person should look at."""

    ADULT = "'Adult' is read as 18 years or older."
    UNIT = "The text gives no unit. The usual one is assumed."
    AND_IS_OR = "'And' between things that exclude is read as 'or'."
    COMMA_IS_AND = "Things without a word between them are read as all required."
    PREGNANCY_TEST = "A pregnancy test is read as the pregnancy that it shows or rules out."
    SECTION = "No heading says whether the text includes or excludes. It is read as an inclusion."


@dataclass(frozen=True, slots=True)
class Piece:
    """A criterion that some words propose."""

    start: int
    end: int
    kind: Kind
    key: str
    """What it is about: a measurement, a condition, a class of medications."""
    criterion: Json
    assumptions: frozenset[Assumption] = field(default=frozenset())
    has_window: bool = False
    is_negated: bool = False

    @property
    def is_record(self) -> bool:
        """Whether it asks for a record, so that a time window can apply."""
        return self.kind in RECORDS


RECORDS = frozenset(
    {Kind.CONDITION, Kind.MEDICATION, Kind.PROCEDURE, Kind.ALLERGY, Kind.ENCOUNTER, Kind.ENROLLMENT}
)
MEASURED = frozenset(
    {
        *(Kind.BMI, Kind.BLOOD_PRESSURE, Kind.HBA1C, Kind.EGFR),
        *(Kind.LABORATORY, Kind.VITAL_SIGN, Kind.SCORE),
    }
)

Element = Piece | Window | Word
