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
    cases: dict[tuple[str, str], list[str]] = {}
    for name in tables:
        for path, condition in _conditions(policies.get(name, [])):
            cases.setdefault((name, condition), []).append(path)
    try:
        accepted = _accepted(attacker, [(tables[name], condition) for name, condition in cases])
    except psycopg2.Error:
        accepted = set(cases)
    for (name, condition), paths in cases.items():
        if (name, condition) in accepted:
            _evaluate_one(attacker, tables[name], condition, paths)
        else:
            for path in paths:
                attacker.sweep.hold(path, POLICY)


def _is_evaluated(table: Table) -> bool:
    return bool(table.row) and table.relation.has_row_security and table.relation.has_tenant


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


def _accepted(attacker: Attacker, cases: Sequence[tuple[Table, str]]) -> set[tuple[str, str]]:
    """Return the tables and conditions that accept a row of any other tenant."""
    statement = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE EXISTS ({})").format(
            sql.Literal(number), _rows_sql(table, condition)
        )
        for number, (table, condition) in enumerate(cases)
    )
    rows = attacker.disguise.attempt(_with_others(attacker) + statement)
    accepted = [cases[number] for (number,) in rows]
    return {(table.relation.name, condition) for table, condition in accepted}


def _evaluate_one(attacker: Attacker, table: Table, condition: str, paths: Sequence[str]) -> None:
    statement = _with_others(attacker) + _rows_sql(table, condition)
    try:
        tenant_ids = {row[0] for row in attacker.disguise.attempt(statement)}
    except psycopg2.Error as error:
        for path in paths:
            attacker.doubt(path, table, error)
        return
    for path in paths:
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
            table.row.columns_of_any(sql.Identifier("other_tenants", "tenant_id"), condition),
            table.relation.unqualified,
        )
        + sql.SQL(condition.replace("{", "{{").replace("}", "}}")).format()
    )
