"""Which rows have begun, and which began within a window. Their dates are known to the day."""

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.windows import WindowDays
from trially.recruiting.criteria.language.parts import Window
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.packed_rows import NO_TIME, Rows, microseconds


def present(rows: Rows, moment: Moment) -> Rows:
    """Return the rows that have begun."""
    is_later_today = (rows["at"] != NO_TIME) & (rows["at"] > microseconds(moment.at))
    is_today = rows["day"] == moment.today
    begun: Rows = rows[(rows["day"] < moment.today) | (is_today & ~is_later_today)]
    return begun


def in_window(rows: Rows, window: Window | None, moment: Moment) -> Flags:
    """Return which rows began within a window. Its first and last day belong to it."""
    first, last = WindowDays(window).at(moment)
    found: Flags = (rows["day"] >= first) & (rows["day"] <= last)
    return found
