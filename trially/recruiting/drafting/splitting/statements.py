"""Statements of an eligibility text: what they are, and under which headings they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from trially.recruiting.drafting.places import Place


class Section(StrEnum):
    """What the heading above says."""

    INCLUSION = "inclusion"
    EXCLUSION = "exclusion"
    UNSTATED = "unstated"
    """No heading says which. Such statements are read as inclusions."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A line or phrase that says what the statements below it are."""

    place: Place
    section: Section
    group: str | None
    """To whom the statements below apply, if not to all patients: `(Controls)`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a text, word for word."""

    number: int
    """From 1, in the order of the text."""
    section: Section
    place: Place
    marker: Place | None
    """The bullet or number before it."""
    parent: int | None
    """Number of the statement that this one details."""
    group: str | None
    """To whom it applies, if not to all patients."""
    is_alternative: bool = False
    """Whether its section consists of alternatives, which a line "OR" separates."""


@dataclass(frozen=True)
class SplitText:
    """A text, its headings and its statements."""

    text: str
    headings: tuple[Heading, ...]
    statements: tuple[Statement, ...]
    markers: tuple[Place, ...]
    """All bullets and numbers, also those without a statement."""

    def words(self, statement: Statement) -> str:
        """Return a statement, word for word."""
        return statement.place.words(self.text)

    def children(self, parent: Statement) -> list[Statement]:
        """Return the statements that directly detail another."""
        return self._below.get(parent.number, [])

    @cached_property
    def _below(self) -> dict[int, list[Statement]]:
        below: dict[int, list[Statement]] = {}
        for each in self.statements:
            if each.parent is not None:
                below.setdefault(each.parent, []).append(each)
        return below

    def ancestors(self, statement: Statement) -> Iterator[Statement]:
        """Yield the statements above one, the nearest first."""
        while statement.parent is not None:
            statement = self.statements[statement.parent - 1]
            yield statement
