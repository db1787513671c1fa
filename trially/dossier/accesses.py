"""Who saw whom: requests and patients, counted by person and by kind of access."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, select

from trially.audit.finding import first_id
from trially.audit.forms import Action
from trially.audit.model import AuditForm, AuditRecord
from trially.audit.subjects import unpack
from trially.auth.members.model import Member
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of

CHUNK = 5_000
"""Records that are read at once."""

_record, _form, _member = (table_of(each).c for each in (AuditRecord, AuditForm, Member))


class Person(NamedTuple):
    """Who acted. All are None for trially's own work."""

    member_id: UUID | None
    operator: str | None
    name: str | None
    role: str | None


def count_accesses(since: dt.datetime) -> list[dict[str, Any]]:
    """Return the accesses to the current tenant since a time, by person and kind.

    `requests` are records of the audit log; `patients` are the different patients that they name.
    """
    requests: dict[tuple[Person, str], int] = {}
    patients: dict[tuple[Person, str], set[int]] = {}
    for row in _records_since(since):
        person = Person(
            row["member_id"], row["operator"], row["display_name"] or row["email"], row["role"]
        )
        access = person, row["action"]
        requests[access] = requests.get(access, 0) + 1
        patients.setdefault(access, set()).update(unpack(bytes(row["subjects"] or b"")))
    return [
        {
            "member": person.member_id,
            "operator": person.operator,
            "name": person.name,
            "role": person.role,
            "action": Action(action).value,
            "requests": count,
            "patients": len(patients[person, action]),
        }
        for (person, action), count in sorted(
            requests.items(), key=lambda access: access[1], reverse=True
        )
    ]


def _records_since(since: dt.datetime) -> Iterator[Item]:
    """Yield the records since a time, newest first. Few are in memory at once."""
    forms, members = table_of(AuditForm), table_of(Member)
    query = (
        select(
            _record.id,
            _record.member_id,
            _record.operator,
            _record.subjects,
            _form.action,
            _member.display_name,
            _member.email,
            _member.role,
        )
        .select_from(table_of(AuditRecord))
        .join(forms, and_(_form.tenant_id == _record.tenant_id, _form.id == _record.form_id))
        .outerjoin(
            members, and_(_member.tenant_id == _record.tenant_id, _member.id == _record.member_id)
        )
        .where(of_current_tenant(AuditRecord), _record.at >= since, _record.id >= first_id(since))
        .order_by(_record.id.desc())
        .limit(CHUNK)
    )
    rows = fetch_items(query)
    while rows:
        yield from rows
        rows = fetch_items(query.where(_record.id < rows[-1]["id"])) if len(rows) == CHUNK else []
