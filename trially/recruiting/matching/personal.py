"""Judge ages, sexes and deaths of all patients at once.

The rules are those of the evaluator of one patient (`criteria/evaluation/persons`).
"""

import datetime as dt

import numpy as np

from trially.recruiting.criteria.evaluation.persons import reaching_age
from trially.recruiting.criteria.language.person_leaves import Age, AgeUnit, Deceased, Sex
from trially.recruiting.matching.bits import Flags
from trially.recruiting.matching.panel import Panel, Results
from trially.recruiting.matching.people import NO, NO_DAY, SEXES, YES


def judge_age(leaf: Age, panel: Panel) -> Results:
    """Judge ages. Who may have been born on several days has an interval of ages."""
    first, last = panel.people.born
    today = panel.moment.today
    known = (first != NO_DAY) & (first <= today)
    last = np.minimum(last, today)
    met, not_met = known.copy(), np.zeros(len(known), np.bool_)
    low = leaf.gte if leaf.gte is not None else None if leaf.gt is None else leaf.gt + 1
    over = leaf.lt if leaf.lt is not None else None if leaf.lte is None else leaf.lte + 1
    if low is not None:
        newest = _born_by(today, low, leaf.unit)
        met &= last <= newest
        not_met |= first > newest
    if over is not None:
        newest = _born_by(today, over, leaf.unit)
        met &= first > newest
        not_met |= last <= newest
    flags = panel.people.flags
    return Results(flags(met), flags(known & not_met))


def judge_sex(leaf: Sex, panel: Panel) -> Results:
    """Judge sexes. Without one, or with `unknown`, it is undecided."""
    sexes = panel.people.rows["sex"]
    known = sexes > 1
    asked = known & np.isin(sexes, [SEXES.index(each.value) + 1 for each in leaf.in_])
    return Results(panel.people.flags(asked), panel.people.flags(known & ~asked))


def judge_deceased(leaf: Deceased, panel: Panel) -> Results:
    """Judge whether patients have died."""
    death = panel.people.death(panel.moment.today)
    dead, living = panel.people.flags(death == YES), panel.people.flags(death == NO)
    return Results(dead, living) if leaf.is_ else Results(living, dead)


def men(panel: Panel) -> Flags:
    """Return who is a man."""
    return panel.people.flags(panel.people.rows["sex"] == SEXES.index("male") + 1)


def _born_by(today: int, age: int, unit: AgeUnit) -> int:
    """Return the last day of birth of those who have completed an age."""
    day = min(today, today - age * _SHORTEST[unit] + 2)
    while day >= dt.date.min.toordinal() and reaching_age(day, age, unit) > today:
        day -= 1
    return day


_SHORTEST: dict[AgeUnit, int] = {
    AgeUnit.DAYS: 1,
    AgeUnit.WEEKS: 7,
    AgeUnit.MONTHS: 30,
    AgeUnit.YEARS: 365,
}
"""Days that a completed unit has at least, over many of them."""
