"""Find the audit records about one patient."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from trially.audit.model import AuditRecord
from trially.audit.subjects import unpack
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db


def find_record_ids(
    audit_number: int,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: UUID | None = None,
    limit: int | None = None,
) -> list[UUID]:
    """Return the ids of the current tenant's records about a patient, the newest first.

    `since` (inclusive) and `until` (exclusive) limit the time of the ids, which is the start of the
    request. `before` is the last id of the page before.
    """
    chosen = sorted(
        (
            each
            for each in _all_about(audit_number)
            if (since is None or each >= first_id(since))
            and (until is None or each < first_id(until))
            and (before is None or each < before)
        ),
        reverse=True,
    )
    return chosen[:limit]


def first_id(moment: dt.datetime) -> UUID:
    """Return the lowest UUID of version 7 of a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _all_about(audit_number: int) -> Iterator[UUID]:
    columns = table_of(AuditRecord).c
    rows = db.session.execute(
        select(columns.id, columns.subjects).where(
            of_current_tenant(AuditRecord), columns.subjects.is_not(None)
        )
    )
    for record_id, subjects in rows:
        if audit_number in unpack(bytes(subjects)):
            yield record_id
