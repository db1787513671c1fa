"""Whether the tables of both sides of a move are the same, and whether they are at rest."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from psycopg2 import sql
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.estimating import show_rows_of
from trially.tenancy.schema.databases import database_exists
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

SHOWN_TABLES = 5

WORKING_SECONDS = 60
"""A backfill that has ended a batch so recently is taken for one that a process works on."""

_PARTS = """
WITH tables AS (
    SELECT oid, relname, relreplident FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'p')
        AND NOT relispartition
)
SELECT relname, (attname, format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity,
    attgenerated, array_position(conkey, attnum), relreplident)::text
FROM tables
JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_constraint ON conrelid = tables.oid AND contype = 'p'
UNION ALL
SELECT relname, (contype, conname, convalidated)::text
FROM tables JOIN pg_constraint ON conrelid = tables.oid AND conparentid = 0 AND contype <> 'n'
    AND conname <> %s
UNION ALL
SELECT tables.relname, ('index', named.relname, indisunique, indisvalid)::text
FROM tables
JOIN pg_index ON indrelid = tables.oid
JOIN pg_class AS named ON named.oid = indexrelid
"""
"""What the tables consist of, each part as a text.

Columns have their type, whether they have a default, their place in the primary key, and the
table's replica identity. Constraints and indexes are told apart by their names, because servers
and restored dumps print the same expression differently. PostgreSQL 18 alone has constraints for
NOT NULL, so those are not compared. Nor is the check of the tenant, which some tiers have.
"""


@dataclass(frozen=True)
class Tables:
    """The revision of one side, and what its tables consist of."""

    revision: str | None
    parts: Mapping[str, frozenset[str]]
    """The columns, constraints and indexes of each table, each as a text that describes it."""


def read_tables(raw: connection, schema: str) -> Tables:
    """Return the tables of a schema."""
    parts: dict[str, set[str]] = {}
    for table, part in execute(raw, _PARTS, schema, TENANT_CHECK):
        parts.setdefault(table, set()).add(part)
    return Tables(
        read_revision(raw, schema), {table: frozenset(each) for table, each in parts.items()}
    )


def read_tables_of(record: PlacementRecord) -> Tables:
    """Return the tables of a placement."""
    with server_access(record.server.name).administer(record.database) as raw:
        return read_tables(raw, record.schema)


def read_new_tables(server: Server, tier: Tier, tenant_id: UUID) -> Tables:
    """Return the tables that a new placement of a tenant in a tier on a server would have.

    They are those of the shared database that has room, or of a clone of the server's template. The
    clone is dropped, and the catalog is only read.
    """
    with Session(control_engine()) as session:
        database = TIERS[tier].find_database(session, server, tenant_id)
    access = server_access(server.name)
    if database is not None:
        with access.administer() as raw:
            exists = database_exists(raw, database)
        if exists:
            with access.administer(database) as raw:
                return read_tables(raw, TIERS[tier].blank_schema or TENANT_SCHEMA)
    with scratch_database(access) as scratch:
        return read_tables(driver_connection(scratch), TENANT_SCHEMA)


def compare_tables(source: Tables, target: Tables) -> Iterator[Blocker]:
    """Yield how the tables of both sides differ: in their revision, or without one."""
    if source.revision != target.revision:
        yield Blocker(
            "different_revisions",
            f"The tenant's tables are at revision {source.revision}, and those of the target at"
            f" {target.revision}.",
            "Run `flask tenants migrate --all`, so that both are at the newest one.",
        )
        return
    names = source.parts.keys() | target.parts.keys()
    different = [name for name in sorted(names) if source.parts.get(name) != target.parts.get(name)]
    if different:
        yield Blocker(
            "drift",
            "Both sides are at the same revision, and yet these tables differ:"
            f" {_listed(different)}.",
            "`flask tenants diff` shows how. Make them equal.",
        )


def check_backfills(raw: connection, source: PlacementRecord) -> Iterator[Blocker]:
    """Yield the backfills of the tenant that a process works on."""
    table = sql.Identifier(source.schema, "backfill_progress")
    if execute(raw, "SELECT to_regclass(%s)", table.as_string(raw)) == [(None,)]:
        return
    show_rows_of(raw, source)
    working = sql.SQL(
        "SELECT name FROM {} WHERE tenant_id = %s AND state = 'running'"
        " AND updated_at > now() - make_interval(secs => %s) ORDER BY name"
    ).format(table)
    for (name,) in execute(raw, working, str(source.tenant_id), WORKING_SECONDS):
        yield Blocker(
            "backfill",
            f"The backfill {name} of the tenant is running.",
            "Wait until `flask tenants backfill status` says that it is done, or stop its process.",
        )


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:SHOWN_TABLES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
