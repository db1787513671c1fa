"""Count the days of a tenant that have ended and are not counted, and copy them to the catalog.

A day is counted once: its rows never change. So everything here may run several times, and may end
at any point. Days that a restore has taken out of the tenant's database come back from the catalog.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.tenancy.context import current_tenant
from trially.usage import copying
from trially.usage.counting import ON_TIME, Count, count_day
from trially.usage.days import Day, date_of, dates
from trially.usage.meters import MEASURES, Meter
from trially.usage.model import DailyUsage

MOST_DAYS = 62
"""Days that are made up at most. Earlier ones stay missing."""

_ONE_DAY = dt.timedelta(days=1)
_day = table_of(DailyUsage).c


def next_count_at() -> dt.datetime | None:
    """Return when the current tenant is to be counted next, which may be past.

    That is the end of a day, and again some minutes later for the samples. None for a tenant whose
    database lacks the table.
    """
    if DailyUsage.__tablename__ in lacking().tables:
        return None
    zone = current_tenant().time_zone
    exact, sampled = _last_day(Meter.PATIENTS), _last_day(Meter.REQUESTS)
    if exact is None or sampled is None:
        begun = date_of(copying.begun_at(current_tenant().tenant_id), zone) - _ONE_DAY
        exact, sampled = exact or begun, sampled or begun
    return min(
        Day.of(exact + _ONE_DAY, zone).ended_at, Day.of(sampled + _ONE_DAY, zone).ended_at + ON_TIME
    )


def count_days(now: dt.datetime) -> list[dt.date]:
    """Count the current tenant's days that have ended and are not counted, and return them.

    It runs in the open transaction. Samples are added some minutes after the end of a day.
    """
    tenant = current_tenant()
    yesterday = date_of(now, tenant.time_zone) - _ONE_DAY
    begun = date_of(copying.begun_at(tenant.tenant_id), tenant.time_zone)
    first = max(begun, yesterday - dt.timedelta(days=MOST_DAYS - 1))
    _take_back(first)
    done = _counted_since(first)
    counted = []
    for date in dates(first, yesterday):
        day = Day.of(date, tenant.time_zone)
        if (date, Meter.PATIENTS) not in done:
            for count in count_day(day, now):
                _write(day, [count], now)
            counted.append(date)
        if (date, Meter.REQUESTS) not in done and now >= day.ended_at + ON_TIME:
            _write(day, copying.sum_samples(tenant.tenant_id, day), now)
    return counted


def copy_to_catalog(now: dt.datetime) -> None:
    """Copy the current tenant's days to the catalog, in a transaction of the catalog."""
    tenant_id = current_placement().tenant_id
    rows = fetch_items(
        select(*(_day[name] for name in copying.COPIED)).where(
            of_current_tenant(DailyUsage), _day.day >= now.date() - dt.timedelta(days=MOST_DAYS)
        )
    )
    copying.copy_days(tenant_id, rows)
    copying.forget_old_samples(tenant_id)


def _last_day(meter: Meter) -> dt.date | None:
    last: dt.date | None = db.session.execute(
        select(func.max(_day.day)).where(of_current_tenant(DailyUsage), _day.meter == meter)
    ).scalar_one()
    return last


def _counted_since(first: dt.date) -> set[tuple[dt.date, str]]:
    rows = db.session.execute(
        select(_day.day, _day.meter).where(of_current_tenant(DailyUsage), _day.day >= first)
    )
    return {(day, meter) for day, meter in rows}


def _take_back(first: dt.date) -> None:
    """Insert the days that the catalog has and the tenant lacks: a restore has lost them."""
    tenant_id = current_placement().tenant_id
    _insert(
        {**row, "tenant_id": tenant_id, "id": uuid7()}
        for row in copying.copied_days(tenant_id, first)
    )


def _write(day: Day, counts: Iterable[Count], now: dt.datetime) -> None:
    tenant = current_tenant()
    _insert(
        {
            "tenant_id": tenant.tenant_id,
            "id": uuid7(),
            "day": day.date,
            "meter": count.meter,
            "quantity": count.quantity,
            "included": _included(count.meter),
            "plan": tenant.plan.name,
            "quality": count.quality,
            "ended_at": day.ended_at,
            "counted_at": now,
            "unit_ids": count.unit_ids,
        }
        for count in counts
    )


def _included(meter: Meter) -> int | None:
    limit = MEASURES[meter].limit
    return None if limit is None else current_tenant().plan.most(limit)


def _insert(rows: Iterable[Mapping[str, Any]]) -> None:
    values = list(rows)
    if values:
        db.session.execute(insert(table_of(DailyUsage)).on_conflict_do_nothing(), values)
