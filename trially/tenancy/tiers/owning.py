"""Run statements as the role that owns the tables of placements."""

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.servers.access import FIRST_SERVER
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role


def run_as_owner(raw: connection, record: PlacementRecord, *statements: sql.Composable) -> None:
    """Run a batch in a placement's database, in one transaction.

    On the server of the catalog the commit need not wait for the disk, because the catalog's last
    commit of the operation flushes the same WAL up to its own position.
    """
    synchronous_commit = "off" if record.server.name == FIRST_SERVER else "on"
    begin = f"BEGIN; SET LOCAL synchronous_commit = {synchronous_commit}; SET LOCAL ROLE {{}};"
    owner = sql.Identifier(owner_role(current_settings()))
    try:
        execute(
            raw, sql.SQL("").join((sql.SQL(begin).format(owner), *statements, sql.SQL("COMMIT")))
        )
    except BaseException:
        if not raw.closed:
            execute(raw, "ROLLBACK")
        raise
