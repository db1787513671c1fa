"""What was counted of tenants in the last days: their load, and how far quotas are used."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trially.advice.fleet import QuotaUse
from trially.usage.meters import MEASURES, Meter
from trially.usage.model import DailyUsageCopy, UsageSample

SECONDS_PER_DAY, SECONDS_PER_HOUR = 86_400, 3_600


@dataclass
class CountedUsage:
    """What was counted of one tenant."""

    database_ms: dict[dt.date, int] = field(default_factory=dict)
    quotas: dict[str, QuotaUse] = field(default_factory=dict)
    peak_load: float | None = None

    @property
    def load(self) -> float | None:
        """Connections that were busy on average."""
        if not self.database_ms:
            return None
        seconds = sum(self.database_ms.values()) / 1000
        return seconds / (len(self.database_ms) * SECONDS_PER_DAY)

    @property
    def highest_load(self) -> float | None:
        """The same in the busiest hour; 0 if days were counted without any sample."""
        return 0.0 if self.peak_load is None and self.database_ms else self.peak_load


def read_usage(session: Session, since: dt.datetime) -> Mapping[UUID, CountedUsage]:
    """Return what was counted since a time: days, and the busiest of the hours that have ended.

    A tenant of which nothing was counted has empty usage.
    """
    used: dict[UUID, CountedUsage] = defaultdict(CountedUsage)
    copy, sample = DailyUsageCopy.__table__.c, UsageSample.__table__.c
    days = select(copy.tenant_id, copy.day, copy.meter, copy.quantity, copy.included).where(
        copy.day >= since.date()
    )
    for tenant_id, day, meter, quantity, included in session.execute(days.order_by(copy.day)):
        if meter == Meter.DATABASE_MS:
            used[tenant_id].database_ms[day] = quantity
        measure = MEASURES.get(meter)
        if measure is not None and measure.limit is not None:
            name = measure.limit.value
            used[tenant_id].quotas.pop(name, None)
            if included is not None:
                used[tenant_id].quotas[name] = QuotaUse(quantity, included)
    hours = (
        select(sample.tenant_id, func.sum(sample.database_us).label("busy_us"))
        .where(sample.hour >= since, sample.hour < func.date_trunc("hour", func.now(), "UTC"))
        .group_by(sample.tenant_id, sample.hour)
        .subquery()
    )
    highest = select(hours.c.tenant_id, func.max(hours.c.busy_us)).group_by(hours.c.tenant_id)
    for tenant_id, busy_us in session.execute(highest):
        used[tenant_id].peak_load = float(busy_us) / 1e6 / SECONDS_PER_HOUR
    return used
