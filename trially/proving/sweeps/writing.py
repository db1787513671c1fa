"""Write rows of the other tenants of a database, in every table; every attempt is undone."""

import io
from collections.abc import Iterator, Sequence
from uuid import uuid4

import psycopg2
from psycopg2 import errors, sql

from trially.proving.attempts import Party
from trially.proving.sweeps.attackers import GRANTS, Attacker, Table, wall_of
from trially.proving.sweeps.canary_rows import canary_id

UPDATE, DELETE, LOCK = "update", "delete", "lock rows"
INSERT, UPSERT, COPY_IN = "insert", "insert with a conflict", "insert with COPY"
MOVE = "move a row to the tenant"
BEYOND_ROWS = ("TRUNCATE", "REFERENCES", "TRIGGER")
"""Privileges on tables that no policy binds, so that nobody may have them."""

CHANGES = {
    UPDATE: (
        "UPDATE",
        "UPDATE {table} SET tenant_id = tenant_id WHERE {theirs} RETURNING tenant_id",
    ),
    DELETE: ("DELETE", "DELETE FROM {table} WHERE {theirs} RETURNING tenant_id"),
    LOCK: ("UPDATE", "SELECT tenant_id FROM {table} WHERE {theirs} FOR UPDATE SKIP LOCKED"),
}
"""The privilege and the statement of each path that changes canary rows of all others at once."""

BELOW = "tenant_id < {me} AND id = {their_canary}"
ABOVE = "tenant_id > {me} AND id = {their_canary}"
"""Together the canary rows of all others. A policy contradicts both, so no row is read."""

BY_KEY = "(tenant_id, id) IN ({their_canaries})"
"""The canary rows of all others by their keys, which are looked up whatever the policies are."""


def write_all(attacker: Attacker) -> None:
    """Try every way to write rows of others."""
    attacker.act()
    tables = [table for table in attacker.tables if table.row and table.relation.has_key]
    if attacker.shares_tables:
        for path in CHANGES:
            _change(attacker, path, tables)
    for step, table in enumerate(tables):
        victim = attacker.victim(step)
        if victim is not None:
            _name_victim(attacker, table, victim)
    for table in attacker.tables:
        _use_more_than_rows(attacker, table)


def _change(attacker: Attacker, path: str, tables: Sequence[Table]) -> None:
    """Change the canary rows of all others, in all tables in one statement if it holds."""
    privilege, _ = CHANGES[path]
    allowed = [table for table in tables if table.allows("SELECT", privilege)]
    attacker.sweep.hold(path, GRANTS, len(tables) - len(allowed))
    trusted = [table for table in allowed if table.label not in attacker.sweep.suspects]
    try:
        statement = _change_sql(attacker, path, trusted, (BELOW, ABOVE))
        is_held = not trusted or not attacker.disguise.attempt(statement)
    except psycopg2.Error:
        is_held = False
    if is_held:
        attacker.sweep.hold(path, attacker.wall, len(trusted))
    for table in allowed:
        if not is_held or table not in trusted:
            _change_one(attacker, path, table)


def _change_one(attacker: Attacker, path: str, table: Table) -> None:
    try:
        reached = attacker.disguise.attempt(_change_sql(attacker, path, [table], (BY_KEY,)))
    except psycopg2.Error as error:
        _judge(attacker, path, table, error)
    else:
        _judge_rows(attacker, path, table, {row[0] for row in reached})


def _change_sql(
    attacker: Attacker, path: str, tables: Sequence[Table], conditions: Sequence[str]
) -> sql.Composable:
    """Return one statement that selects the tenants of the changed rows in all tables."""
    _, statement = CHANGES[path]
    names = {**attacker.names, "their_canaries": attacker.their_canaries}
    parts = [
        sql.SQL(statement).format(
            table=table.relation.qualified, theirs=sql.SQL(condition).format(**names)
        )
        for table in tables
        for condition in conditions
    ]
    changes = [sql.Identifier(f"change_{number}") for number in range(len(parts))]
    return sql.SQL("WITH {} {}").format(
        sql.SQL(", ").join(
            sql.SQL("{} AS ({})").format(name, part)
            for name, part in zip(changes, parts, strict=True)
        ),
        sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT tenant_id FROM {}").format(name) for name in changes
        ),
    )


