"""Notations of dates, as column mappings declare them: `DD/MM/YYYY hh:mm`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

EXCEL = "excel"
"""A notation: the number of days since 1899-12-30, in which Excel stores dates."""

TOKENS = {
    "YYYY": r"(?P<year>\d{4})",
    "YY": r"(?P<short_year>\d\d)",
    "MMM": r"(?P<name>[^\W\d_]{3,9})\.?",
    "MM": r"(?P<month>\d\d?)",
    "DD": r"(?P<day>\d\d?)",
    "hh": r"(?P<hour>\d\d?)",
    "mm": r"(?P<minute>\d\d)",
    "a": r"(?P<half>[AaPp])\.?[Mm]\.?",
    "ss": r"(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?",
}
"""The parts of a notation, each with the pattern that it stands for."""

TOKEN = re.compile("|".join(TOKENS))


@dataclass(frozen=True)
class DateRules:
    """How the dates of a file are written."""

    notations: tuple[str, ...] = ()
    """Declared notations, such as `DD/MM/YYYY hh:mm`."""
    first_year: int | None = None
    """Years of two digits are in the hundred years from this one."""
    zone: ZoneInfo | None = None
    """Zone of times without a zone; None leaves it to the source's time zone."""


def check_notation(notation: str, first_year: int | None) -> str | None:
    """Return what is wrong with a declared notation, or None. It continues a sentence."""
    if notation == EXCEL:
        return None
    tokens = TOKEN.findall(notation)
    if len(set(tokens)) != len(tokens) or _count(tokens, "YYYY", "YY") != 1:
        return "needs one YYYY, or one YY, and no part twice"
    if "YY" in tokens and first_year is None:
        return "has a year of two digits: declare first_year, such as 1930"
    if "DD" in tokens and _count(tokens, "MM", "MMM") != 1:
        return "needs one MM or MMM"
    return None


def _count(tokens: Sequence[str], *names: str) -> int:
    return sum(tokens.count(name) for name in names)
