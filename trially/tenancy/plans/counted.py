"""Read what the current tenant uses of its quotas."""

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, cast, func, or_, select, text

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.plans.model import QuotaUse

_ROWS = "SELECT count(*) FROM {schema}.{table} WHERE tenant_id = {tenant_id}"
_TODAY = " AND created_at >= date_trunc('day', now(), 'UTC')"
_BYTES = """
SELECT (SELECT coalesce(sum(file_size), 0) FROM {schema}.study_document
    WHERE tenant_id = {tenant_id})
    + (SELECT coalesce(sum(octet_length(content)), 0) FROM {schema}.document_page
    WHERE tenant_id = {tenant_id})
"""
COUNTED: Mapping[Limit, tuple[str, str]] = {
    Limit.PATIENTS: (_ROWS, "patient"),
    Limit.MEMBERS: (_ROWS, "member"),
    Limit.STUDIES: (_ROWS, "study"),
    Limit.STORAGE_BYTES: (_BYTES, "document_page"),
    Limit.IMPORTS_PER_DAY: (_ROWS + _TODAY, "import_job"),
    Limit.API_KEYS: (_ROWS, "api_key"),
}
"""The query that counts each quota, and its table."""


def used_quotas(limited: Collection[Limit]) -> Mapping[Limit, int]:
    """Return how much of each quota that is limited the current tenant uses.

    The triggers have counted it. What they have not counted yet, because nothing was written since
    it has a limit, is counted now.
    """
    counted = _counted_by_triggers()
    return {limit: counted[limit] if limit in counted else _count(limit) for limit in limited}


def _count(limit: Limit) -> int:
    placement = current_placement()
    query, table = COUNTED[limit]
    if table in lacking().tables:
        return 0
    statement = query.format(schema=placement.schema, table=table, tenant_id=":tenant_id")
    found = db.session.execute(text(statement), {"tenant_id": placement.tenant_id}).scalar_one()
    return int(found)


def _counted_by_triggers() -> Mapping[Limit, int]:
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
