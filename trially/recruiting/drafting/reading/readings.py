"""Readings: what a reader proposes for one statement, and what it left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.elements import Assumption, Json
from trially.recruiting.drafting.splitting.statements import SplitText


class Extent(StrEnum):
    """How much of a statement a proposal says."""

    WHOLE = "whole"
    """All of it. Only such proposals can become criteria as they are."""
    PARTLY = "partly"
    """A part. The rest changes the meaning, and a person must add it."""
    UNREAD = "unread"
    NOTHING = "nothing"
    """The statement asks nothing: `None`, `All of the following must be met:`."""


class Confidence(StrEnum):
    """How sure a reader is of a proposal."""

    HIGH = "high"
    """The whole statement is read, and nothing was assumed."""
    MEDIUM = "medium"
    """The whole statement is read, with assumptions."""
    LOW = "low"
    """The statement is read partly or not."""


@dataclass(frozen=True, slots=True)
class Part:
    """A criterion that some words of a statement propose."""

    kind: Kind
    key: str
    """What it is about, such as `hba1c` or `type_2_diabetes`."""
    criterion: Json
    """In the criteria language. A negation of the statement is not in it."""
    is_negated: bool
    """Whether the statement negates it: `no history of`."""
    has_window: bool
    place: Place
    words: str
    """The characters at the place, as they are in the text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader proposes for one statement."""

    statement: int
    """Its number."""
    extent: Extent
    criterion: Json | None
    """In the criteria language, with all negations. None if the statement is not read as a whole,
    or if the criterion is part of the one of the statement above."""
    parts: tuple[Part, ...]
    left_out: tuple[Place, ...]
    """Words that were not read."""
    reason: str | None
    """Why the statement is not read as a whole, although all words may be."""
    assumptions: tuple[Assumption, ...]
    reader: str
    version: str

    @property
    def confidence(self) -> Confidence:
        """How sure the reader is."""
        if self.extent is not Extent.WHOLE:
            return Confidence.LOW
        return Confidence.MEDIUM if self.assumptions else Confidence.HIGH


class Reader(Protocol):
    """Something that reads statements, such as rules or a language model.

    No reader is called but the rules, unless the caller passes one. A reader must return a reading
    for each statement, in their order, and places within the statement that it read.
    """

    @property
    def name(self) -> str:
        """The name that its proposals carry."""

    @property
    def version(self) -> str:
        """The version that its proposals carry."""

    def read(self, split: SplitText) -> Sequence[Reading]:
        """Return the readings of all statements of a text."""
