"""Leave out records that a leaf does not need, because they are too old or of another class."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.windows import WindowDays
from trially.recruiting.criteria.language.codes import NO_CODES
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Encounter, Observation, Pick
from trially.recruiting.criteria.rows import CLASS_OF, UNDATED
from trially.recruiting.matching.sql_dates import BEGINS_SINCE, LAST_AT

LOOK_BACKS = tuple(Duration(months=months) for months in (18, 36, 72, 144))
"""How far back frames of observations reach. A window within one of them shares its frame.

So another window needs no other frame, as long as it is about as long.
"""

_ZONES = dt.timedelta(days=2)
"""More than two time zones differ by: a day may begin so much earlier elsewhere."""


@dataclass(frozen=True)
class Narrowing:
    """What a leaf does not need to read. A patient may have hundreds of such records."""

    classes: frozenset[str] = frozenset()
    """Encounters of other classes are left out; those of no known class stay. Empty: all stay."""

    ended_since: dt.date | None = None
    """Encounters that surely ended before this day are left out."""

    begun_since: dt.date | None = None
    """Records that surely began before this day are left out."""

    look_back: Duration | None = None
    """How long before its moment `begun_since` is: the part of a frame's name."""

    def condition(self) -> str:
        """Return SQL, to be appended to a condition."""
        parts = []
        if self.classes:
            parts.append("(category IS NULL OR category <> ALL (%(other_categories)s))")
        if self.ended_since is not None:
            parts.append(f"{LAST_AT} >= %(ended_since)s")
        if self.begun_since is not None:
            parts.append(BEGINS_SINCE)
        return "".join(f" AND {part}" for part in parts)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the condition."""
        others = [word for word, name in CLASS_OF.items() if name not in self.classes]
        return {
            "other_categories": others,
            "ended_since": self.ended_since and _start_of(self.ended_since),
            "begun_since": self.begun_since and _start_of(self.begun_since) - _ZONES,
        }


NOTHING_LEFT_OUT = Narrowing()


def narrowing_of(leaf: Leaf, moment: Moment) -> Narrowing:
    """Return what a leaf does not need to read at a moment, and at later ones."""
    if isinstance(leaf, Encounter) and leaf.in_ == NO_CODES:
        return _of_all_encounters(leaf, moment)
    if isinstance(leaf, Observation) and leaf.pick != Pick.EARLIEST:
        return _of_observations(leaf, moment)
    return NOTHING_LEFT_OUT


def _of_all_encounters(leaf: Encounter, moment: Moment) -> Narrowing:
    """Leave out most encounters for a leaf that reads those of all codes."""
    first, _ = WindowDays(leaf.within).at(moment)
    since = None if first == UNDATED else dt.date.fromordinal(first - 1)
    return Narrowing(frozenset(each.value for each in leaf.class_), since)


def _of_observations(leaf: Observation, moment: Moment) -> Narrowing:
    """Leave out observations before the window, which no longer decide.

    The latest one of all is also the latest one since then, or it is outside of the window.
    """
    first, _ = WindowDays(leaf.within).at(moment)
    for look_back in LOOK_BACKS:
        since = moment.before(look_back)
        if since <= first:
            return Narrowing(begun_since=dt.date.fromordinal(since), look_back=look_back)
    return NOTHING_LEFT_OUT


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, dt.UTC)
