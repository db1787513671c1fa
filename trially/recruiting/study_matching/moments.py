"""The moment for which matches are computed: now, or the end of a day, in the tenant's zone."""

import datetime as dt

from trially.recruiting.criteria.days import Moment, days_of
from trially.tenancy.context import current_tenant

_LAST_INSTANT = dt.timedelta(microseconds=1)


def moment_of(day: dt.date | None = None) -> Moment:
    """Return the moment for a day: now if it is today or left out, else the end of the day."""
    days = days_of(current_tenant().time_zone)
    now = dt.datetime.now(dt.UTC)
    if day is None or day.toordinal() == days.of(now):
        return Moment(now, days)
    return Moment(days.midnight(day.toordinal() + 1) - _LAST_INSTANT, days)
