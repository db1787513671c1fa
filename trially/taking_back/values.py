"""Show which values of changed rows differ: to a person with a support grant, on the record."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.audit.working import showing_patients
from trially.auth.support.entering import enter
from trially.database.changes import PATIENT_TABLE
from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.taking_back.chosen_rows import Row, Rows, models
from trially.taking_back.differences import COUNTERS, TableDifference
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.listing import get_tenant

MOST_ROWS = 100
"""How many changed rows of a table are shown with their values."""

Values = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]
"""By table, id and column: the value `then`, in the copy, and the value `now`."""


def changed_values(
    slug: str, copy_slug: str, differences: Sequence[TableDifference], reason: str | None
) -> Values:
    """Return the values that differ in the first changed rows of each table.

    Both tenants' audit logs say which patients were shown. Raises `NoAccessError` without a support
    grant for the tenant that covers everything.
    """
    enter(get_tenant(slug), reason, writes=False)
    chosen = {
        each.table: [UUID(key) for key in each.changed[:MOST_ROWS]]
        for each in differences
        if each.changed
    }
    then, now = _read_shown(copy_slug, chosen), _read_shown(slug, chosen)
    return {
        table: {
            str(key): {
                column: {"then": then[table][key][column], "now": value}
                for column, value in row.items()
                if column not in COUNTERS | {"tenant_id"} and then[table][key][column] != value
            }
            for key, row in rows.items()
            if key in then[table]
        }
        for table, rows in now.items()
    }


def _read_shown(slug: str, chosen: Mapping[str, Sequence[UUID]]) -> Rows:
    """Read rows of a tenant, and record whom they are about."""
    rows: Rows = {}
    with administered_tenant(slug), showing_patients() as work:
        patients: set[UUID] = set()
        for name, ids in chosen.items():
            table = table_of(models()[name])
            columns = [each for each in table.c if each.computed is None]
            statement = select(*columns).where(
                of_current_tenant(models()[name]), table.c.id.in_(ids)
            )
            found: dict[UUID, Row] = {row["id"]: row for row in fetch_items(statement)}
            about = "id" if name == PATIENT_TABLE else "patient_id"
            patients |= {row[about] for row in found.values() if row.get(about) is not None}
            rows[name] = found
        work.show(patients)
    return rows
