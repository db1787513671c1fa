"""Round numbers of patients down, so that no number tells of few patients.

A number is rounded down to a multiple of the smallest cell that may be shown. So a shown number
says only that the true one is among as many neighbours as the smallest cell has patients, and a
number below it becomes 0. The same is done to totals and to their parts, each by itself, and of
every breakdown some patients are in no part that is shared (`measures`). Hence no combination of
shared numbers, of any dates, excludes one of the neighbours. `docs/analytics.md` has the proof.
"""

CMS_SMALLEST = 11
"""The smallest number of persons that the CMS cell size suppression policy lets a cell show.

https://resdac.org/articles/cms-cell-size-suppression-policy: no cell of 1 to 10 may be reported,
nor be derived from other reported cells.
"""


def round_down(number: int, step: int) -> int:
    """Return the largest multiple of `step` that is not above a number."""
    return number - number % step
