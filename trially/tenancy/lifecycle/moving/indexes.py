"""Create the indexes of a new placement after its rows, which takes a fraction of the time.

Indexes of primary keys and of other constraints stay: they are needed to find rows again.
"""

from collections.abc import Iterable, Mapping

from psycopg2 import sql
from sqlalchemy import update

from trially.tenancy.catalog import Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.sides import SideSession

_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class tables ON tables.oid = indrelid
WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND NOT relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY 1
"""
_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"

KEPT_IN = "indexes"
"""The parameter of the operation with the definitions, so that a killed move loses none."""


def set_indexes_aside(target: SideSession, operation: Operation) -> None:
    """Drop the indexes of tables that the tenant has alone, unless they are set aside already.

    The definitions are stored before the first one is dropped.
    """
    if target.side.shares_tables or KEPT_IN in operation.parameters:
        return
    indexes = dict(target.run(_INDEXES, target.side.schema))
    _keep(operation, indexes)
    _drop(target, indexes)


def create_indexes(target: SideSession, operation: Operation) -> None:
    """Create the indexes that were set aside and do not exist."""
    indexes: Mapping[str, str] = operation.parameters.get(KEPT_IN, {})
    for name, definition in indexes.items():
        if target.run(_EXISTS, name) == [(False,)]:
            target.run(definition)


def _keep(operation: Operation, definitions: Mapping[str, str]) -> None:
    operation.parameters = {**operation.parameters, KEPT_IN: definitions}
    with catalog_transaction() as session:
        session.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(parameters=operation.parameters)
        )


def _drop(target: SideSession, indexes: Iterable[str]) -> None:
    for name in indexes:
        target.run(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.SQL(name)))
