"""Whether results of a day last until its end: nothing that they depend on begins later that day.

Results are stored for a whole day, and they are computed at one instant of it. A record that begins
at three in the afternoon counts from then on.
"""

import datetime as dt
from collections.abc import Iterable

import numpy as np

from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.facts import Fact
from trially.recruiting.matching.frames import Frame
from trially.recruiting.matching.packed_rows import microseconds


def now() -> dt.datetime:
    """Return the present instant."""
    return dt.datetime.now(dt.UTC)


def is_of_former_day(moment: Moment) -> bool:
    """Return whether the day of a moment is over. What is read for it serves no later day well."""
    return moment.today < moment.days.of(now())


def lasts_all_day(frame: Frame, moment: Moment) -> bool:
    """Return whether no record of a frame begins on the day of a moment, after it or after now."""
    rows, known_at = frame.rows, _known_at(moment)
    if np.any((rows["day"] == moment.today) & (rows["at"] > microseconds(known_at))):
        return False
    return not any(begins_later(facts, moment) for facts in frame.hard.values())


def begins_later(facts: Iterable[Fact], moment: Moment) -> bool:
    """Return whether a record begins on the day of a moment, after it or after now."""
    known_at = _known_at(moment)
    return any(
        fact.start_precision == "instant"
        and fact.start_at is not None
        and fact.start_at > known_at
        and moment.days.of(fact.start_at) == moment.today
        for fact in facts
    )


def _known_at(moment: Moment) -> dt.datetime:
    """Return from when on results may change: a day to come is computed for its end."""
    return min(moment.at, now())


def end_of_day(moment: Moment) -> Moment:
    """Return the last moment of a moment's day."""
    last = moment.days.midnight(moment.today + 1) - dt.timedelta(microseconds=1)
    return Moment(last, moment.days, moment.look_back)
