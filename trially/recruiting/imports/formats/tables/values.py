"""Read the cells of tables: texts, dates and numbers, without guessing."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

MISSING = frozenset(
    {"", "NULL", "null", "\\N", "n/a", "N/A", "#N/A", "NA", "nan", "NaN", "None", ".", "-", "--"}
)
"""Cells that hold no value, unless the mapping declares others."""

MISSING_NAMES = MISSING - {"NA", "None", "null", "nan", "NaN"}
"""The same for cells with names: people are called Na."""

_QUOTED_BY_EXCEL = re.compile(r'="((?:[^"]|"")*)"')
_EXCEL_ERROR = re.compile(r"#(?:REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|#+)")
_SHORTENED_BY_EXCEL = re.compile(r"\d[.,]\d+[eE]\+\d{1,2}")
_COMPARATORS = {"≤": "<=", "=<": "<=", "≥": ">=", "=>": ">="}
# One word, and no hexadecimal number: `4 to 5` and `0x10` are texts.
_UNIT = (
    r"(?:x ?)?10(?:[*^]\d{1,2}|[³⁶⁹])(?:/[^\s<>=≤≥:;,]+)?|mm ?Hg"
    r"|(?![xX]\d)[^\W\d_][^\s<>=≤≥:;,]*|[%‰°/\[][^\s<>=≤≥:;,]*"
)
_QUANTITY = re.compile(
    r"(?P<comparator><=|>=|=<|=>|<|>|≤|≥)?\s*"
    r"(?P<number>[+-]?(?:\d{1,3}(?:[ '\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d[\d.,]*)"
    r"(?:[eE][+-]?\d{1,3})?)"
    rf"(?:\s*(?P<unit>{_UNIT}))?",
)
_SPACES = re.compile(r"[ '\u2019\u00a0\u202f]")


class DecimalMark(StrEnum):
    """The decimal mark of a table's numbers."""

    COMMA = "comma"
    DOT = "dot"
    UNDECLARED_COMMA = "comma, undeclared"
    """Some numbers certainly have a decimal comma, and the mapping declares none."""

    UNDECLARED_DOT = "dot, undeclared"
    """No number certainly has a decimal comma, and the mapping declares none."""

    @property
    def is_declared(self) -> bool:
        """Whether the mapping declares it."""
        return self in (DecimalMark.COMMA, DecimalMark.DOT)


class CellError(Exception):
    """A cell cannot be read. The message continues a sentence, and never quotes the cell."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its comparator, and with its unit if the cell has one."""

    number: int | float
    comparator: str | None
    unit: str | None


def read_cell(text: str, missing: Collection[str]) -> str | None:
    """Return the text of a cell, or None if it holds no value.

    Excel's `="00123"` is the text 00123. Other formulas are text as they are.
    """
    cell = text.strip().strip("\ufeff\u00a0").strip()
    if quoted := _QUOTED_BY_EXCEL.fullmatch(cell):
        cell = quoted.group(1).replace('""', '"').strip()
    if cell in missing:
        return None
    if _EXCEL_ERROR.fullmatch(cell):
        raise CellError("is an error value of Excel")
    return cell


def read_record_number(text: str) -> str:
    """Return a number that identifies a person or record, which Excel may have destroyed."""
    if _SHORTENED_BY_EXCEL.fullmatch(text):
        raise CellError("is a number that Excel has shortened, so its last digits are lost")
    return text


def read_quantity(text: str, decimal_mark: DecimalMark) -> Quantity | None:
    """Return the number in a cell, or None if the cell holds text such as `positive`.

    Raises `CellError` if the number has another decimal mark, or if its mark may separate decimals
    or thousands.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    digits = _to_digits(_SPACES.sub("", match["number"]), decimal_mark)
    if digits is None:
        return None
    comparator = match["comparator"]
    unit = match["unit"]
    return Quantity(
        int(digits) if re.fullmatch(r"-?\d+", digits) else float(digits),
        _COMPARATORS.get(comparator, comparator),
        unit.strip() if unit else None,
    )


def decimal_mark_of(text: str) -> str | None:
    """Return the decimal mark that a number certainly has, or None."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number = _SPACES.sub("", match["number"]).lstrip("+-").partition("e")[0].partition("E")[0]
    comma, dot = number.rfind(","), number.rfind(".")
    if comma >= 0 and dot >= 0:
        return "," if comma > dot else "."
    mark = "," if comma >= 0 else "." if dot >= 0 else None
    if mark is None or number.count(mark) > 1:
        return None
    whole, _, fraction = number.partition(mark)
    is_certain = len(fraction) != 3 or len(whole) > 3 or whole == "0"
    return mark if is_certain and fraction else None


def _to_digits(number: str, mark: DecimalMark) -> str | None:
    """Return a number with a dot as its decimal mark; None if it is not a number."""
    certain = decimal_mark_of(number)
    _refuse_other(certain, number, mark)
    decimal = "," if mark is DecimalMark.COMMA else "."
    if not mark.is_declared and number.count(decimal) > 1:  # 1.234.567
        decimal = ","
    thousands = "," if decimal == "." else "."
    whole, _, rest = number.partition(decimal)
    if thousands in whole:
        first, *groups = whole.lstrip("+-").split(thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            return None
        whole = whole.replace(thousands, "")
    digits = f"{whole}.{rest}" if rest else whole
    return digits.lstrip("+") if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", digits) else None


def _refuse_other(certain: str | None, number: str, mark: DecimalMark) -> None:
    """Raise `CellError` if a number has, or may have, another decimal mark than its table.

    `certain` is the decimal mark that the number certainly has.
    """
    if certain == "," and mark is not DecimalMark.COMMA:
        raise CellError("has a decimal comma, which the mapping does not declare as its decimal")
    if certain == "." and mark is DecimalMark.COMMA:
        raise CellError("has a decimal point, but the mapping declares a decimal comma")
    has_one_mark = number.count(",") + number.count(".") == 1
    is_open = mark is DecimalMark.UNDECLARED_COMMA or (
        mark is DecimalMark.UNDECLARED_DOT and "," in number
    )
    if certain is None and has_one_mark and is_open:
        raise CellError(
            f"is a number whose {'comma' if ',' in number else 'dot'} may separate decimals or"
            " thousands. Declare the mapping's decimal"
        )
