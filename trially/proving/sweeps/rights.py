"""The privileges of a role on all tables and views of a database, in one statement."""

from dataclasses import dataclass

from psycopg2.extensions import connection

from trially.proving.sweeps.relations import REVISION_TABLE
from trially.tenancy.servers.connections import execute

_RIGHTS = """
WITH usable AS MATERIALIZED (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND has_schema_privilege(oid, 'USAGE')
)
SELECT nspname, relname, held FROM usable
JOIN pg_class ON relnamespace = usable.oid
CROSS JOIN LATERAL (SELECT array_remove(ARRAY[
    CASE WHEN has_any_column_privilege(pg_class.oid, 'SELECT') THEN 'SELECT' END,
    CASE WHEN has_any_column_privilege(pg_class.oid, 'INSERT') THEN 'INSERT' END,
    CASE WHEN has_any_column_privilege(pg_class.oid, 'UPDATE') THEN 'UPDATE' END,
    CASE WHEN has_table_privilege(pg_class.oid, 'DELETE') THEN 'DELETE' END,
    CASE WHEN has_table_privilege(pg_class.oid, 'TRUNCATE') THEN 'TRUNCATE' END,
    CASE WHEN has_any_column_privilege(pg_class.oid, 'REFERENCES') THEN 'REFERENCES' END,
    CASE WHEN has_table_privilege(pg_class.oid, 'TRIGGER') THEN 'TRIGGER' END
], NULL)) AS privileges (held)
WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> %s AND held <> '{}'
"""

BEYOND_ROWS = frozenset({"TRUNCATE", "REFERENCES", "TRIGGER"})
"""Privileges that row-level security does not bind."""


@dataclass(frozen=True)
class Reached:
    """A table or view that a role may use."""

    schema: str
    name: str
    privileges: frozenset[str]

    @property
    def label(self) -> str:
        """The qualified name, for reports."""
        return f"{self.schema}.{self.name}"


def reached_relations(raw: connection) -> list[Reached]:
    """Return the tables and views on which the current role has a privilege."""
    rows = execute(raw, _RIGHTS, REVISION_TABLE)
    return [Reached(schema, name, frozenset(privileges)) for schema, name, privileges in rows]
