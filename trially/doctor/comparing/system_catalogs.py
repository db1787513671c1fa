"""PostgreSQL's system catalogs, as a server describes its own: columns, keys and references.

Nothing here lists the columns of a catalog, so those of a newer PostgreSQL are compared as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import connection

from trially.tenancy.servers.connections import execute

IGNORED = {
    "pg_statistic": "holds statistics of the data, which ANALYZE replaces",
    "pg_statistic_ext_data": "holds statistics of the data, which ANALYZE replaces",
    "pg_description": "holds comments, which grant nothing and run nothing",
    "pg_shdescription": "holds comments, which grant nothing and run nothing",
    "pg_depend": "decides what DROP drops; it follows from the objects, which are compared",
    "pg_shdepend": "decides what DROP ROLE refuses; it follows from the objects' owners and grants",
    "pg_largeobject": "holds data; owners and grants are in pg_largeobject_metadata",
}
"""The catalogs that are not compared, and why. Every other catalog is, also an unknown one."""

_COLUMNS = """
SELECT relname, relisshared, attname, format_type(atttypid, NULL),
    has_column_privilege(pg_class.oid, attnum, 'SELECT')
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND attnum > 0
AND NOT attisdropped ORDER BY relname, attnum
"""

_KEYS = """
SELECT indrelid::regclass::text, array_agg(attname::text ORDER BY place)
FROM pg_index CROSS JOIN unnest(indkey::int2[]) WITH ORDINALITY AS keys (number, place)
JOIN pg_attribute ON attrelid = indrelid AND attnum = number
WHERE indisprimary AND indrelid < 16384 GROUP BY indrelid
"""

_REFERENCES = """
SELECT fktable::regclass::text, fkcols, pktable::regclass::text, is_array, is_opt
FROM pg_get_catalog_foreign_keys()
"""


@dataclass(frozen=True)
class Reference:
    """Columns of a catalog that hold the key of a row in another catalog."""

    columns: Sequence[str]
    target: str
    is_array: bool
    is_optional: bool


@dataclass(frozen=True)
class SystemCatalog:
    """A table of the schema pg_catalog."""

    name: str
    is_shared: bool
    columns: Mapping[str, str]
    """The types of the columns that the administrator may read, by name."""

    key: Sequence[str]
    references: Sequence[Reference] = ()
    unreadable: Sequence[str] = field(default=())
    """The columns that the administrator may not read."""

    def reference_of(self, column: str) -> Reference | None:
        """Return the reference of a single column, or None if it holds a plain value."""
        for reference in self.references:
            if list(reference.columns) == [column]:
                return reference
        return None

    def attribute_reference_of(self, column: str) -> Reference | None:
        """Return the reference in which a column holds numbers of another table's columns."""
        for reference in self.references:
            if reference.target == "pg_attribute" and reference.columns[-1] == column:
                return reference
        return None


def read_system_catalogs(raw: connection) -> dict[str, SystemCatalog]:
    """Return all system catalogs that are compared, by name. `raw` may be of any database."""
    keys = dict(execute(raw, _KEYS))
    references: dict[str, list[Reference]] = {}
    for table, columns, target, is_array, is_optional in execute(raw, _REFERENCES):
        references.setdefault(table, []).append(Reference(columns, target, is_array, is_optional))
    readable: dict[str, dict[str, str]] = {}
    unreadable: dict[str, list[str]] = {}
    shared: set[str] = set()
    for table, is_shared, column, kind, is_readable in execute(raw, _COLUMNS):
        readable.setdefault(table, {})
        if is_readable:
            readable[table][column] = kind
        else:
            unreadable.setdefault(table, []).append(column)
        if is_shared:
            shared.add(table)
    return {
        name: SystemCatalog(
            name,
            name in shared,
            columns,
            keys.get(name, ()),
            references.get(name, ()),
            unreadable.get(name, ()),
        )
        for name, columns in readable.items()
        if name not in IGNORED
    }
