"""Calendar durations in ISO 8601's notation, and how they move a day.

`P6M` before 31 August is the last day of February. `P1Y` before 29 February is 28 February.
"""

import datetime as dt
import re
from calendar import monthrange
from dataclasses import dataclass
from typing import Self

from trially.recruiting.criteria.language.problems import refuse
from trially.recruiting.criteria.language.shapes import Json, Shape, show

_FORM = re.compile(r"(-?)P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?", re.ASCII)
MOST_YEARS = 150


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of calendar time. It is never negative; its use says in which direction."""

    months: int = 0
    days: int = 0

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the duration that a text without a sign writes, or None."""
        match = _FORM.fullmatch(text)
        if match is None or text.endswith("P") or match[1]:
            return None
        years, months, weeks, days = (int(number or 0) for number in match.groups()[1:])
        return cls(years * 12 + months, weeks * 7 + days)

    def before(self, day: dt.date) -> dt.date:
        """Return the day that is this long before a day."""
        return _move(day, -self.months) - dt.timedelta(days=self.days)

    def after(self, day: dt.date) -> dt.date:
        """Return the first day from which this duration reaches back to a day, or to a later one.

        It is the inverse of `before`, which is not always the same day of a later month.
        """
        later = _move(day, self.months) + dt.timedelta(days=self.days)
        while self.before(later) < day:
            later += dt.timedelta(days=1)
        while self.before(later - dt.timedelta(days=1)) >= day:
            later -= dt.timedelta(days=1)
        return later

    @property
    def is_too_long(self) -> bool:
        """Whether no life is this long."""
        return self.months > 12 * MOST_YEARS or self.days > 366 * MOST_YEARS

    def __str__(self) -> str:
        """Return ISO 8601's notation, with as few numbers as possible."""
        years, months = divmod(self.months, 12)
        numbers = [(years, "Y"), (months, "M"), (self.days, "D")]
        return "P" + ("".join(f"{n}{unit}" for n, unit in numbers if n) or "0D")

    @property
    def approximate_days(self) -> float:
        """Days, with months of average length: to compare durations."""
        return self.months * 30.436875 + self.days


def _move(day: dt.date, months: int) -> dt.date:
    """Return the same day of another month, or the last one of that month if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year < dt.MINYEAR:
        return dt.date.min
    if year > dt.MAXYEAR:
        return dt.date.max
    return dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Span(Shape[Duration]):
    """A duration: `P90D`, `P6M`, `P1Y6M`."""

    is_past: bool = False
    """Whether it is a place in the past, with a sign: `-P90D`. `P0D` is now."""

    def parse(self, value: Json, pointer: str) -> Duration:
        """Return the duration."""
        text = value if isinstance(value, str) else ""
        if self.is_past and text not in ("P0D", "-P0D") and not text.startswith("-"):
            detail = "is not a duration before now, such as '-P90D', '-P6M' or 'P0D'."
            raise refuse(pointer, f"{show(value)} {detail}")
        duration = Duration.read(text.removeprefix("-") if self.is_past else text)
        if duration is None:
            raise refuse(pointer, f"{show(value)} is not a duration, such as 'P90D' or 'P1Y6M'.")
        if duration.is_too_long:
            raise refuse(pointer, f"{show(value)} is longer than {MOST_YEARS} years.")
        return duration

    def dump(self, value: Duration) -> Json:
        """Return ISO 8601's notation."""
        return f"-{value}" if self.is_past and value != Duration() else str(value)

    def schema(self) -> dict[str, Json]:
        """Describe the notation."""
        digits = r"P(?=[0-9])([0-9]{1,3}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,5}D)?"
        return {
            "type": "string",
            "pattern": f"^(-{digits}|P0D)$" if self.is_past else f"^{digits}$",
        }
