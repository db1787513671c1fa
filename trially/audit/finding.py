"""Find the audit records about one patient: who saw this person, and who changed what.

Sealed records are found by the index that the sealer writes (`audit_subject`). The records after
it are read one by one; `flask audit seal` keeps them few.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from psycopg2 import sql
from sqlalchemy import select, text

from trially.audit.model import AuditRecord
from trially.audit.subject_index import places_in
from trially.audit.subjects import contains
from trially.audit.tenant_log import tenant_connection, tenant_log
from trially.database.placement import current_placement
from trially.database.session import db

_BUCKETS = text(
    """
    WITH covering AS MATERIALIZED (
        SELECT coalesce(max(last_seal), 0) AS last_seal FROM audit_subject
        WHERE tenant_id = :tenant_id AND level = 1
    ), chosen AS MATERIALIZED (
        SELECT id, (:number - first_number) & ((1::bigint << shift) - 1) AS distance, entries,
            substring(directory FROM least((:number - first_number) >> shift, 100000000)::int * 4
                + 1 FOR 8) AS bounds
        FROM audit_subject, covering
        WHERE tenant_id = :tenant_id AND first_number <= :number AND (level = 1
            OR level = 0 AND first_seal > covering.last_seal)
    ), bounded AS MATERIALIZED (
        SELECT id, distance, entries,
            ('x' || encode(substring(bounds FOR 4), 'hex'))::bit(32)::int AS beginning,
            ('x' || encode(substring(bounds FROM 5), 'hex'))::bit(32)::int AS ending
        FROM chosen WHERE length(bounds) = 8
    )
    SELECT id::text, distance, substring(entries FROM beginning + 1 FOR ending - beginning)
    FROM bounded WHERE ending > beginning
    """
)
_IDS = text(
    """
    SELECT encode(substring(record_ids FROM place * 16 + 1 FOR 16), 'hex')::uuid
    FROM unnest(cast(:indexes AS uuid[]), cast(:places AS int[])) AS found (index_id, place)
    JOIN audit_subject ON id = index_id WHERE tenant_id = :tenant_id
    """
)
_WHOLE_IDS = text(
    "SELECT record_ids FROM audit_subject WHERE tenant_id = :tenant_id AND id = cast(:id AS uuid)"
)
_LAST_INDEXED = text(
    """
    SELECT last FROM audit_seal WHERE tenant_id = :tenant_id AND number = (
        SELECT max(last_seal) FROM audit_subject WHERE tenant_id = :tenant_id)
    """
)
_MANY = 200
"""From as many records in one index on, all of its ids are read in one piece."""


def find_record_ids(
    audit_number: int,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int | None = None,
) -> list[UUID]:
    """Return the ids of the current tenant's records about a patient, the newest first.

    `audit_number` is `patient.audit_number`. `since` (inclusive) and `until` (exclusive) limit the
    time of the ids, which is the start of the request. `before` is the last id of the page before.
    """
    found = {*_indexed(audit_number), *_in_tail(audit_number)}
    chosen = sorted(
        (
            each
            for each in found
            if (since is None or each >= first_id(since))
            and (until is None or each < first_id(until))
            and (before is None or each < before)
        ),
        reverse=True,
    )
    return chosen[:limit]


def find_records(
    audit_number: int,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int | None = None,
) -> list[AuditRecord]:
    """Return the current tenant's records about a patient, the newest first.

    For the parameters see `find_record_ids`. Records that retention has removed are left out.
    """
    ids = find_record_ids(audit_number, since=since, until=until, before=before, limit=limit)
    if not ids:
        return []
    records = select(AuditRecord).where(
        AuditRecord.tenant_id == current_placement().tenant_id,
        AuditRecord.id.in_(ids),
    )
    return list(db.session.scalars(records.order_by(AuditRecord.id.desc())))


def first_id(moment: dt.datetime) -> UUID:
    """Return the lowest UUID of version 7 of a moment. It has no room for moments before 1970."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _indexed(number: int) -> Iterable[UUID]:
    """Yield the ids of the records that the index has."""
    rows = db.session.execute(_BUCKETS, {"tenant_id": _tenant_id(), "number": number})
    places = {id_: list(places_in(bytes(bucket), distance)) for id_, distance, bucket in rows}
    few: dict[str, list[object]] = defaultdict(list)
    for id_, of_index in places.items():
        if len(of_index) >= _MANY:
            yield from _ids_at(id_, of_index)
        else:
            few["indexes"] += [id_] * len(of_index)
            few["places"] += of_index
    if few["places"]:
        yield from db.session.scalars(_IDS, {"tenant_id": _tenant_id(), **few})


def _ids_at(index_id: str, places: Iterable[int]) -> Iterable[UUID]:
    all_ids = db.session.scalar(_WHOLE_IDS, {"tenant_id": _tenant_id(), "id": index_id})
    ids = bytes(all_ids or b"")
    return (UUID(bytes=ids[place * 16 : place * 16 + 16]) for place in places)


def _in_tail(number: int) -> Iterable[UUID]:
    """Yield the ids of the records that the index does not have yet."""
    last = db.session.scalar(_LAST_INDEXED, {"tenant_id": _tenant_id()})
    log = tenant_log()
    for condition in log.following(None if last is None else tuple(last)):
        with tenant_connection().cursor() as cursor:
            rest = log.where(condition, sql.SQL("subjects IS NOT NULL"))
            # As text: only the ids of the records that are found become objects.
            cursor.execute(sql.SQL("SELECT id::text, subjects FROM audit_record") + rest)
            rows = cursor.fetchall()
        yield from (UUID(id_) for id_, packed in rows if contains(bytes(packed), number))


def _tenant_id() -> UUID:
    return current_placement().tenant_id
