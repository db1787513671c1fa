"""Count what a tenant uses of its quotas, as its database has it now."""

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.entitlements.limits import QUOTAS, Limit
from trially.tenancy.plans.counted import COUNTED
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

_IS_THERE = "SELECT to_regclass(%s) IS NOT NULL"


def count_use(record: PlacementRecord) -> dict[Limit, int]:
    """Return how much of each quota a tenant uses. It is counted, whatever the triggers counted.

    Raises psycopg2's `Error` if the tenant's server does not answer.
    """
    with server_access(record.server.name).administer(record.database) as raw:
        return {limit: _count(raw, record, limit) for limit in QUOTAS}


def _count(raw: connection, record: PlacementRecord, limit: Limit) -> int:
    query, table = COUNTED[limit]
    [(is_there,)] = execute(raw, _IS_THERE, f"{record.schema}.{table}")
    if not is_there:  # The tenant is not migrated yet.
        return 0
    statement = sql.SQL(query).format(
        schema=sql.Identifier(record.schema),
        table=sql.Identifier(table),
        tenant_id=sql.Literal(str(record.tenant_id)),
    )
    [(used,)] = execute(raw, statement)
    return int(used)
