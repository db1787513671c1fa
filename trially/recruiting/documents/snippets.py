"""The places of a text that a search found."""

from collections.abc import Iterator, Sequence

from trially.recruiting.documents.searches import Search
from trially.recruiting.documents.words import find_words

SNIPPET_CHARACTERS = 240
MOST_SNIPPETS = 3
MOST_MATCHES = 10_000

Part = dict[str, object]
"""A piece of text, `text`, and whether the search found it, `match`."""


def mark_matches(text: str, search: Search) -> list[Part]:
    """Return a text in parts, each either found by the search or not."""
    return _in_parts(text, 0, len(text), find_matches(text, search))


def make_snippets(text: str, search: Search, most: int = MOST_SNIPPETS) -> list[list[Part]]:
    """Return the first places that the search found, with the text around them, in parts."""
    matches = find_matches(text, search)
    snippets: list[list[Part]] = []
    end = -1
    for first, _ in matches:
        if len(snippets) == most:
            break
        if first < end:
            continue
        start, end = _around(text, first, max(end, 0))
        snippets.append(_in_parts(text, start, end, matches))
    return snippets


def find_matches(text: str, search: Search) -> Sequence[tuple[int, int]]:
    """Return the first and the last position of each place that the search found, in order."""
    words = list(find_words(text))
    found: list[tuple[int, int]] = []
    for at, word in enumerate(words):
        ends = [
            words[at + len(term.words) - 1].end for term in search.terms if term.find(words, at)
        ]
        if not ends:
            continue
        if found and word.start < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], *ends)
        else:
            found.append((word.start, max(ends)))
        if len(found) == MOST_MATCHES:
            break
    return found


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
