"""What the catalog holds of a tenant's usage: copies of its days, and samples of its requests."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from trially.tenancy.catalog_sessions import control_engine
from trially.usage.counting import QUERIES, SAMPLED, Count
from trially.usage.days import Day
from trially.usage.meters import Quality
from trially.usage.model import DailyUsageCopy, UsageSample

SAMPLES_KEPT = dt.timedelta(days=70)
"""For how long the samples of single hours are kept."""

_copy, _sample = DailyUsageCopy.__table__, UsageSample.__table__
COPIED = tuple(column.name for column in _copy.c if column.name != "tenant_id")

_BEGUN = text(
    "SELECT greatest(tenant.created_at, started_at) FROM tenant, usage_start"
    " WHERE tenant.id = :tenant_id"
)
_SUMS = {meter: text(QUERIES[meter]) for meter in SAMPLED}


def begun_at(tenant_id: UUID) -> dt.datetime:
    """Return since when a tenant is counted: since it or its table of usage was created."""
    with control_engine().connect() as catalog:
        begun: dt.datetime = catalog.execute(_BEGUN, {"tenant_id": tenant_id}).scalar_one()
        return begun


def copied_days(tenant_id: UUID, first: dt.date) -> Sequence[Mapping[str, Any]]:
    """Return the copies of a tenant's days from `first` on."""
    statement = select(*(_copy.c[name] for name in COPIED)).where(
        _copy.c.tenant_id == tenant_id, _copy.c.day >= first
    )
    with control_engine().connect() as catalog:
        return [dict(row) for row in catalog.execute(statement).mappings()]


def copy_days(tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
    """Copy rows of a tenant's days. A day that was copied before stays as it is."""
    if not rows:
        return
    values = [{"tenant_id": tenant_id, **row} for row in rows]
    with control_engine().begin() as catalog:
        catalog.execute(insert(DailyUsageCopy).values(values).on_conflict_do_nothing())


def sum_samples(tenant_id: UUID, day: Day) -> Sequence[Count]:
    """Return what processes have sent of a tenant for a day."""
    parameters = {
        "tenant_id": tenant_id,
        "began_at": day.began_at,
        "ended_at": day.ended_at,
    }
    with control_engine().connect() as catalog:
        sums = {meter: catalog.execute(sql, parameters).scalar() for meter, sql in _SUMS.items()}
    return [Count(meter, int(total or 0), Quality.SAMPLED) for meter, total in sums.items()]


def forget_old_samples(tenant_id: UUID) -> None:
    """Delete a tenant's samples that were kept for long enough."""
    with control_engine().begin() as catalog:
        catalog.execute(
            delete(UsageSample).where(
                _sample.c.tenant_id == tenant_id, _sample.c.hour < func.now() - SAMPLES_KEPT
            )
        )
