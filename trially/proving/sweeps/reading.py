"""Read the rows of all other tenants of a database, in every table, in one statement if it holds.

The reports count rows and name tables and tenants; no statement returns a value of a row except the
tenant's id.
"""

import io
from collections.abc import Callable, Sequence

import psycopg2
from psycopg2 import sql

from trially.proving.attempts import Party
from trially.proving.sweeps.attackers import GRANTS, Attacker, Table, wall_of
from trially.proving.sweeps.relations import Relation
from trially.tenancy.servers.connections import execute

QUALIFIED = "read by qualified name"
COPIED = "read through the search_path, with COPY"
AS_OWNER = "read as the tables' owner, as views and functions do"
PREPARED = "read with a statement that another tenant prepared"

ROWS_LISTED = 1_000
"""The most rows that are read to find out whose they are."""

_Name = Callable[[Relation], sql.Composable]


def qualified(relation: Relation) -> sql.Composable:
    """Return the qualified name."""
    return relation.qualified


def unqualified(relation: Relation) -> sql.Composable:
    """Return the name alone, which PostgreSQL looks up in the search_path."""
    return relation.unqualified


def read_all(attacker: Attacker) -> None:
    """Read every table by its qualified name, by COPY, and as the owner in a function would."""
    tables = [table for table in attacker.tables if table.allows("SELECT")]
    attacker.act()
    _read(attacker, QUALIFIED, tables, _fetch)
    _read(attacker, COPIED, tables, _copy_out)
    if attacker.shares_tables:
        attacker.disguise.act_as_owner(attacker.party)
        _read(attacker, AS_OWNER, [table for table in tables if table.relation.is_table], _fetch)
    for table in attacker.tables:
        if not table.allows("SELECT"):
            attacker.sweep.hold(QUALIFIED, GRANTS)


def prepare_reads(attacker: Attacker) -> None:
    """Prepare the read of every table as one tenant, for others to execute.

    Tables in which a hole is known are left out.
    """
    tables = [table for table in attacker.tables if table.allows("SELECT")]
    attacker.act()
    execute(attacker.disguise.raw, "DEALLOCATE ALL")
    if trusted := _trusted(attacker, tables):
        statement = look_sql(trusted, sql.SQL("$1"), qualified)
        execute(attacker.disguise.raw, sql.SQL("PREPARE reads (uuid) AS ") + statement)


def read_prepared(attacker: Attacker, preparer: Party) -> None:
    """Execute what another tenant prepared on this connection."""
    tables = [table for table in attacker.tables if table.allows("SELECT")]
    attacker.act()
    if attacker.shares_tables:
        _read(attacker, PREPARED, tables, lambda attacker, _: _execute(attacker))
        return
    try:
        has_seen = bool(_execute(attacker))
    except psycopg2.Error as error:
        wall = wall_of(error)
        if wall is None:
            reason = f"SQLSTATE {error.pgcode}"
            attacker.sweep.doubt(preparer.slug, attacker.party, PREPARED, reason)
        else:
            attacker.sweep.hold(PREPARED, wall)
        return
    if has_seen:
        what = "the statement returned the rows of the tenant that prepared it"
        attacker.breach([preparer.tenant.id], PREPARED, what)
    else:
        attacker.sweep.hold(PREPARED, attacker.wall)


def _execute(attacker: Attacker) -> set[str]:
    statement = sql.SQL("EXECUTE reads ({me})").format(**attacker.names)
    return {label for label, sees in attacker.disguise.attempt(statement) if sees}


def look_sql(tables: Sequence[Table], me: sql.Composable, name_of: _Name) -> sql.Composable:
    """Return a SELECT of each table's name, and whether a row of another tenant is visible.

    Where a wall holds, the conditions contradict it, so no row is read: the indexes begin with the
    tenant.
    """
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}::text, {}").format(
            sql.Literal(table.label), _sees_others(table.relation, me, name_of)
        )
        for table in tables
    )


