"""Evaluate a table's policies for a row of each other tenant at once.

A statement that is refused proves this for the tenants that it names. Evaluating the policies'
conditions as the attacker covers all of them, and also commands that would change too much to try.
"""

from collections.abc import Iterator, Sequence

import psycopg2
from psycopg2 import sql

from trially.proving.sweeps.attackers import POLICY, Attacker, Table
from trially.tenancy.servers.connections import execute

COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
"""The commands by `pg_policy.polcmd`."""

_POLICIES = """
SELECT relname, polpermissive, polcmd::text, pg_get_expr(polqual, polrelid),
    pg_get_expr(polwithcheck, polrelid)
FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
WHERE relnamespace = to_regnamespace(%s) AND relrowsecurity
AND EXISTS (SELECT FROM unnest(polroles) AS role
    WHERE CASE WHEN role = 0 THEN true ELSE pg_has_role(current_user, role, 'MEMBER') END)
"""

_Policy = tuple[bool, str, str | None, str | None]


def evaluate_policies(attacker: Attacker) -> None:
    """Evaluate what a row of each other tenant would meet in every table and command."""
    tables = {table.relation.name: table for table in attacker.tables if _is_evaluated(table)}
    if not (attacker.others and attacker.shares_tables and tables):
        return
    attacker.act()
    policies: dict[str, list[_Policy]] = {}
    rows = execute(attacker.disguise.raw, _POLICIES, attacker.party.record.schema)
    for name, *policy in rows:
        policies.setdefault(name, []).append(tuple(policy))
    evaluated = [
        (path, table, condition)
        for name, table in tables.items()
        for path, condition in _conditions(policies.get(name, []))
    ]
    try:
        accepted = _accepted(attacker, evaluated)
    except psycopg2.Error:
        accepted = None
    for case in evaluated:
        path, table, _ = case
        if accepted is not None and (path, table.label) not in accepted:
            attacker.sweep.hold(path, POLICY)
        else:
            _evaluate_one(attacker, case)


def _is_evaluated(table: Table) -> bool:
    return bool(table.row) and table.relation.has_row_security and table.relation.has_tenant


_Case = tuple[str, Table, str]


def _conditions(policies: Sequence[_Policy]) -> Iterator[tuple[str, str]]:
    """Yield a path for each command, and what its policies together demand of a row."""
    for code, command in COMMANDS.items():
        applied = [policy for policy in policies if policy[1] in ("*", code)]
        if code != "a":
            yield f"policies of {command}", _combine([(p[0], p[2]) for p in applied])
        if code in "aw":
            checks = [(permissive, check or using) for permissive, _, using, check in applied]
            yield f"policies of the new row of {command}", _combine(checks)


def _combine(conditions: Sequence[tuple[bool, str | None]]) -> str:
    """Combine policies as PostgreSQL does: any permissive one, and all restrictive ones."""
    permissive = [f"({text or 'true'})" for is_permissive, text in conditions if is_permissive]
    restrictive = [f"({text or 'true'})" for is_permissive, text in conditions if not is_permissive]
    return " AND ".join([f"({' OR '.join(permissive) or 'false'})", *restrictive])


def _accepted(attacker: Attacker, cases: Sequence[_Case]) -> set[tuple[str, str]]:
    """Return the paths and tables whose policies accept a row of any other tenant."""
    statement = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, {} WHERE EXISTS ({})").format(
            sql.Literal(path), sql.Literal(table.label), _rows_sql(table, condition)
        )
        for path, table, condition in cases
    )
    rows = attacker.disguise.attempt(_with_others(attacker) + statement)
    return {(path, label) for path, label in rows}


def _evaluate_one(attacker: Attacker, case: _Case) -> None:
    path, table, condition = case
    statement = _with_others(attacker) + _rows_sql(table, condition)
    try:
        tenant_ids = {row[0] for row in attacker.disguise.attempt(statement)}
    except psycopg2.Error as error:
        attacker.doubt(path, table, error)
        return
    if tenant_ids:
        attacker.breach(tenant_ids, path, f"the policies of {table.label} accept the row")
    else:
        attacker.sweep.hold(path, POLICY)


def _with_others(attacker: Attacker) -> sql.Composable:
    ids = sql.Literal([str(other.tenant.id) for other in attacker.others])
    return sql.SQL(
        "WITH other_tenants (tenant_id) AS MATERIALIZED (SELECT * FROM unnest({}::uuid[])) "
    ).format(ids)


def _rows_sql(table: Table, condition: str) -> sql.Composable:
    """Return a SELECT of the other tenants whose row in a table meets a condition."""
    assert table.row is not None  # noqa: S101
    return (
        sql.SQL("SELECT tenant_id FROM (SELECT {} FROM other_tenants) AS {} WHERE ").format(
            table.row.columns_of_any(sql.Identifier("other_tenants", "tenant_id")),
            table.relation.unqualified,
        )
        + sql.SQL(condition.replace("{", "{{").replace("}", "}}")).format()
    )
