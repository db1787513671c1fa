"""The days of a month as CloudEvents 1.0, which meters of billing systems take.

The id of an event follows from the tenant, the day and the meter, and what was counted of a day
never changes. So a month may be sent twice: a receiver that knows the id ignores the second one.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from trially.usage.meters import MEASURES, Meter
from trially.usage.reporting import TenantUsage
from trially.usage.totals import DayRow

TYPE = "ai.trially.usage"
"""Begins the type of each event; the meter's name follows."""


def events_of(
    used: Iterable[TenantUsage], source: str, only: dt.date | None = None
) -> Iterator[dict[str, Any]]:
    """Yield an event for each tenant, meter and day, or those of one day only.

    `source` is the URL of this installation.
    """
    for tenant in used:
        for meter, rows in tenant.days.items():
            for row in rows:
                if only in (None, row["day"]):
                    yield _event(tenant, meter, row, source)


def _event(tenant: TenantUsage, meter: Meter, row: DayRow, source: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{tenant.tenant_id}/{row['day']}/{meter}",
        "source": source,
        "type": f"{TYPE}.{meter}",
        "subject": str(tenant.tenant_id),
        "time": row["ended_at"],
        "datacontenttype": "application/json",
        "data": {
            "meter": meter,
            "value": row["quantity"],
            "unit": MEASURES[meter].unit,
            "day": row["day"],
            "plan": row["plan"],
            "included": row["included"],
            "quality": row["quality"],
        },
    }
