"""Windows of days: whether a row began in one, and when this changes."""

from enum import Enum

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.criteria.language.parts import Window
from trially.recruiting.criteria.rows import ALWAYS, UNDATED, Row

NO_CHANGE = ALWAYS
"""The day of a change that never comes."""


class Place(Enum):
    """Whether something is in a window."""

    IN = "in"
    OUT = "out"
    PARTLY = "partly"
    """It may be: its date is not known well enough."""


class WindowDays:
    """A window, and the days that it means at a moment. Both days belong to it."""

    __slots__ = ("_last", "from_", "to")

    def __init__(self, window: Window | None) -> None:
        self.from_: Duration | None = None if window is None else window.from_
        self.to: Duration = Duration() if window is None else window.to
        self._last: tuple[Moment, int, int] | None = None

    def at(self, moment: Moment) -> tuple[int, int]:
        """Return the first and the last day. The first day is 0 if the window has none."""
        last = self._last
        if last is not None and last[0] is moment:
            return last[1], last[2]
        first = UNDATED if self.from_ is None else moment.before(self.from_)
        end = moment.before(self.to)
        self._last = (moment, first, end)
        return first, end

    def place(self, row: Row, moment: Moment) -> Place:
        """Return whether a row began in the window."""
        return place_of_start(row, *self.at(moment))

    def place_between(self, first_day: int, last_day: int, moment: Moment) -> Place:
        """Return whether an interval of days is in the window."""
        first, last = self.at(moment)
        return place_of(first_day, last_day, first, last)

    def next_change(self, row: Row, moment: Moment) -> int:
        """Return the next day on which `place` may change."""
        day = min(self.enters(row.first_day, moment), self.leaves(row.first_day, moment))
        if row.first_day == row.last_day:
            return day
        last = row.last_day
        return min(day, self.enters(last, moment), self.leaves(last, moment))

    def next_change_of_stay(self, row: Row, moment: Moment) -> int:
        """Return the next day on which `place_of_stay` may change."""
        if row.end_first is None or row.end_last is None:
            return self.next_change(row, moment)
        return min(
            self.enters(row.first_day, moment),
            self.enters(row.last_day, moment),
            self.leaves(max(row.end_first, row.first_day), moment),
            self.leaves(max(row.end_last, row.first_day), moment),
        )

    def enters(self, day: int, moment: Moment) -> int:
        """Return the next day on which the window reaches a day, if this is to come."""
        if day == ALWAYS or self.at(moment)[1] >= day:
            return NO_CHANGE
        return moment.reaching(self.to, day)

    def leaves(self, day: int, moment: Moment) -> int:
        """Return the next day on which the window begins after a day."""
        if self.from_ is None or day in (UNDATED, ALWAYS) or self.at(moment)[0] > day:
            return NO_CHANGE
        return moment.reaching(self.from_, day + 1)


def place_of(first_day: int, last_day: int, first: int, last: int) -> Place:
    """Return whether an interval of days is in a window of days."""
    if first_day >= first and last_day <= last:
        return Place.IN
    is_outside = last_day < first or first_day > last or first > last
    return Place.OUT if is_outside else Place.PARTLY


def place_of_start(row: Row, first: int, last: int) -> Place:
    """Return whether a row began in a window of days."""
    return place_of(row.first_day, row.last_day, first, last)


def place_of_stay(row: Row, first: int, last: int) -> Place:
    """Return whether a day of a row is in a window of days: of an encounter, from start to end."""
    if row.end_first is None or row.end_last is None:
        return place_of(row.first_day, row.last_day, first, last)
    end_first, end_last = max(row.end_first, row.first_day), max(row.end_last, row.first_day)
    if row.first_day > last or end_last < first:
        return Place.OUT
    return Place.IN if row.last_day <= last and end_first >= first else Place.PARTLY
