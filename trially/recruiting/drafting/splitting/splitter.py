"""Splitting of an eligibility text into statements."""

from dataclasses import dataclass, field

from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.splitting.enumerations import split_enumeration
from trially.recruiting.drafting.splitting.headings import (
    find_inline,
    inline_heading,
    is_topic,
    read_heading,
)
from trially.recruiting.drafting.splitting.lines import Line, read_lines
from trially.recruiting.drafting.splitting.statements import (
    Heading,
    Section,
    SplitText,
    Statement,
)

DEEPEST = 5
"""Statements are nested so deep at most. Deeper ones stand beside their parents."""


def split(text: str) -> SplitText:
    """Return the headings and statements of a text, with their places.

    Each character that is not blank belongs to exactly one heading, marker or statement.
    """
    splitter = _Splitter(text)
    for line in read_lines(text):
        splitter.add(line)
    return splitter.finish()


@dataclass
class _Item:
    """A statement while its lines are read."""

    place: Place
    marker: Place | None
    column: int
    section: Section
    group: str | None
    has_dashes: bool = False
    above: "_Item | None" = None
    depth: int = 0


@dataclass
class _Splitter:
    text: str
    headings: list[Heading] = field(default_factory=list)
    items: list[_Item] = field(default_factory=list)
    markers: list[Place] = field(default_factory=list)
    section: Section = Section.UNSTATED
    group: str | None = None
    is_new: bool = True
    """Whether a heading or nothing precedes, so that a line cannot continue an item."""
    alternatives: set[Section] = field(default_factory=set)

    def add(self, line: Line) -> None:
        """Read a line that is not blank."""
        if line.marker is not None:
            self.markers.append(line.marker)
        if not line.content.words(self.text):
            self.is_new = True
            return
        has_marker = line.marker is not None
        heading = read_heading(self.text, line.content, has_marker=has_marker, section=self.section)
        if heading is not None and not self._continues(line):
            self._enter(heading)
            return
        inner = find_inline(self.text, line.content)
        if not inner:
            self._add_words(line, line.content, has_dashes=False)
            return
        ends = [place.start for place in inner[1:]] + [line.content.end]
        self._add_words(line, Place(line.content.start, inner[0].start), has_dashes=False)
        for place, end in zip(inner, ends, strict=True):
            self._enter(inline_heading(self.text, place))
            self._add_words(line, Place(place.end, end), has_dashes=True)

    def _enter(self, heading: Heading) -> None:
        self.headings.append(heading)
        if heading.group == "or":
            self.alternatives.add(heading.section)
        else:
            self.section, self.group = heading.section, heading.group
        self.is_new = True

    def _continues(self, line: Line) -> bool:
        """Return whether a line goes on with the sentence of the line before.

        Texts of PDFs have no blank lines, so `5.2 Exclusion Criteria` begins a section there.
        """
        begins_section = not self.text[line.content.start].islower() and is_topic(
            self.text, line.content, has_marker=False
        )
        return (
            line.marker is None
            and not self.is_new
            and not line.is_after_blank
            and not begins_section
            and self.text[self.items[-1].place.end - 1] not in ".;:"
        )

    def _add_words(self, line: Line, place: Place, *, has_dashes: bool) -> None:
        place = _trim(self.text, place)
        if place.start == place.end:
            return
        if line.marker is None and not self.is_new:
            last = self.items[-1]
            if not line.is_after_blank or line.column > last.column:
                last.place = Place(last.place.start, place.end)
                return
        item = _Item(place, line.marker, line.column, self.section, self.group, has_dashes)
        item.above = self._parent(item)
        item.depth = item.above.depth + 1 if item.above is not None else 0
        self.items.append(item)
        self.is_new = False

    def _parent(self, item: _Item) -> _Item | None:
        """Return the nearest item before, under the same heading, that is indented less."""
        above = self.items[-1] if self.items and not self.is_new else None
        while above is not None and (above.column >= item.column or above.depth >= DEEPEST):
            above = above.above
        return above

    def finish(self) -> SplitText:
        """Return all statements, after enumerations inside of lines were split."""
        statements: list[Statement] = []
        numbers: dict[int, int] = {}
        for item in self.items:
            above = numbers.get(id(item.above)) if item.above is not None else None
            first = len(statements) + 1
            parts = split_enumeration(self.text, item.place, has_dashes=item.has_dashes)
            is_intro = len(parts) > 1 and self._is_intro(*parts[0])
            for marker, content in parts:
                number = len(statements) + 1
                is_inner = is_intro and number > first
                if marker.start < marker.end:
                    self.markers.append(marker)
                if content.start == content.end:
                    continue
                statements.append(
                    Statement(
                        number,
                        item.section,
                        content,
                        item.marker if number == first else marker,
                        first if is_inner else above,
                        item.group,
                        item.section in self.alternatives,
                    )
                )
            numbers[id(item)] = first
        return SplitText(
            self.text, tuple(self.headings), tuple(statements), tuple(sorted(self.markers))
        )

    def _is_intro(self, marker: Place, content: Place) -> bool:
        """Return whether the first part of an enumeration announces the others."""
        words = content.words(self.text).lower()
        return marker.start == marker.end and (words.endswith(":") or "following" in words)


def _trim(text: str, place: Place) -> Place:
    start, end = place
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Place(start, end)
