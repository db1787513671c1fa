"""Where the criteria are in a whole protocol, which has a hundred pages about other things."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.splitting.headings import is_topic
from trially.recruiting.drafting.splitting.lines import read_lines

_NUMBERED = re.compile(r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})[.)]? +(?P<title>[A-Z][^.;]{2,100})")
_LONGEST_TITLE = 120

Number = tuple[int, ...]


def find_criteria(text: str) -> Place | None:
    """Return the longest part of a text below headings such as `5.1 Inclusion Criteria`.

    It ends where the next chapter begins. Returns None if the text has no such heading. Lines of a
    table of contents are no headings, because they end with a page's number.
    """
    finder = _Finder(text)
    places = list(finder.places())
    return max(places, key=lambda place: place.end - place.start, default=None)


@dataclass
class _Finder:
    text: str

    def places(self) -> Iterator[Place]:
        """Yield each part of the text that begins with a heading of criteria."""
        lines = list(read_lines(self.text))
        starts = [(line.marker or line.content).start for line in lines]
        words = [
            self.text[start : line.content.end] for start, line in zip(starts, lines, strict=True)
        ]
        occurrences = Counter(words)
        chapter, items, begin = _NO_CHAPTER, _Items(), -1
        for index, line in enumerate(lines):
            title = words[index]
            if is_topic(self.text, line.content, has_marker=line.marker is not None):
                chapter, items = _chapter_of(title) or chapter, _Items()
                begin = begin if begin >= 0 else starts[index]
            elif begin >= 0 and occurrences[title] == 1 and _ends(title, chapter, items):
                yield Place(begin, lines[index - 1].content.end)
                chapter, begin = _NO_CHAPTER, -1
            items.note(title)
        if begin >= 0:
            yield Place(begin, lines[-1].content.end)


_NO_CHAPTER: Number = ()


@dataclass
class _Items:
    """The numbered items of a list, so that item 6 is not taken for chapter 6."""

    last: int = 0

    def note(self, line: str) -> None:
        """Note the number of an item, if a line begins with one."""
        found = re.match(r"\(?(\d{1,2})[.)]\s", line)
        if found is not None:
            self.last = int(found[1])

    def continues(self, number: Number) -> bool:
        """Return whether a number is the one of the next item."""
        return number == (self.last + 1,)


def _chapter_of(title: str) -> Number | None:
    found = re.match(r"\d{1,2}(?:\.\d{1,2}){0,3}", title)
    return _parts(found[0]) if found else None


def _parts(number: str) -> Number:
    return tuple(int(part) for part in number.split("."))


def _ends(line: str, chapter: Sequence[int], items: _Items) -> bool:
    """Return whether a line is the heading of the chapter that follows.

    `chapter` is the number of the present one, and empty if its heading has none.
    """
    if len(line) > _LONGEST_TITLE:
        return False
    found = _NUMBERED.fullmatch(line)
    if not chapter:
        is_title = line.startswith("#") or (line.isupper() and " " in line)
        return is_title or (found is not None and "." in found["number"])
    if found is None:
        return False
    number = _parts(found["number"])
    follows = any(number == (*chapter[:depth], chapter[depth] + 1) for depth in range(len(chapter)))
    is_item = items.continues(number) and not found["title"].isupper()
    return follows and not is_item
