"""The route `/usage`: what is counted for the tenant's bill."""

import datetime as dt
from dataclasses import asdict
from typing import Any

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import queries, returns
from trially.tenancy.context import current_tenant
from trially.usage import jobs  # noqa: F401  registers the job that counts
from trially.usage.days import Month, date_of
from trially.usage.reading import read_days
from trially.usage.schema import UsageQuerySchema, UsageSchema
from trially.usage.totals import by_meter, total_of

bp = Blueprint("usage", __name__, url_prefix="/usage")


@bp.get("")
@requires(Permission.USAGE_READ)
@queries(UsageQuerySchema())
@returns(UsageSchema())
def show_usage(query: dict[str, Any]) -> Item:
    """Show what the tenant has used in a month or on a day, as it is billed.

    Days are those of the tenant's time zone. A day is counted when it has ended, so the present day
    is not in it, and the samples of requests follow some minutes later. A number never changes
    afterwards.
    """
    first, last = _period(query)
    tenant = current_tenant()
    return {
        "first": first,
        "last": last,
        "time_zone": tenant.time_zone,
        "plan": tenant.plan.name,
        "meters": [
            asdict(total_of(meter, rows)) | {"days": rows}
            for meter, rows in by_meter(read_days(first, last)).items()
        ],
    }


def _period(query: dict[str, Any]) -> tuple[dt.date, dt.date]:
    if "day" in query:
        return query["day"], query["day"]
    if "month" in query:
        month = Month.of(dt.date.fromisoformat(f"{query['month']}-01"))
    else:
        month = Month.of(date_of(dt.datetime.now(dt.UTC), current_tenant().time_zone))
    return month.first, month.last