def _sees_others(relation: Relation, me: sql.Composable, name_of: _Name) -> sql.Composable:
    tenant = relation.column("tenant_id")
    if tenant is None:
        condition = "EXISTS (SELECT FROM {table})"
    elif tenant.base_type == "uuid":
        condition = (
            "EXISTS (SELECT FROM {table} WHERE tenant_id < {me})"
            " OR EXISTS (SELECT FROM {table} WHERE tenant_id > {me})"
        )
    else:
        condition = "EXISTS (SELECT FROM {table} WHERE tenant_id::text <> {me}::text)"
    return sql.SQL(condition).format(table=name_of(relation), me=me)


_Run = Callable[[Attacker, Sequence[Table]], set[str]]


def _fetch(attacker: Attacker, tables: Sequence[Table]) -> set[str]:
    """Return the names of the tables in which rows of others are visible."""
    statement = look_sql(tables, attacker.names["me"], qualified)
    return {label for label, sees in attacker.disguise.attempt(statement) if sees}


def _copy_out(attacker: Attacker, tables: Sequence[Table]) -> set[str]:
    statement = look_sql(tables, attacker.names["me"], unqualified)
    file, copy = io.StringIO(), sql.SQL("COPY ({}) TO STDOUT").format(statement)
    raw = attacker.disguise.raw
    with attacker.disguise.undone(), raw.cursor() as cursor:
        cursor.copy_expert(copy, file)
    rows = (line.split("\t") for line in file.getvalue().splitlines())
    return {label for label, sees in rows if sees == "t"}


def _read(attacker: Attacker, path: str, tables: Sequence[Table], run: _Run) -> None:
    trusted = _trusted(attacker, tables)
    try:
        suspects = run(attacker, trusted) if trusted else set()
    except psycopg2.Error:
        suspects = {table.label for table in trusted}
    held = sum(table.label not in suspects for table in trusted)
    attacker.sweep.hold(path, attacker.wall, held)
    for table in tables:
        if table.label in suspects:
            _read_one(attacker, path, table, run)
        elif table not in trusted:
            _read_one(attacker, path, table, _fetch if path == PREPARED else run)


def _trusted(attacker: Attacker, tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.label not in attacker.sweep.suspects]


def _read_one(attacker: Attacker, path: str, table: Table, run: _Run) -> None:
    """Read one table, in which rows of others may be visible, and find out whose they are."""
    try:
        seen = {str(row[0]) for row in attacker.disguise.attempt(_canaries_sql(attacker, table))}
        is_enough = table.label in attacker.sweep.suspects and table.relation.has_key
        if not seen and not is_enough and table.label in run(attacker, [table]):
            seen = {str(row[0]) for row in attacker.disguise.attempt(_owners_sql(attacker, table))}
    except psycopg2.Error as error:
        wall = wall_of(error)
        if wall is None:
            attacker.sweep.suspects.add(table.label)
            attacker.doubt(path, table, error)
        else:
            attacker.sweep.hold(path, wall)
        return
    if seen:
        attacker.sweep.suspects.add(table.label)
        attacker.breach(seen, path, f"rows of {table.label} are visible")
    else:
        attacker.sweep.hold(path, attacker.wall)


def _canaries_sql(attacker: Attacker, table: Table) -> sql.Composable:
    """Return a SELECT of the tenants whose canary rows are visible, which is fast in any case."""
    if not table.relation.has_key:
        return sql.SQL("SELECT NULL WHERE false")
    return sql.SQL("SELECT tenant_id FROM {} AS theirs WHERE (tenant_id, id) IN ({})").format(
        table.relation.qualified, attacker.their_canaries
    )


def _owners_sql(attacker: Attacker, table: Table) -> sql.Composable:
    """Return a SELECT of the tenants that own the first visible rows."""
    if not table.relation.has_tenant:
        victim = attacker.victim(0)
        slug = victim.tenant.id if victim else attacker.party.tenant.id
        return sql.SQL("SELECT {}").format(sql.Literal(str(slug)))
    return sql.SQL(
        "SELECT DISTINCT tenant_id FROM (SELECT tenant_id FROM {table}"
        " WHERE tenant_id::text <> {me} LIMIT {most}) AS visible"
    ).format(table=table.relation.qualified, me=attacker.names["me"], most=sql.Literal(ROWS_LISTED))