def _name_victim(attacker: Attacker, table: Table, victim: Party) -> None:
    """Write a row with the id of one other tenant, in every way."""
    for path, privileges, statement in _statements(attacker, table, victim):
        if not table.allows(*privileges):
            attacker.sweep.hold(path, GRANTS)
            continue
        try:
            rows = attacker.disguise.attempt(statement)
        except psycopg2.Error as error:
            _judge(attacker, path, table, error, victim)
        else:
            _judge_rows(attacker, path, table, {row[0] for row in rows})
    if table.allows("INSERT"):
        _copy_in(attacker, table, victim)


def _statements(
    attacker: Attacker, table: Table, victim: Party
) -> Iterator[tuple[str, tuple[str, ...], sql.Composable]]:
    """Yield the path, the privileges and the statement of each way to name another tenant."""
    assert table.row is not None  # noqa: S101
    tenant_id, row = victim.tenant.id, table.row
    theirs = canary_id(attacker.run_id, tenant_id)
    returned = sql.SQL(" RETURNING {}").format(sql.Literal(str(tenant_id)))
    yield INSERT, ("INSERT",), row.insert_sql(tenant_id, theirs, uuid4()) + returned
    yield (
        UPSERT,
        ("SELECT", "INSERT", "UPDATE"),
        row.insert_sql(tenant_id, theirs)
        + sql.SQL(" ON CONFLICT (tenant_id, id) DO UPDATE SET tenant_id = excluded.tenant_id")
        + returned,
    )
    yield (
        MOVE,
        ("SELECT", "UPDATE"),
        sql.SQL("UPDATE {} SET tenant_id = {} WHERE tenant_id = {me} AND id = {canary}").format(
            table.relation.qualified, sql.Literal(str(tenant_id)), **attacker.names
        )
        + returned,
    )


def _copy_in(attacker: Attacker, table: Table, victim: Party) -> None:
    assert table.row is not None  # noqa: S101
    tenant_id = victim.tenant.id
    theirs = canary_id(attacker.run_id, tenant_id)
    line = "\t".join(table.row.texts(tenant_id, theirs, uuid4()))
    raw = attacker.disguise.raw
    try:
        with attacker.disguise.undone(), raw.cursor() as cursor:
            cursor.copy_expert(table.row.copy_sql(), io.StringIO(line + "\n"))
    except psycopg2.Error as error:
        _judge(attacker, COPY_IN, table, error, victim)
    else:
        _judge_rows(attacker, COPY_IN, table, {tenant_id})


def _use_more_than_rows(attacker: Attacker, table: Table) -> None:
    """Look for privileges on whole tables. TRUNCATE itself would lock the table for everyone."""
    for privilege in BEYOND_ROWS:
        path = f"privilege {privilege}"
        if not table.allows(privilege):
            attacker.sweep.hold(path, GRANTS)
        elif attacker.shares_tables:
            victims = [other.tenant.id for other in attacker.others]
            attacker.breach(victims, path, f"the role has {privilege} on {table.label}")


def _judge(
    attacker: Attacker,
    path: str,
    table: Table,
    error: psycopg2.Error,
    victim: Party | None = None,
) -> None:
    wall = wall_of(error)
    if wall is not None:
        attacker.sweep.hold(path, wall)
    elif victim and isinstance(error, errors.ForeignKeyViolation | errors.UniqueViolation):
        what = f"only a key refused the row in {table.label}, no wall"
        attacker.breach([victim.tenant.id], path, what)
    else:
        attacker.doubt(path, table, error)


def _judge_rows(attacker: Attacker, path: str, table: Table, tenant_ids: set[object]) -> None:
    if tenant_ids:
        attacker.breach(tenant_ids, path, f"the database wrote a row of {table.label}")
    else:
        attacker.sweep.hold(path, attacker.wall)
