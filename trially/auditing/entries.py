"""The audit log as people read it: records with names in place of numbers, newest first."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from trially.audit.model import AuditForm, AuditRecord
from trially.audit.subjects import count, unpack
from trially.auditing.changes import describe_change
from trially.auditing.finding import find_record_ids, first_id
from trially.auditing.people import People, meet_people, numbers_of
from trially.auth.members.model import Member
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of

CHUNK = 200
"""Records that are read at once."""

SLACK = dt.timedelta(days=1)
"""The most that the time in a record's id may differ from the record's own time."""

_PATIENTS_SHOWN = 200
_CHANGES_SHOWN = 200
"""The most patients and changes that are shown of a record; their numbers are exact."""

record, form, member = (table_of(each).c for each in (AuditRecord, AuditForm, Member))

Condition = ColumnElement[bool]

_FILTERS: Mapping[str, Callable[[Any], Condition]] = {
    "since": lambda at: and_(record.at >= at, record.id >= first_id(at - SLACK)),
    "until": lambda at: and_(record.at < at, record.id < first_id(at + SLACK)),
    "member_id": lambda member_id: record.member_id == member_id,
    "operator": lambda operator: record.operator == operator,
    "outcome": lambda outcome: record.outcome == outcome,
    "request_id": lambda request_id: _is_request(request_id),
    "action": lambda action: form.action == action,
    "route": lambda route: form.route == route,
}


def conditions_of(query: Mapping[str, Any]) -> list[Condition]:
    """Return the conditions of the filters that a query names."""
    conditions = [_FILTERS[name](value) for name, value in query.items() if name in _FILTERS]
    if "patient_id" in query:
        conditions.append(is_about(query["patient_id"], query))
    return conditions


def is_about(patient_id: UUID, period: Mapping[str, Any]) -> Condition:
    """Return the condition of the records about a patient, and about the records it replaces."""
    since, until = period.get("since"), period.get("until")
    limits = {
        "since": since and since - SLACK,
        "until": until and until + SLACK,
    }
    ids = [each for number in numbers_of(patient_id) for each in find_record_ids(number, **limits)]
    return record.id.in_(ids)


def read_entries(
    conditions: Sequence[Condition],
    *,
    before: UUID | None = None,
    limit: int,
    shows_values: bool = False,
) -> list[Item]:
    """Return the records that meet the conditions, newest first, from `before` on."""
    rows = _fetch(conditions, before, limit)
    people = meet_people(_shown_numbers(rows), with_keys=shows_values)
    return [describe_record(row, people) for row in rows]


def stream_entries(
    conditions: Sequence[Condition], *, before: UUID | None = None, shows_values: bool = False
) -> Iterator[Item]:
    """Yield all records that meet the conditions, newest first. Few are in memory at once."""
    read = partial(read_entries, conditions, limit=CHUNK, shows_values=shows_values)
    while entries := read(before=before):
        yield from entries
        if len(entries) < CHUNK:
            return
        before = entries[-1]["id"]


def describe_record(row: Item, people: People) -> Item:
    """Return a record as the API shows it."""
    numbers = row["numbers"]
    details = dict(row["details"] or {})
    changes = details.pop("changes", [])
    return {
        "id": row["id"],
        "at": row["at"],
        "request_id": row["request_id"] or row["id"].hex,
        "member": _describe_member(row),
        "operator": row["operator"],
        "route": row["route"],
        "action": row["action"],
        "purpose": row["purpose"],
        "phi_level": row["phi_level"],
        "outcome": row["outcome"] or None,
        "fields_shown": row["fields"],
        "patients": [people.ids[each] for each in numbers if each in people.ids],
        "erased_patients": [each for each in numbers if each not in people.ids],
        "patient_count": row["patient_count"],
        "changes": [describe_change(each, people) for each in changes[:_CHANGES_SHOWN]],
        "change_count": len(changes),
        "details": details,
    }


def _fetch(conditions: Sequence[Condition], before: UUID | None, limit: int) -> list[Item]:
    statement = _select_records().where(*conditions).order_by(record.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(record.id < before)
    rows = fetch_items(statement)
    for row in rows:
        row["numbers"], row["patient_count"] = _unpack(row.pop("subjects"))
    return rows


def _select_records() -> Select[Any]:
    forms, members = table_of(AuditForm), table_of(Member)
    return (
        select(
            record.id,
            record.at,
            record.request_id,
            record.member_id,
            record.operator,
            record.outcome,
            record.subjects,
            record.details,
            form.route,
            form.action,
            form.purpose,
            form.phi_level,
            form.fields,
            member.display_name,
            member.email,
            member.role,
        )
        .select_from(table_of(AuditRecord))
        .join(forms, and_(form.tenant_id == record.tenant_id, form.id == record.form_id))
        .outerjoin(
            members, and_(member.tenant_id == record.tenant_id, member.id == record.member_id)
        )
        .where(of_current_tenant(AuditRecord))
    )


def _unpack(subjects: bytes | None) -> tuple[list[int], int]:
    """Return the first audit numbers of a record, and how many it has."""
    if subjects is None:
        return [], 0
    packed = bytes(subjects)
    return list(islice(unpack(packed), _PATIENTS_SHOWN)), count(packed)


def _shown_numbers(rows: Sequence[Item]) -> set[int]:
    """Return the audit numbers of the patients whom records name."""
    numbers = {number for row in rows for number in row["numbers"]}
    for row in rows:
        changes = (row["details"] or {}).get("changes", [])[:_CHANGES_SHOWN]
        numbers |= {each["subject"] for each in changes if each.get("subject") is not None}
    return numbers


def _describe_member(row: Item) -> Item | None:
    if row["member_id"] is None:
        return None
    return {
        "id": row["member_id"],
        "name": row["display_name"] or row["email"],
        "role": row["role"],
    }


def _is_request(request_id: str) -> Condition:
    """Return the condition of a request's records. Its id may be the first one's own."""
    is_named = record.request_id == request_id
    try:
        return or_(is_named, record.id == UUID(hex=request_id))
    except ValueError:
        return is_named
