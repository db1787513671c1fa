"""The places of a text that a search found."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from trially.recruiting.documents.searches import Search
from trially.recruiting.documents.words import find_words

SNIPPET_CHARACTERS = 240
MOST_SNIPPETS = 3
MOST_MATCHES = 10_000

Part = dict[str, object]
"""A piece of text, `text`, and whether the search found it, `match`."""


def mark_matches(text: str, search: Search) -> list[Part]:
    """Return a text in parts, each either found by the search or not."""
    matches = list(islice(find_matches(text, search), MOST_MATCHES))
    return _in_parts(text, 0, len(text), matches)


def make_snippets(text: str, search: Search, most: int = MOST_SNIPPETS) -> list[list[Part]]:
    """Return the first places that the search found, with the text around them, in parts."""
    places: list[tuple[int, int]] = []
    matches: list[tuple[int, int]] = []
    end = 0
    for match in find_matches(text, search):
        if match[0] >= end:
            if len(places) == most:
                break
            start, end = _around(text, match[0], end)
            places.append((start, end))
        matches.append(match)
    return [_in_parts(text, start, end, matches) for start, end in places]


def find_matches(text: str, search: Search) -> Iterator[tuple[int, int]]:
    """Yield the first and the last position of each place that the search found, in order."""
    longest = max(len(term.words) for term in search.terms)
    words = find_words(text)
    window = deque(islice(words, longest))
    open_match: tuple[int, int] | None = None
    while window:
        ends = [window[len(term.words) - 1].end for term in search.terms if term.begins(window)]
        first = window[0].start
        if ends and open_match is not None and first < open_match[1]:
            open_match = open_match[0], max(open_match[1], *ends)
        elif ends:
            if open_match is not None:
                yield open_match
            open_match = first, max(ends)
        window.popleft()
        window.extend(islice(words, 1))
    if open_match is not None:
        yield open_match


def _around(text: str, first: int, earliest: int) -> tuple[int, int]:
    """Return the start and the end of the snippet around a match, both between words."""
    start = max(first - SNIPPET_CHARACTERS // 3, earliest)
    if start > earliest:
        space = max(text.rfind(" ", start, first), text.rfind("\n", start, first))
        start = text.find(" ", start, first) + 1 or (space + 1 if space >= 0 else start)
    end = min(start + SNIPPET_CHARACTERS, len(text))
    if end < len(text):
        space = text.rfind(" ", first + 1, end)
        end = space if space > first else end
    return start, end


def _in_parts(text: str, start: int, end: int, matches: Sequence[tuple[int, int]]) -> list[Part]:
    return [
        {"text": text[first:last], "match": is_match}
        for first, last, is_match in _cut(start, end, matches)
        if first < last
    ]


def _cut(
    start: int, end: int, matches: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, bool]]:
    position = start
    for first, last in matches:
        if last <= start or first >= end:
            continue
        yield position, max(first, start), False
        yield max(first, start), min(last, end), True
        position = min(last, end)
    yield position, end, False
