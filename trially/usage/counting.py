"""Count what a tenant has at the end of a day, in the tenant's own transaction."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text

from trially.database.placement import current_placement
from trially.database.session import db
from trially.usage.days import Day, Month
from trially.usage.meters import MEASURES, Meter, Quality

ON_TIME = dt.timedelta(minutes=10)
"""A count within this time after the end of the day is exact.

Processes have sent their samples of the day by then.
"""


class Count(NamedTuple):
    """The quantity of a meter on a day."""

    meter: Meter
    quantity: int
    quality: Quality
    unit_ids: list[UUID] | None = None


QUERIES: Mapping[Meter, str] = {
    Meter.PATIENTS: (
        "SELECT count(*) FROM patient WHERE tenant_id = :tenant_id AND created_at < :ended_at"
    ),
    Meter.MATCHES: (
        "SELECT count(*) FROM match WHERE tenant_id = :tenant_id AND changed_at < :ended_at"
        " AND verdict IN ('eligible', 'potential')"
    ),
    Meter.ACTIVE_MEMBERS: (
        "SELECT DISTINCT member_id FROM audit_record WHERE tenant_id = :tenant_id"
        " AND id >= :first_id AND id < :last_id AND at >= :began_at AND at < :ended_at"
        " AND member_id IS NOT NULL AND operator IS NULL AND outcome < 400"
    ),
    Meter.ACTIVE_MEMBERS_OF_MONTH: (
        "SELECT DISTINCT unnest(unit_ids) FROM daily_usage WHERE tenant_id = :tenant_id"
        " AND meter = 'active_members' AND day >= :month AND day <= :day"
    ),
    Meter.STORAGE_BYTES: (
        "SELECT (SELECT coalesce(sum(octet_length(content)), 0) FROM document_page AS page"
        " JOIN document ON document.tenant_id = page.tenant_id AND document.id = page.document_id"
        " WHERE page.tenant_id = :tenant_id AND document.created_at < :ended_at)"
        " + (SELECT coalesce(sum(file_size), 0) FROM study_document"
        " WHERE tenant_id = :tenant_id AND created_at < :ended_at)"
    ),
    Meter.REQUESTS: (
        "SELECT sum(requests) FROM usage_sample WHERE tenant_id = :tenant_id"
        " AND hour >= :began_at AND hour < :ended_at"
    ),
    Meter.DATABASE_MS: (
        "SELECT sum(database_us) / 1000 FROM usage_sample WHERE tenant_id = :tenant_id"
        " AND hour >= :began_at AND hour < :ended_at"
    ),
    Meter.EGRESS_BYTES: (
        "SELECT sum(egress_bytes) FROM usage_sample WHERE tenant_id = :tenant_id"
        " AND hour >= :began_at AND hour < :ended_at"
    ),
}
"""The query of each meter: of a sampled one in the catalog, of another in the tenant's database.

`--explain` prints them. The ids of audit records begin with their time, so that the primary key
finds those of a day; the transaction of a record may have begun before its id was made.
"""

COUNTED = tuple(meter for meter, measure in MEASURES.items() if not measure.is_sampled)
SAMPLED = tuple(meter for meter, measure in MEASURES.items() if measure.is_sampled)
_OF_MEMBERS = frozenset({Meter.ACTIVE_MEMBERS, Meter.ACTIVE_MEMBERS_OF_MONTH})
_STATEMENTS: Mapping[Meter, TextClause] = {meter: text(QUERIES[meter]) for meter in COUNTED}
_AROUND = dt.timedelta(hours=1)

_HIGHEST_OF_MONTH = text(
    "SELECT coalesce(max(quantity), 0) FROM daily_usage WHERE tenant_id = :tenant_id"
    " AND meter = 'active_members_of_month' AND day >= :month AND day < :day"
)


def count_day(day: Day, now: dt.datetime) -> Iterator[Count]:
    """Count the current tenant's meters for a day that has ended, in the open transaction.

    Those of the month's active members read the rows of its days, so each count is to be written
    before the next one is made.
    """
    is_late = now - day.ended_at > ON_TIME
    for meter in COUNTED:
        rows = db.session.execute(_STATEMENTS[meter], parameters_of(meter, day)).scalars().all()
        if meter not in _OF_MEMBERS:
            quality = Quality.ESTIMATED if is_late else Quality.EXACT
            yield Count(meter, int(rows[0] or 0), quality)
            continue
        quality = Quality.LATE if is_late else Quality.EXACT
        if meter is Meter.ACTIVE_MEMBERS:
            yield Count(meter, len(rows), quality, sorted(rows))
        else:
            # Days that came back from the catalog after a restore have no ids.
            known = db.session.execute(_HIGHEST_OF_MONTH, parameters_of(meter, day)).scalar_one()
            yield Count(meter, max(len(rows), known), quality)


def count_now(meter: Meter, day: Day) -> int:
    """Return what the query of a meter that is not sampled says of a day now."""
    rows = db.session.execute(_STATEMENTS[meter], parameters_of(meter, day)).scalars().all()
    return len(rows) if meter in _OF_MEMBERS else int(rows[0] or 0)


def parameters_of(meter: Meter, day: Day) -> dict[str, Any]:
    """Return the parameters of a meter's query for a day of the current tenant."""
    known = {
        "tenant_id": current_placement().tenant_id,
        "day": day.date,
        "month": Month.of(day.date).first,
        "began_at": day.began_at,
        "ended_at": day.ended_at,
        "first_id": first_id(day.began_at - _AROUND),
        "last_id": first_id(day.ended_at + _AROUND),
    }
    return {name: value for name, value in known.items() if f":{name}" in QUERIES[meter]}


def first_id(instant: dt.datetime) -> UUID:
    """Return the lowest UUID of version 7 of an instant."""
    milliseconds = int(instant.timestamp() * 1000)
    return UUID(int=milliseconds << 80)
