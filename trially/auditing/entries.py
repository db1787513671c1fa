"""The audit log as people read it: records with names in place of numbers, newest first."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select

from trially.audit.finding import find_record_ids, first_id
from trially.audit.model import AuditForm, AuditRecord
from trially.audit.subjects import contains, count, unpack
from trially.auditing.changes import describe_change
from trially.auditing.people import People, meet_people, numbers_of
from trially.auth.members.model import Member
from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.keys import current_keys, pseudonym

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
        conditions.append(names_one_of(numbers_of(query["patient_id"]), query))
    return conditions


def names_one_of(audit_numbers: Collection[int], period: Mapping[str, Any]) -> Condition:
    """Return the condition of the records of a period that name one of these patients."""
    since, until = period.get("since"), period.get("until")
    found = {
        record_id
        for number in audit_numbers
        for record_id in find_record_ids(
            number, since=since and since - SLACK, until=until and until + SLACK
        )
    }
    return record.id.in_(found)


class Entries(NamedTuple):
    """Some records, and whether more follow."""

    items: list[Item]
    has_more: bool


@dataclass(frozen=True)
class Reading:
    """Which records are read, and what is shown of them.

    The patients whom the shown records name are noted for the audit record of this transaction.
    """

    conditions: Sequence[Condition]
    shows_values: bool = False
    """Whether old and new values about patients are shown."""

    about: Collection[int] | None = None
    """The audit numbers of the only patients that are shown; None for all."""

    def page(self, before: UUID | None, limit: int) -> Entries:
        """Return the first records before `before`, newest first."""
        rows = self._fetch(before, limit + 1)
        shown = rows[:limit]
        for row in shown:
            self._reduce(row)
        people = meet_people(_numbers_in(shown), with_keys=self.shows_values)
        return Entries([describe_record(row, people) for row in shown], len(rows) > limit)

    def stream(self, before: UUID | None = None) -> Iterator[Item]:
        """Yield all records before `before`, newest first. Few are in memory at once."""
        has_more = True
        while has_more:
            entries, has_more = self.page(before, CHUNK)
            yield from entries
            before = entries[-1]["id"] if entries else None

    def _fetch(self, before: UUID | None, limit: int) -> list[Item]:
        conditions = [*self.conditions, *([] if before is None else [record.id < before])]
        return fetch_items(
            _select_records().where(*conditions).order_by(record.id.desc()).limit(limit)
        )

    def _reduce(self, row: Item) -> None:
        """Keep as many patients and changes of a record as are shown."""
        packed = bytes(row.pop("subjects") or b"")
        changes = (row["details"] or {}).get("changes", [])
        if self.about is None:
            numbers: Iterable[int] = unpack(packed)
        else:
            numbers = [each for each in self.about if contains(packed, each)]
            changes = [each for each in changes if each.get("subject") in self.about]
        row["patient_count"] = count(packed) if self.about is None else len(list(numbers))
        row["numbers"] = list(islice(numbers, _PATIENTS_SHOWN))
        row["change_count"], row["changes"] = len(changes), changes[:_CHANGES_SHOWN]


def describe_record(row: Item, people: People) -> Item:
    """Return a record as the API shows it."""
    numbers = row["numbers"]
    details = {name: each for name, each in (row["details"] or {}).items() if name != "changes"}
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
        "erased_patients": [_pseudonym(each) for each in numbers if each not in people.ids],
        "patient_count": row["patient_count"],
        "changes": [describe_change(each, people) for each in row["changes"]],
        "change_count": row["change_count"],
        "details": details,
    }


def _pseudonym(number: int) -> str:
    return pseudonym(current_keys().in_use, current_placement().tenant_id, number)


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


def _numbers_in(rows: Sequence[Item]) -> set[int]:
    """Return the audit numbers of the patients whom records name."""
    changed = {each.get("subject") for row in rows for each in row["changes"]} - {None}
    return changed.union(*(row["numbers"] for row in rows))


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
