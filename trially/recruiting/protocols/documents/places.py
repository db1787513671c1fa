"""Places in the text of a document: characters of all pages, counted from 0.

The text of a document is its pages, with a line feed between two pages.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

PAGE_BREAK = "\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement is in the text of a document."""

    start: int
    """Characters before the statement."""

    end: int
    """Characters before what follows the statement."""


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The text of a document, and where its pages begin."""

    text: str
    starts: Sequence[int]
    """Characters before each page."""

    @classmethod
    def of_pages(cls, pages: Sequence[str]) -> Self:
        """Return the text of pages."""
        lengths = [len(page) + len(PAGE_BREAK) for page in pages]
        return cls(PAGE_BREAK.join(pages), list(accumulate(lengths, initial=0))[: len(pages)])

    def at(self, place: Place) -> str | None:
        """Return the text at a place, or None if the document has no such place."""
        if not 0 <= place.start < place.end <= len(self.text):
            return None
        return self.text[place.start : place.end]

    def page_at(self, position: int) -> int:
        """Return the number of the page with a character, from 1."""
        return page_at(self.starts, position)

    def says(self, statement: str, place: Place) -> bool:
        """Return whether a place says a statement. White space may differ, as at lines' ends."""
        found = self.at(place)
        return found is not None and found.split() == statement.split()


def page_at(starts: Sequence[int], position: int) -> int:
    """Return the number of the page with a character, from 1. `starts` are those of the pages."""
    return max(1, bisect_right(starts, position))
