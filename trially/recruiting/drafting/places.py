"""Places in a text."""

from typing import NamedTuple


class Place(NamedTuple):
    """Characters of the original text, from `start` up to but without `end`."""

    start: int
    end: int

    def words(self, text: str) -> str:
        """Return the characters at this place."""
        return text[self.start : self.end]

    def within(self, other: "Place") -> bool:
        """Return whether this place is a part of another."""
        return other.start <= self.start and self.end <= other.end
