"""Read what the current tenant uses of its quotas, as the triggers have counted it."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, cast, func, or_, select

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.plans.model import QuotaUse


def used_quotas() -> Mapping[Limit, int]:
    """Return how much of each limited quota the current tenant uses.

    A quota is missing if nothing was written since it has a limit, and if it is unlimited. That of
    a day is missing before its first use.
    """
    if not current_placement().quotas or QuotaUse.__tablename__ in lacking().tables:
        return {}
    use = table_of(QuotaUse).c
    today = func.date_trunc("day", func.now(), "UTC")
    rows = db.session.execute(
        select(use.quota, cast(func.sum(use.used), BigInteger))
        .where(
            of_current_tenant(QuotaUse), or_(use.counted_from.is_(None), use.counted_from == today)
        )
        .group_by(use.quota)
        .having(func.bool_or(use.most.is_not(None)))
    )
    return {Limit(quota): used for quota, used in rows if quota in set(Limit)}
