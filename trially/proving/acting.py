"""Find the tenants that cannot act in their own database: of them, and with them, nothing is shown.

A role that cannot log in, or lacks a privilege, would make its attacks on others inconclusive.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection

from trially.database.connecting import Login, connect
from trially.database.model import TenantModel
from trially.proving.attempts import Party
from trially.tenancy.catalog import TenantStatus
from trially.tenancy.servers.connections import execute

_UNUSABLE = """
SELECT name FROM unnest(%s) AS tables (name)
WHERE to_regclass(name) IS NULL OR NOT (
    has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE')
) ORDER BY name
"""


def find_powerless(placed: Sequence[Party]) -> Iterator[tuple[UUID, str]]:
    """Yield the id of each active tenant of one database that cannot use its tables, and why."""
    active = [party for party in placed if party.tenant.status == TenantStatus.ACTIVE]
    if not active:
        return
    placement = active[0].placement
    try:
        raw = Login(placement.url, placement.other_password).open(
            partial(connect, application_name="trially-proof")
        )
    except psycopg2.Error as error:
        refusal = f"the role {active[0].login_role} cannot log in ({_name(error)})"
        yield from ((party.tenant.id, refusal) for party in active)
        return
    with closing(raw):
        for party in active:
            reason = _reason(raw, party)
            if reason is not None:
                yield party.tenant.id, reason


def _reason(raw: connection, party: Party) -> str | None:
    tables = [table.name for table in TenantModel.metadata.sorted_tables]
    try:
        execute(raw, party.placement.opening)
        unusable = [name for (name,) in execute(raw, _UNUSABLE, tables)]
        execute(raw, "ROLLBACK")
    except psycopg2.Error as error:
        if not raw.closed:
            execute(raw, "ROLLBACK")
        return f"its role cannot enter its placement ({_name(error)})"
    if unusable:
        return f"its role cannot use the table {', '.join(unusable)}"
    return None


def _name(error: psycopg2.Error) -> str:
    return f"SQLSTATE {error.pgcode}" if error.pgcode else type(error).__name__
