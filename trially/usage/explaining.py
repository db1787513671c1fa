"""Where each number of a report comes from: the rows of its days, and the query that made them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.audit.working import working
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.tenancy.context import administered_tenant, current_tenant
from trially.usage.counting import QUERIES, SAMPLED, count_now, parameters_of
from trially.usage.days import Day
from trially.usage.meters import Meter
from trially.usage.model import DailyUsage
from trially.usage.reporting import TenantUsage
from trially.usage.totals import DayRow

_day = table_of(DailyUsage).c


def explain(used: Iterable[TenantUsage]) -> Iterator[dict[str, Any]]:
    """Yield, for each tenant and meter, the query and the days with what they counted.

    The ids of members, and what the query says now, come from the tenant's database. An erased
    tenant has none, and only the copies of its days are left.
    """
    for tenant in used:
        if tenant.slug is None:
            yield from (_explained(tenant, meter, rows, {}) for meter, rows in tenant.days.items())
            continue
        with administered_tenant(str(tenant.tenant_id)), working():
            for meter, rows in tenant.days.items():
                yield _explained(tenant, meter, rows, _details(meter, rows))
            db.session.rollback()


def _explained(
    tenant: TenantUsage, meter: Meter, rows: Sequence[DayRow], details: Mapping[Any, Any]
) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "tenant_id": str(tenant.tenant_id),
        "meter": meter.value,
        "database": "catalog" if meter in SAMPLED else "tenant",
        "query": QUERIES[meter],
        "days": [
            {
                "day": row["day"],
                "quantity": row["quantity"],
                "included": row["included"],
                "quality": row["quality"],
                "counted_at": row["counted_at"],
                **details.get(row["day"], {}),
            }
            for row in rows
        ],
    }


def _details(meter: Meter, rows: Sequence[DayRow]) -> dict[Any, dict[str, Any]]:
    """Return what the tenant's database says of each day."""
    zone, ids = current_tenant().time_zone, _unit_ids(meter, rows)
    found = {}
    for row in rows:
        day = Day.of(row["day"], zone)
        found[row["day"]] = {
            "parameters": parameters_of(meter, day),
            **({"counts_now": count_now(meter, day)} if meter not in SAMPLED else {}),
            **({"ids": ids[row["day"]]} if ids.get(row["day"]) is not None else {}),
        }
    return found


def _unit_ids(meter: Meter, rows: Sequence[DayRow]) -> dict[Any, list[UUID] | None]:
    statement = select(_day.day, _day.unit_ids).where(
        of_current_tenant(DailyUsage),
        _day.meter == meter,
        _day.day.between(rows[0]["day"], rows[-1]["day"]),
    )
    return {row.day: row.unit_ids for row in db.session.execute(statement)}
