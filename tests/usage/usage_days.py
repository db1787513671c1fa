"""Days of tenants, and when they are counted."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from trially.tenancy.catalog import Tenant
from trially.usage.days import Day, date_of

ONE_DAY = dt.timedelta(days=1)
SOON = dt.timedelta(seconds=5)
"""When a worker counts, after the end of a day."""

LATER = dt.timedelta(minutes=15)
"""When processes have sent their samples."""

Days = dict[tuple[dt.date, str], dict[str, Any]]
DaysOf = Callable[[Tenant], Days]
MakeOlder = Callable[[Tenant, int], None]
Count = Callable[[Tenant, dt.datetime], list[dt.date]]


def today(tenant: Tenant) -> Day:
    return Day.of(date_of(dt.datetime.now(dt.UTC), tenant.time_zone), tenant.time_zone)
