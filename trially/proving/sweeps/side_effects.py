"""Let a tenant change its own canary rows, and look for what else its statements changed.

A trigger or a rule may write to other tables, or into another tenant. PostgreSQL counts the rows
that a transaction has written to each table, so nothing that a statement sets off stays unseen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

from trially.proving.sweeps.attackers import GRANTS, Attacker, Table, wall_of
from trially.proving.sweeps.disguises import Disguise
from trially.proving.sweeps.planting import planted_tables
from trially.tenancy.servers.connections import execute

INSERT, UPDATE, DELETE = "its own insert", "its own update", "its own delete"
"""The paths, in the order in which they are taken."""

_PRIVILEGES = {INSERT: "INSERT", UPDATE: "UPDATE", DELETE: "DELETE"}
_NOTHING_ELSE, _OWN_ROWS = "no other row was written", "all other rows written are its own"

_WRITTEN = """
SELECT nspname, relname, deleted, inserted, updated FROM (
    SELECT coalesce(pg_partition_root(oid)::oid, oid) AS root,
        sum(pg_stat_get_xact_tuples_deleted(oid))::bigint AS deleted,
        sum(pg_stat_get_xact_tuples_inserted(oid))::bigint AS inserted,
        sum(pg_stat_get_xact_tuples_updated(oid))::bigint AS updated
    FROM pg_class
    WHERE relkind IN ('r', 'p') AND (relnamespace <> 'pg_catalog'::regnamespace
        OR relname IN ('pg_largeobject', 'pg_largeobject_metadata'))
    GROUP BY root
) AS counts
JOIN pg_class ON pg_class.oid = root JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE deleted + inserted + updated > 0
"""

_SESSION = (
    "SELECT current_user::text, session_user::text, current_setting('search_path'),"
    " current_setting('trially.tenant_id'), current_setting('row_security')"
)

Counts = tuple[int, int, int]
"""The numbers of deleted, inserted and updated rows."""

Name = tuple[str, str]
"""The schema and name of a table."""

_NONE: Counts = (0, 0, 0)


@dataclass(frozen=True)
class Step:
    """A statement that writes one row of the tenant itself."""

    path: str
    table: Table
    statement: sql.Composable

    @property
    def name(self) -> Name:
        """The name of the table."""
        return self.table.relation.schema, self.table.relation.name

    @property
    def counts(self) -> Counts:
        """What the statement alone writes."""
        return self.path == DELETE, self.path == INSERT, self.path == UPDATE


class OtherWritesError(Exception):
    """The statements wrote more or fewer rows than they should, or changed the session."""


def write_own_rows(attacker: Attacker) -> None:
    """Insert, change and delete its own rows, all at once if nothing else is written.

    Everything is undone.
    """
    attacker.act()
    steps = list(_steps(attacker))
    disguise = attacker.disguise
    try:
        with disguise.undone():
            for path in _PRIVILEGES:
                _run(disguise, [step for step in steps if step.path == path])
    except (OtherWritesError, psycopg2.Error):
        attacker.act()
        with disguise.undone():
            for step in steps:
                _run_alone(attacker, step)
        return
    for step in steps:
        attacker.sweep.hold(step.path, _NOTHING_ELSE)


def _steps(attacker: Attacker) -> Iterator[Step]:
    tables = [
        table
        for table in planted_tables(attacker.tables)
        if table.relation.has_key and table.allows("SELECT", "INSERT")
    ]
    for path, privilege in _PRIVILEGES.items():
        # Rows are inserted after those that they refer to, and deleted before them.
        for table in reversed(tables) if path == DELETE else tables:
            if table.allows(privilege):
                yield Step(path, table, _statement(attacker, path, table))
            else:
                attacker.sweep.hold(path, GRANTS)


def _statement(attacker: Attacker, path: str, table: Table) -> sql.Composable:
    assert table.row is not None  # noqa: S101
    if path == INSERT:
        return table.row.insert_sql(attacker.party.tenant.id, attacker.canary_id)
    change = "DELETE FROM {table}" if path == DELETE else "UPDATE {table} SET {values}"
    return sql.SQL(change + " WHERE tenant_id = {me} AND id = {canary}").format(
        table=table.relation.qualified, values=table.row.changes, **attacker.names
    )


def _run(disguise: Disguise, steps: Sequence[Step]) -> dict[Name, Counts]:
    """Run statements, and raise `OtherWritesError` if they wrote more than their own rows.

    The error has the numbers of other rows by table.
    """
    if not steps:
        return {}
    before, session = _written(disguise), execute(disguise.raw, _SESSION)
    batch = sql.SQL(";").join(step.statement for step in steps)
    execute(disguise.raw, batch + sql.SQL("; SET CONSTRAINTS ALL IMMEDIATE"))
    if execute(disguise.raw, _SESSION) != session:
        raise OtherWritesError({})
    others = _written(disguise)
    for name, counts in before.items():
        others[name] = _minus(others.get(name, _NONE), counts)
    for step in steps:
        others[step.name] = _minus(others.get(step.name, _NONE), step.counts)
    others = {name: counts for name, counts in others.items() if counts != _NONE}
    if others:
        raise OtherWritesError(others)
    return others


def _written(disguise: Disguise) -> dict[Name, Counts]:
    """Return the rows that the transaction has written so far, by table."""
    rows = execute(disguise.raw, _WRITTEN)
    return {
        (schema, name): (deleted, inserted, updated)
        for schema, name, deleted, inserted, updated in rows
    }


def _minus(counts: Counts, others: Counts) -> Counts:
    deleted, inserted, updated = (one - other for one, other in zip(counts, others, strict=True))
    return deleted, inserted, updated


def _run_alone(attacker: Attacker, step: Step) -> None:
    """Run one statement, and record what else it changed."""
    disguise = attacker.disguise
    execute(disguise.raw, "SAVEPOINT step")
    try:
        _run(disguise, [step])
    except OtherWritesError as error:
        _judge(attacker, step, error.args[0])
    except psycopg2.Error as error:
        execute(disguise.raw, "ROLLBACK TO SAVEPOINT step")
        wall = wall_of(error)
        if wall is None:
            attacker.doubt(step.path, step.table, error)
        else:
            attacker.sweep.hold(step.path, wall)
    else:
        attacker.sweep.hold(step.path, _NOTHING_ELSE)
    attacker.act()


def _judge(attacker: Attacker, step: Step, others: dict[Name, Counts]) -> None:
    """Record whose rows a statement changed besides its own."""
    if not others:
        what = f"a statement on {step.table.label} changed who the session acts as"
        attacker.breach([attacker.tenant_id], step.path, what)
        return
    attacker.disguise.act_as_administrator()
    for (schema, name), counts in others.items():
        changed = f"a statement on {step.table.label} also changed {schema}.{name}"
        try:
            owners = _owners_of_new_rows(attacker, schema, name)
        except psycopg2.Error as error:
            reason = f"{changed}; whose rows is unknown (SQLSTATE {error.pgcode})"
            attacker.sweep.doubt(attacker.party.slug, attacker.party, step.path, reason)
            continue
        if foreign := owners - {attacker.tenant_id}:
            attacker.breach(foreign, step.path, changed)
        elif owners and counts[0] <= 0:
            attacker.sweep.hold(step.path, _OWN_ROWS)
        else:
            reason = f"{changed}; whose rows is unknown"
            attacker.sweep.doubt(attacker.party.slug, attacker.party, step.path, reason)


def _owners_of_new_rows(attacker: Attacker, schema: str, name: str) -> set[str]:
    """Return the tenants of the rows that this transaction wrote, other than planted ones."""
    statement = sql.SQL(
        "SELECT DISTINCT tenant_id::text FROM {table}"
        " WHERE age(xmin) <= age({started}::xid) AND (tenant_id = {me} OR id <> {their_canary})"
    ).format(
        table=sql.Identifier(schema, name),
        started=sql.Literal(str(attacker.disguise.started)),
        **attacker.names,
    )
    return {str(tenant_id) for (tenant_id,) in attacker.disguise.attempt(statement)}
