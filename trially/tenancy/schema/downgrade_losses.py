"""Which tables and columns a downgrade drops, found by downgrading a clone of the template."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby

from psycopg2.extensions import connection

from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.stepping import BASE, apply_step, load_steps
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute

_COLUMNS = """
SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
AND attnum > 0 AND NOT attisdropped AND relname <> 'alembic_version'
"""

Column = tuple[str, str]
"""A table and its column."""


@dataclass(frozen=True)
class Dropped:
    """What a downgrade drops."""

    tables: tuple[str, ...]
    columns: tuple[Column, ...]
    """Columns of tables that stay."""

    def __str__(self) -> str:
        parts = []
        if self.tables:
            parts.append(f"the tables {', '.join(self.tables)}")
        by_table = groupby(self.columns, key=lambda column: column[0])
        names = [f"{table}.{name}" for table, columns in by_table for _, name in columns]
        if names:
            parts.append(f"the columns {', '.join(names)}")
        return " and ".join(parts) or "no table and no column"


def dropped_between(revisions: Collection[str], target: str) -> dict[str, Dropped]:
    """Return what a downgrade to `target` drops, by the revision from which it begins.

    Only a migration itself knows what its downgrade drops, so all of them are run on a clone.
    """
    steps = load_steps(alembic_config(TENANT_LINEAGE))
    found: dict[str, frozenset[Column]] = {}
    with scratch_database(server_access()) as scratch:
        raw = driver_connection(scratch)
        execute(raw, f"SET search_path = {TENANT_SCHEMA}, pg_temp")
        raw.commit()
        former: str | None = steps.head
        for revision in sorted({*revisions, target}, key=_place, reverse=True):
            for step in steps.back(former, revision):
                apply_step(steps, scratch, TENANT_SCHEMA, step)
                former = step.after
            found[revision] = _columns(raw)
            scratch.rollback()
    return {revision: _difference(found[revision], found[target]) for revision in revisions}


def _place(revision: str) -> str:
    return "" if revision == BASE else revision


def _columns(raw: connection) -> frozenset[Column]:
    return frozenset(execute(raw, _COLUMNS, TENANT_SCHEMA))


def _difference(before: frozenset[Column], after: frozenset[Column]) -> Dropped:
    kept = {table for table, _ in after}
    gone = before - after
    return Dropped(
        tables=tuple(sorted({table for table, _ in gone} - kept)),
        columns=tuple(sorted(column for column in gone if column[0] in kept)),
    )
