"""The route of usage."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import UUID

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import queries, returns_page
from trially.http.pages import Page
from trially.platform.asking import Item
from trially.platform.listing import not_found, page_of
from trially.platform.routes import bp
from trially.platform.usage.schema import PlatformUsageQuerySchema, TenantUsageSchema
from trially.tenancy.names import UnknownTenantError
from trially.usage.days import Month
from trially.usage.reporting import NoUsageError, TenantUsage, usage_of_month


@bp.get("/usage")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(PlatformUsageQuerySchema())
@returns_page(TenantUsageSchema())
def list_usage(query: dict[str, Any]) -> Page:
    """List what tenants have used in a month, meter by meter.

    Tenants are in the order of their slugs, and erased ones are last. `overage` is by how much a
    day exceeded what the plan included, at most. Prices are not known here.
    """
    try:
        return page_of(query, "tenant_id", lambda after, limit: _read(query, after, limit))
    except UnknownTenantError:
        raise not_found(f"tenant {query['tenant']!r}") from None


def _read(query: Mapping[str, Any], after: str | None, limit: int) -> Sequence[Item]:
    month = Month.of(dt.date.fromisoformat(f"{query['month']}-01"))
    last = None if after is None else UUID(after)
    used = usage_of_month(month, query.get("tenant"), after=last)
    try:
        return [_describe(each) for each in islice(used, limit)]
    except NoUsageError:
        return []


def _describe(used: TenantUsage) -> Item:
    return {
        "tenant_id": used.tenant_id,
        "tenant": used.slug,
        "meters": [asdict(each) for each in used.totals],
        "missing_days": len(used.missing),
    }
