"""The bill of a month in quantities, of one tenant or of all, from the catalog's copies."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant, is_called
from trially.tenancy.catalog_choices import UNSERVED
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.names import UnknownTenantError
from trially.tenancy.pinning import is_served
from trially.usage.days import Month, date_of, dates
from trially.usage.meters import Meter
from trially.usage.model import DailyUsageCopy, UsageStart
from trially.usage.totals import DayRow, Total, by_meter, total_of

ERASED = "(erased)"
"""In place of the slug of an erased tenant. No slug has this form."""

READ_AT_ONCE = 200
"""Tenants whose days are in memory at the same time."""

_copy, _tenant, _start = DailyUsageCopy.__table__, Tenant.__table__, UsageStart.__table__


class NoUsageError(OperatorError):
    """Nothing is counted of the tenant in the month."""


@dataclass(frozen=True)
class TenantUsage:
    """The days of one tenant in a month."""

    tenant_id: UUID
    slug: str | None
    """None for an erased tenant."""

    days: Mapping[Meter, Sequence[DayRow]]
    missing: Sequence[dt.date]
    """Days of the month that have ended and are not counted yet."""

    @property
    def name(self) -> str:
        """The slug, or a text in its place."""
        return self.slug or ERASED

    @property
    def totals(self) -> Sequence[Total]:
        """The quantities of the month, meter by meter."""
        return [total_of(meter, rows) for meter, rows in self.days.items()]

    @property
    def plan(self) -> str:
        """The plan on the last day."""
        last: str = max((rows[-1] for rows in self.days.values()), key=lambda row: row["day"])[
            "plan"
        ]
        return last


@dataclass(frozen=True)
class _Known:
    """A tenant of the catalog."""

    slug: str
    time_zone: str
    created_at: dt.datetime
    is_shown: bool
    is_counted: bool
    """Whether it has been created, and is not being erased."""


def usage_of_month(
    month: Month,
    reference: str | None = None,
    now: dt.datetime | None = None,
    after: UUID | None = None,
) -> Iterator[TenantUsage]:
    """Yield the usage of all tenants, or of the one with a slug or id; erased ones are last.

    With the id of one of them as `after`, those that follow it are yielded. Raises
    `UnknownTenantError`, or `NoUsageError` if nothing is counted of the tenant.
    """
    moment = now or dt.datetime.now(dt.UTC)
    tenants, started_at = _read_tenants(reference)
    chosen = _shown(tenants, month) if reference is None else [_id_of(reference, tenants)]
    if after in chosen:
        chosen = chosen[chosen.index(after) + 1 :]
    is_found = False
    for start in range(0, len(chosen), READ_AT_ONCE):
        portion = chosen[start : start + READ_AT_ONCE]
        rows = _read_days(month, portion)
        for tenant_id in portion:
            known = tenants.get(tenant_id)
            missing = _missing(known, rows[tenant_id], month, started_at, moment)
            if rows[tenant_id] or missing:
                is_found = True
                slug = None if known is None else known.slug
                yield TenantUsage(tenant_id, slug, by_meter(rows[tenant_id]), missing)
    if reference is not None and not is_found:
        raise NoUsageError(f"Nothing is counted of {reference} in {month}.")


def lines_of(used: TenantUsage) -> list[dict[str, Any]]:
    """Return a line for each meter of a tenant."""
    return [
        {
            "tenant": used.name,
            "tenant_id": str(used.tenant_id),
            "plan": used.plan,
            "meter": total.meter.value,
            "quantity": total.quantity,
            "unit": total.unit,
            "rule": total.rule.value,
            "included": total.included,
            "overage": total.overage,
            "unit_days": total.unit_days,
            "days": total.days,
            "late_days": total.late_days,
            "estimated_days": total.estimated_days,
            "missing_days": len(used.missing),
        }
        for total in used.totals
    ]


def _shown(tenants: Mapping[UUID, _Known], month: Month) -> list[UUID]:
    """Return the ids of the tenants to show, by slug, and then those of erased ones."""
    statement = select(_copy.c.tenant_id).distinct().where(_in_month(month))
    with control_engine().connect() as catalog:
        counted = set(catalog.execute(statement).scalars())
    present = [each for each, known in tenants.items() if known.is_shown]
    present.sort(key=lambda each: tenants[each].slug)
    return present + sorted(counted - tenants.keys())


def _read_tenants(reference: str | None) -> tuple[dict[UUID, _Known], dt.datetime]:
    """Return the tenants by their ids, and when the installation began to count."""
    columns = [_tenant.c[name] for name in ("id", "slug", "time_zone", "created_at", "status")]
    is_shown = is_served() if reference is None else is_served() & is_called(reference)
    with control_engine().connect() as catalog:
        rows = catalog.execute(select(*columns, is_shown.label("is_shown"))).all()
        started_at: dt.datetime = catalog.execute(select(_start.c.started_at)).scalar_one()
    return {
        row.id: _Known(
            row.slug, row.time_zone, row.created_at, row.is_shown, row.status not in UNSERVED
        )
        for row in rows
    }, started_at


def _id_of(reference: str, tenants: Mapping[UUID, _Known]) -> UUID:
    """Return the id of the tenant that is shown, or of an erased one that is named by its id."""
    shown = next((each for each, known in tenants.items() if known.is_shown), None)
    if shown is not None:
        return shown
    try:
        named = UUID(reference)
    except ValueError:
        raise UnknownTenantError(reference) from None
    if named in tenants:
        raise UnknownTenantError(reference)
    return named


def _read_days(month: Month, tenant_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[DayRow]]:
    statement = select(_copy).where(_in_month(month), _copy.c.tenant_id.in_(tenant_ids))
    names = tuple(column.name for column in _copy.c)
    found: dict[UUID, list[DayRow]] = defaultdict(list)
    with control_engine().connect() as catalog:
        for row in catalog.execute(statement).all():
            found[row.tenant_id].append(dict(zip(names, row, strict=True)))
    return found


def _in_month(month: Month) -> ColumnElement[bool]:
    return _copy.c.day.between(month.first, month.last)


def _missing(
    known: _Known | None,
    rows: Sequence[DayRow],
    month: Month,
    started_at: dt.datetime,
    now: dt.datetime,
) -> list[dt.date]:
    """Return the days of a month that a tenant lacks."""
    if known is None or not known.is_counted:
        return []
    begun = date_of(max(known.created_at, started_at), known.time_zone)
    yesterday = date_of(now, known.time_zone) - dt.timedelta(days=1)
    counted = {row["day"] for row in rows}
    expected = dates(max(begun, month.first), min(yesterday, month.last))
    return [day for day in expected if day not in counted]
