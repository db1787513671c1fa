"""Load rows into tables without keys and indexes, which takes a fraction of the time.

Only tables that a tenant has alone can do without: those of a new placement, which serves no one
yet. The definitions are stored in the operation before the first key is dropped, so that a killed
restore loses none.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg2 import sql
from sqlalchemy import update

from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.sides import Side, SideSession

_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND NOT relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint
        WHERE conindid = indexrelid AND (contype = 'x' OR condeferrable) AND contype <> 'f')
ORDER BY 1
"""
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, CASE contype
    WHEN 'f' THEN pg_get_constraintdef(pg_constraint.oid)
    WHEN 'p' THEN format('PRIMARY KEY USING INDEX %%I', conname)
    ELSE format('UNIQUE USING INDEX %%I', conname) END
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE connamespace = %s::regnamespace AND relkind = 'r' AND NOT relispartition
    AND (contype = 'f' OR contype IN ('p', 'u') AND NOT condeferrable)
ORDER BY contype = 'f', 1, 2
"""
"""Foreign keys come last, because they need the keys that they refer to."""

_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
_HAS_CONSTRAINT = """
SELECT count(*) > 0 FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s
"""
KEPT_IN = "set_aside"
"""The parameter of the operation with the definitions."""

SORT_MEMORY = "256MB"
"""`maintenance_work_mem` of the session that creates indexes: a million keys are sorted in it."""


class Constraint(NamedTuple):
    """A primary key, a unique constraint or a foreign key."""

    table: str
    name: str
    definition: str


def set_keys_aside(target: SideSession, operation: Operation) -> None:
    """Drop the indexes, keys and foreign keys of tables that the tenant has alone.

    What a killed attempt has stored is dropped again, as far as it exists.
    """
    if target.side.shares_tables:
        return
    if KEPT_IN not in operation.parameters:
        _keep(operation, target)
    for each in reversed(_constraints(operation)):
        target.run(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
                sql.SQL(each.table), sql.Identifier(each.name)
            )
        )
    for name in _indexes(operation):
        target.run(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.SQL(name)))


@contextmanager
def creating_indexes(side: Side, operation: Operation) -> Iterator[None]:
    """Create the indexes in a session of their own, while the block reads the tables."""
    with (
        side.reading() as session,
        ThreadPoolExecutor(1, thread_name_prefix="restore-indexes") as executor,
    ):
        created = executor.submit(_create_indexes, session, _indexes(operation))
        try:
            yield
        except BaseException:
            session.raw.cancel()
            raise
        created.result()


def create_keys(target: SideSession, operation: Operation) -> None:
    """Create the keys on their indexes, and the foreign keys, for which all rows are checked."""
    for each in _constraints(operation):
        if target.run(_HAS_CONSTRAINT, each.table, each.name) == [(False,)]:
            target.run(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                    sql.SQL(each.table), sql.Identifier(each.name), sql.SQL(each.definition)
                )
            )


def _create_indexes(session: SideSession, indexes: Mapping[str, str]) -> None:
    # If this process is killed, the server gives the statement up, and with it its lock.
    session.run("SET client_connection_check_interval = '2s'")
    session.run(f"SET maintenance_work_mem = '{SORT_MEMORY}'")
    for name, definition in indexes.items():
        if session.run(_EXISTS, name) == [(False,)]:
            session.run(definition)


def _keep(operation: Operation, target: SideSession) -> None:
    schema = target.side.schema
    kept = {
        "indexes": dict(target.run(_INDEXES, schema)),
        "constraints": [list(each) for each in target.run(_CONSTRAINTS, schema)],
    }
    operation.parameters = {**operation.parameters, KEPT_IN: kept}
    with catalog_transaction() as session:
        session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(parameters=operation.parameters)
        )


def _indexes(operation: Operation) -> Mapping[str, str]:
    return dict(_kept(operation).get("indexes", {}))


def _constraints(operation: Operation) -> list[Constraint]:
    return [Constraint(*each) for each in _kept(operation).get("constraints", [])]


def _kept(operation: Operation) -> Mapping[str, Any]:
    kept: Mapping[str, Any] = operation.parameters.get(KEPT_IN, {})
    return kept
