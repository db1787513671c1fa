"""The cells of one row, by the names of their fields, and what is wrong with them."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from trially.recruiting.column_mappings.table_fields import NAME_FIELDS
from trially.recruiting.imports.formats.tables.dates import read_date
from trially.recruiting.imports.formats.tables.plans import TablePlan
from trially.recruiting.imports.formats.tables.rows import RowError
from trially.recruiting.imports.formats.tables.values import (
    MISSING,
    MISSING_NAMES,
    CellError,
    Quantity,
    read_cell,
    read_quantity,
    read_record_number,
)

T = TypeVar("T")
_UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes that are not in the encoding of the file."""


class CellFault(NamedTuple):
    """What is wrong with a cell."""

    field: str
    sentence: str


class Cells:
    """The cells of a row. A cell that cannot be read is left out, and is added to `faults`."""

    def __init__(self, cells: Sequence[str], plan: TablePlan) -> None:
        """Check the cells. Raises `RowError` if their number is not the header's."""
        self.faults: list[CellFault] = []
        self._plan = plan
        self._positions = plan.positions
        self._cells = cells
        self._texts: dict[str, str | None] = {}
        width = len(plan.columns)
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            raise RowError(f"The row has {len(cells)} cells, and the header has {width}.")
        if any(not cell.isascii() and _UNDECODED.search(cell) for cell in cells):
            raise RowError("The row has bytes that are not in the file's encoding.")

    def text(self, field: str) -> str | None:
        """Return the text of a cell; None if it has no value."""
        if field not in self._texts:
            self._texts[field] = self._read(field)
        return self._texts[field]

    def _read(self, field: str) -> str | None:
        position = self._positions.get(field)
        if position is None:
            return None
        missing: Collection[str] | None = self._plan.options.mapping.missing
        if missing is None:
            missing = MISSING_NAMES if field in NAME_FIELDS else MISSING
        return self._reading(field, lambda: read_cell(self._cells[position], missing))

    def number(self, field: str) -> str | None:
        """Return a record number or code."""
        text = self.text(field)
        return text and self._reading(field, lambda: read_record_number(text))

    def date(self, field: str, *, day_only: bool = False) -> str | None:
        """Return a date in FHIR's notation."""
        text, rules = self.text(field), self._plan.options.mapping.dates
        return text and self._reading(field, lambda: read_date(text, rules, day_only=day_only))

    def version(self) -> str | None:
        """Return when the row was changed, with a UTC offset, so that versions are comparable."""
        text, options = self.text("updated"), self._plan.options
        rules = options.mapping.dates
        rules = replace(rules, zone=rules.zone or options.version_zone)
        return text and self._reading("updated", lambda: read_date(text, rules))

    def quantity(self, field: str) -> Quantity | None:
        """Return a number with comparator and unit; None if the cell holds another text."""
        text = self.text(field)
        if text is None:
            return None
        return self._reading(field, lambda: read_quantity(text, self._plan.decimal_mark))

    def plain_number(self, field: str) -> int | float | None:
        """Return a number without a unit; None, with a fault, if the cell holds another text."""
        quantity = self.quantity(field)
        if quantity is None or quantity.unit or quantity.comparator:
            self.add_fault(field, "is not a number")
            return None
        return quantity.number

    def said(self, field: str, text: str) -> str:
        """Return what the mapping says for a word, or else the word."""
        return self._plan.options.mapping.values.get(field, {}).get(text.casefold(), text)

    def word(self, field: str, words: dict[str, str]) -> str | None:
        """Return FHIR's code for a word. The mapping's words count first."""
        text = self.text(field)
        if text is None:
            return None
        declared = self._plan.options.mapping.values.get(field, {})
        code = declared.get(text.casefold()) or words.get(text.casefold())
        if code is None:
            self.add_fault(field, "is not a known word. Name it in the mapping's values")
        return code

    def add_fault(self, field: str, problem: str) -> None:
        """Add what is wrong with a cell. `problem` continues the sentence, and never quotes it."""
        sentence = f"Cell {self._positions[field] + 1} ({field}) {problem}."
        fault = CellFault(field, sentence)
        if fault not in self.faults:
            self.faults.append(fault)

    def _reading(self, field: str, read: Callable[[], T | None]) -> T | None:
        try:
            return read()
        except CellError as error:
            self.add_fault(field, str(error))
            return None
