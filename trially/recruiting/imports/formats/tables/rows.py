"""Split the lines of a table into rows of cells."""

import csv
from collections import deque
from collections.abc import Iterator

MOST_LINES_OF_ROW = 500
MOST_CELLS = 10_000
_REASONS = {
    "unexpected end of data": "A quoted cell begins in this row and does not end.",
    "field larger than field limit": "A cell of the row is too long.",
}
_BAD_QUOTE = "A quotation mark is in a quoted cell. Two of them stand for one."


class RowError(Exception):
    """A row cannot be imported. The message is a sentence that never quotes the row."""


class _Lines:
    """The lines of a table, of which a bad row gives back all but its first one."""

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._lines = lines
        self._returned: deque[str | None] = deque()

    def next(self) -> str | None:
        return self._returned.popleft() if self._returned else next(self._lines)

    def give_back(self, lines: list[str | None]) -> None:
        self._returned.extendleft(reversed(lines))


def read_rows(
    lines: Iterator[str | None], delimiter: str, most_characters: int
) -> Iterator[tuple[int, list[str] | RowError]]:
    """Yield each row that is not blank, with the number of its first line from 1.

    If the quotation mark at the beginning of a cell has no counterpart, only this line is an error:
    reading continues with the next line.
    """
    rest = _Lines(lines)
    number = 0
    while True:
        try:
            line = rest.next()
        except StopIteration:
            return
        number += 1
        if line is None:
            yield number, RowError(f"The line is longer than {most_characters:,} characters.")
            continue
        if not line.strip():
            continue
        further: list[str | None] = []
        try:
            cells = _split(_lines_of_row(line, rest, further, most_characters), delimiter)
        except RowError as error:
            rest.give_back(further)
            yield number, error
        else:
            yield number, cells
            number += len(further)


def _lines_of_row(
    first: str, rest: _Lines, further: list[str | None], most_characters: int
) -> Iterator[str]:
    """Yield the lines of a row as far as its quotation marks ask for them."""
    yield first
    length = len(first)
    while len(further) < MOST_LINES_OF_ROW and length <= most_characters:
        try:
            line = rest.next()
        except StopIteration:
            return
        further.append(line)
        if line is None:
            return
        length += len(line)
        yield line


def _split(lines: Iterator[str], delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        message = next((text for key, text in _REASONS.items() if key in str(error)), _BAD_QUOTE)
        raise RowError(message) from None
    if len(cells) > MOST_CELLS:
        raise RowError(f"The row has more than {MOST_CELLS:,} cells.")
    return cells
