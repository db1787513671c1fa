"""The one snapshot of all rows of an archive, which lacks none of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from trially.tenancy.archives.errors import HiddenRowsError, MovedMeanwhileError
from trially.tenancy.catalog import Tenant
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable, read_tables
from trially.tenancy.schema.revisions import read_revision

_HIDING = """
SELECT relname FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')
    AND row_security_active(pg_class.oid) AND (
        current_setting('trially.tenant_id', true) IS DISTINCT FROM %s
        OR ARRAY[%s] IS DISTINCT FROM ARRAY(
            SELECT concat_ws(' ', polpermissive, polcmd, polroles, pg_get_expr(polqual, polrelid))
            FROM pg_policy WHERE polrelid = pg_class.oid
        )
    )
ORDER BY relname
"""
_POLICY = (
    "t * {0} (tenant_id = (NULLIF(current_setting('trially.tenant_id'::text, true),"
    " ''::text))::uuid)"
)
"""The only policy of each table, for all roles and statements, as PostgreSQL prints it."""


@dataclass(frozen=True)
class Snapshot:
    """What an archive is made of."""

    at: dt.datetime
    revision: str
    tables: Sequence[MovedTable]


def take_snapshot(session: SideSession, tenant: Tenant) -> Snapshot:
    """Begin the transaction that reads all rows of a tenant as they are now.

    The tables are locked before, because a snapshot does not see the rows of a table that is
    rewritten after it. Raises `MovedMeanwhileError` or `HiddenRowsError`.
    """
    side = session.side
    tables = list(read_tables(side).values())
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    names = sql.SQL(", ").join(side.table(table.name) for table in tables)
    session.run(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
    [(at,)] = session.run("SELECT now()")
    _refuse_hidden(session)
    if list(read_tables(side).values()) != tables or _has_moved(tenant):
        raise MovedMeanwhileError(
            f"The tables of {tenant.slug} were moved or migrated when the backup began. Run it"
            " again."
        )
    return Snapshot(at, str(read_revision(session.raw, side.schema)), tables)


def _has_moved(tenant: Tenant) -> bool:
    """Return whether the snapshot may be of a placement that the tenant has left.

    A move closes the placement before the catalog names the next one. So a snapshot that was taken
    before this query has all rows.
    """
    placement = get_tenant(str(tenant.id)).placement
    return (placement.id, placement.epoch) != (tenant.placement.id, tenant.placement.epoch)


def _refuse_hidden(session: SideSession) -> None:
    """Raise `HiddenRowsError` if a policy other than that of the tenant's id decides."""
    side = session.side
    hiding = [name for (name,) in session.run(_HIDING, side.schema, str(side.tenant_id), _POLICY)]
    if hiding:
        raise HiddenRowsError(
            f"Row-level security of {', '.join(hiding)} may hide rows of the tenant, so the archive"
            " could lack them. `flask doctor` shows the policies that differ."
        )
