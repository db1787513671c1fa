"""Clones of tenants' tables, for rehearsals: closed databases that are dropped at the end.

A clone has the rows of its tenants, so that only the administrator can connect to it.
"""

import logging
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.databases import (
    as_owner,
    create_closed_database,
    drop_database,
    open_database,
    template_prefix,
)
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.schema.templates import TENANT_SCHEMA, create_tables
from trially.tenancy.servers.access import ServerAccess, server_access
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.tiers import TIERS
from trially.tenancy.tiers.tenant_tables import row_security_sql

log = logging.getLogger(__name__)

SPOOLED_BYTES = 16 * 1024 * 1024
"""A table's rows are kept in memory up to this size, and then in an unlinked temporary file."""

_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"

_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')
AND NOT relispartition AND relname <> 'alembic_version' ORDER BY relname
"""
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = %s::regnamespace AND contype = 'f' AND conparentid = 0
"""


@contextmanager
def cloned(place: Place, revision: str) -> Iterator[Place]:
    """Yield a clone of a place, whose tables are at `revision`; drop it when the block ends.

    An advisory lock on its name is held meanwhile, so that others know that it is in use.
    """
    access = server_access(place.server)
    name = f"{_prefix()}{secrets.token_hex(4)}"
    with access.administer() as raw:
        execute(raw, _LOCK, name)
        try:
            create_closed_database(raw, name, "template0")
            open_database(raw, name)
            _fill(access, place, name, revision)
            yield Place(place.server, name, TENANT_SCHEMA, place.tier, _records(place, name))
        finally:
            drop_database(raw, name)
            execute(raw, _UNLOCK, name)


def drop_dead_clones(raw: connection) -> None:
    """Drop the clones of processes that were killed: their advisory locks are free.

    `raw` leads to a server's maintenance database, where the locks are. A clone that cannot be
    dropped is logged, because it keeps nothing else from its work.
    """
    rows = execute(raw, "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", _prefix())
    for (name,) in rows:
        [(is_free,)] = execute(raw, _TRY_LOCK, name)
        if is_free:
            try:
                drop_database(raw, name)
            except psycopg2.Error as error:
                log.warning("Drop the database %s, a clone: %s", name, describe_failure(error))
            execute(raw, _UNLOCK, name)


def size_of(place: Place) -> int:
    """Return the bytes of a place's tables."""
    with server_access(place.server).administer(place.database) as raw:
        ((size,),) = execute(
            raw,
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
            " WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r'",
            place.schema,
        )
    return int(size)


def _fill(access: ServerAccess, place: Place, name: str, revision: str) -> None:
    with as_owner(access, name) as clone, as_owner(access, place.database) as source:
        create_tables(clone, revision)
        to, from_ = driver_connection(clone), driver_connection(source)
        from_.rollback()
        from_.set_session(isolation_level="REPEATABLE READ", readonly=True)
        keys = execute(to, _FOREIGN_KEYS, TENANT_SCHEMA)
        for table, key, _ in keys:
            execute(to, f'ALTER TABLE {table} DROP CONSTRAINT "{key}"')
        for (table,) in execute(to, _TABLES, TENANT_SCHEMA):
            for record in place.records:
                _copy(from_, to, record, table)
        for table, key, definition in keys:
            execute(to, f'ALTER TABLE {table} ADD CONSTRAINT "{key}" {definition}')
        if TIERS[place.tier].has_row_security:
            execute(to, row_security_sql(TENANT_SCHEMA))
        to.commit()
        from_.rollback()


def _copy(source: connection, clone: connection, record: PlacementRecord, table: str) -> None:
    """Copy the rows of one tenant. In shared tables, row security shows one tenant's at a time."""
    execute(source, "SELECT set_config('trially.tenant_id', %s, true)", str(record.tenant_id))
    columns = [
        column
        for (column,) in execute(
            clone,
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = ''",
            f"{TENANT_SCHEMA}.{table}",
        )
    ]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    read = sql.SQL("COPY (SELECT {} FROM {} WHERE tenant_id = {}) TO STDOUT").format(
        names, sql.Identifier(record.schema, table), sql.Literal(str(record.tenant_id))
    )
    write = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(TENANT_SCHEMA, table), names)
    with (
        tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as rows,
        source.cursor() as reading,
        clone.cursor() as writing,
    ):
        reading.copy_expert(read, rows)
        rows.seek(0)
        writing.copy_expert(write, rows)


def _records(place: Place, database: str) -> Sequence[PlacementRecord]:
    """Return unsaved placements in a clone, one for each of the place's tenants."""
    records = []
    for record in place.records:
        clone = PlacementRecord(
            tier=record.tier, database=database, schema=TENANT_SCHEMA, role=record.role, epoch=1
        )
        clone.tenant_id, clone.server, clone.revision = (
            record.tenant_id,
            record.server,
            record.revision,
        )
        records.append(clone)
    return records


def _prefix() -> str:
    return f"{template_prefix()}rehearsal_"
