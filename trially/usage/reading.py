"""Read the current tenant's days."""

import datetime as dt

from sqlalchemy import select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.since import lacking
from trially.usage.model import DailyUsage

_COLUMNS = ("day", "meter", "quantity", "included", "quality", "counted_at")
_day = table_of(DailyUsage).c


def read_days(first: dt.date, last: dt.date) -> list[Item]:
    """Return what was counted from the first to the last day. They say nothing about a patient."""
    if DailyUsage.__tablename__ in lacking().tables:
        return []
    return fetch_items(
        select(*(_day[name] for name in _COLUMNS)).where(
            of_current_tenant(DailyUsage), _day.day.between(first, last)
        )
    )
