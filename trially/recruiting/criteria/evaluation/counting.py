"""On how many different days rows began, if some dates are only known to the month or the year."""

from collections.abc import Iterable

from trially.recruiting.criteria.rows import Row


def least_days(rows: Iterable[Row]) -> int:
    """Return the least number of different days on which all of the rows can have begun."""
    count, day = 0, -1
    for first, last in sorted(((row.first_day, row.last_day) for row in rows), key=_by_end):
        if first > day:
            count, day = count + 1, last
    return count


def most_days(rows: Iterable[Row], first_day: int, last_day: int) -> int:
    """Return the greatest number of different days of a window on which the rows can have begun.

    Rows take the earliest day that is left, those first whose interval ends first.
    """
    taken: set[int] = set()
    for first, last in sorted(((row.first_day, row.last_day) for row in rows), key=_by_end):
        day, end = max(first, first_day), min(last, last_day)
        while day in taken:
            day += 1
        if day <= end:
            taken.add(day)
    return len(taken)


def _by_end(interval: tuple[int, int]) -> tuple[int, int]:
    first, last = interval
    return last, first
