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
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.schema.append_only import APPEND_ONLY
from trially.tenancy.servers.connections import execute

_UNUSABLE = """
SELECT name FROM unnest(%s) AS tables (name)
WHERE to_regclass(name) IS NULL OR NOT (
    has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND (name = ANY(%s)
        OR has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))
) ORDER BY name
"""
_CHANGEABLE = """
SELECT name FROM unnest(%s) AS tables (name)
WHERE has_any_column_privilege(name, 'UPDATE') OR has_table_privilege(name, 'DELETE')
ORDER BY name
"""
"""Selects the append-only tables whose rows the role may change. The sweeps find TRUNCATE."""


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
    tables = TenantModel.metadata.sorted_tables
    names = [table.name for table in tables]
    logs = [table.name for table in tables if APPEND_ONLY.items() <= table.info.items()]
    changeable: list[str] = []
    try:
        execute(raw, party.placement.opening)
        unusable = [name for (name,) in execute(raw, _UNUSABLE, names, logs)]
        if not unusable:
            changeable = [name for (name,) in execute(raw, _CHANGEABLE, logs)]
        execute(raw, "ROLLBACK")
    except psycopg2.Error as error:
        if not raw.closed:
            execute(raw, "ROLLBACK")
        return f"its role cannot enter its placement ({_name(error)})"
    if unusable:
        return f"its role cannot use the table {', '.join(unusable)}"
    if changeable:
        return f"its role can change rows of the log {', '.join(changeable)}"
    return None


def _name(error: psycopg2.Error) -> str:
    return f"SQLSTATE {error.pgcode}" if error.pgcode else type(error).__name__
