"""What a month has of a meter, from the rows of its days."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.usage.meters import MEASURES, Meter, Quality, Rule

DayRow = Mapping[str, Any]
"""A row of `DailyUsage`, or its copy."""


@dataclass(frozen=True)
class Total:
    """The quantity of a meter over some days."""

    meter: Meter
    unit: str
    rule: Rule
    quantity: int
    """The highest number of a day, or the sum of all days."""

    included: int | None
    """What the plan allowed on the last day. None if the plan does not limit it."""

    overage: int | None
    """By how much a day exceeded what was included on that day, at most. None if unlimited."""

    unit_days: int
    """The sum of all days, for prices that depend on the number of days."""

    days: int
    late_days: int
    estimated_days: int


def total_of(meter: Meter, rows: Sequence[DayRow]) -> Total:
    """Return what follows from the rows of a meter, which are in the order of their days."""
    measure = MEASURES[meter]
    quantities = [row["quantity"] for row in rows]
    qualities = [row["quality"] for row in rows]
    limited = [row for row in rows if row["included"] is not None]
    return Total(
        meter=meter,
        unit=measure.unit,
        rule=measure.rule,
        quantity=max(quantities) if measure.rule is Rule.HIGHEST else sum(quantities),
        included=rows[-1]["included"],
        overage=max((max(0, row["quantity"] - row["included"]) for row in limited), default=None),
        unit_days=sum(quantities),
        days=len(rows),
        late_days=qualities.count(Quality.LATE),
        estimated_days=qualities.count(Quality.ESTIMATED),
    )


def by_meter(rows: Iterable[DayRow]) -> dict[Meter, list[DayRow]]:
    """Return rows by their meter, in the order of the meters and of the days.

    A meter of another version is left out.
    """
    found: dict[str, list[DayRow]] = defaultdict(list)
    for row in rows:
        found[row["meter"]].append(row)
    return {
        meter: sorted(found[meter], key=lambda row: row["day"]) for meter in Meter if meter in found
    }
