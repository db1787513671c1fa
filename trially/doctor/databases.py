"""A database that holds tenants, as the doctor examines it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.doctor.comparing.names import Names, Unit
from trially.doctor.comparing.snapshots import Snapshot, prepare_session
from trially.doctor.fleet import Fleet, TenantDatabase
from trially.doctor.reference_databases import Reference
from trially.doctor.references import ServerReferences
from trially.tenancy.schema.templates import TENANT_SCHEMA
from trially.tenancy.servers.connections import execute

REVISION_TABLE = "alembic_version"


@dataclass(frozen=True)
class ExaminedDatabase:
    """A database as the catalog expects it, and a connection of its administrator to it."""

    expected: TenantDatabase
    raw: connection
    fleet: Fleet
    references: ServerReferences

    @cached_property
    def schemas(self) -> set[str]:
        """The schemas that exist, except PostgreSQL's own."""
        return {
            name
            for (name,) in self.rows(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
                " AND nspname <> 'information_schema'"
            )
        }

    @cached_property
    def first_schema(self) -> str:
        """The schema that tells the revision of what all tenants of the database share."""
        return self.expected.tier.blank_schema or TENANT_SCHEMA

    @cached_property
    def revisions(self) -> Mapping[str, list[str]]:
        """The revisions that each schema with a revision table has; exactly one is right."""
        revisions: dict[str, list[str]] = {
            schema: [] for schema in self.schemas_with(REVISION_TABLE)
        }
        for schema, revision in self.of_each(revisions, REVISION_TABLE, "version_num"):
            revisions[schema].append(revision)
        return revisions

    @cached_property
    def names(self) -> Names:
        """The names of the database's tenants."""
        records = self.expected.records
        if self.expected.tier.switches_roles:
            return Names(
                self.expected.login_role,
                units=[
                    Unit(each.schema, each.role, str(each.tenant_id))
                    for each in (*records, *self.expected.inactive)
                ],
            )
        is_shared = self.expected.tier.shares_database or not records
        return Names(self.expected.login_role, "" if is_shared else str(records[0].tenant_id))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The rows of the database's catalogs."""
        return Snapshot(self.raw, self.references.reader, self.names)

    def revision_of(self, schema: str) -> str | None:
        """Return the revision to compare a schema at: its own, or the head if it has none.

        None means that this version of the app does not know the revision.
        """
        revisions = self.revisions.get(schema, [])
        if len(revisions) != 1:
            return self.fleet.head
        return revisions[0] if revisions[0] in self.fleet.revisions else None

    def reference_at(self, revision: str) -> Reference:
        """Return the reference of the database's tier at a revision."""
        return self.references.of_tier(self.expected.tier, revision)

    def schemas_with(self, table: str) -> list[str]:
        """Return the tenants' schemas that have a table of this name."""
        rows = self.rows(
            "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE relname = %s AND relkind IN ('r', 'p') AND nspname = ANY(%s) ORDER BY 1",
            table,
            sorted(self.expected.schemas),
        )
        return [name for (name,) in rows]

    def of_each(self, schemas: Collection[str], table: str, columns: str) -> list[Any]:
        """Return columns of one table in each of several schemas, in one query."""
        if not schemas:
            return []
        parts = [
            sql.SQL("SELECT {}, " + columns + " FROM {}").format(
                sql.Literal(schema), sql.Identifier(schema, table)
            )
            for schema in sorted(schemas)
        ]
        return self.rows(sql.SQL(" UNION ALL ").join(parts))

    def rows(self, statement: str | sql.Composable, *parameters: Any) -> list[Any]:
        """Run a query in the database, and return its rows."""
        return execute(self.raw, statement, *parameters)


@contextmanager
def opened(
    expected: TenantDatabase, fleet: Fleet, references: ServerReferences
) -> Iterator[ExaminedDatabase]:
    """Connect to a database that holds tenants. The session cannot write."""
    with references.access.administer(expected.name) as raw:
        prepare_session(raw)
        yield ExaminedDatabase(expected, raw, fleet, references)
