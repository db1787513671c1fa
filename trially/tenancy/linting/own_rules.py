"""Rules of tenants' tables: the tenant key comes first, and each table is protected.

They read the SQL with PostgreSQL's own parser.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trially.tenancy.linting.findings import Finding, LintError
from trially.tenancy.schema.protection import POLICY, TRIGGER

KEY = "tenant_id"
VERSION = "version"


@dataclass
class Seen:
    """What the statements of one migration have created so far."""

    tables: set[str] = field(default_factory=set)
    versioned: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    triggers: set[str] = field(default_factory=set)
    has_autocommit: bool = False
    transactional: list[str] = field(default_factory=list)
    """Statements that run in a transaction."""


Found = Iterator[tuple[str, str, str]]
"""Rule, subject and advice."""


def check_tenant_sql(name: str, sql: str) -> list[Finding]:
    """Return what the rules find in the SQL of one migration of tenants."""
    seen = Seen()
    found = []
    for statement in parse(sql):
        check = _CHECKS.get(type(statement).__name__)
        found += list(check(statement, seen)) if check else []
    found += list(_unprotected(seen))
    return [Finding(name, *each) for each in found]


def parse(sql: str) -> Sequence[Any]:
    """Return the statements of some SQL. Raises `LintError` if it cannot be parsed."""
    try:
        from pglast import parse_sql
        from pglast.parser import ParseError
    except ImportError as error:
        raise LintError(
            "pglast is not installed. Install the requirements of development."
        ) from error
    try:
        return [raw.stmt for raw in parse_sql(sql)]
    except ParseError as error:
        raise LintError(f"PostgreSQL cannot parse the SQL of a migration: {error}") from error


def _created_table(statement: Any, seen: Seen) -> Found:
    table = statement.relation.relname
    seen.tables.add(table)
    if statement.partbound is not None:
        return
    columns = [each for each in statement.tableElts or () if type(each).__name__ == "ColumnDef"]
    names = {column.colname for column in columns}
    if VERSION in names:
        seen.versioned.add(table)
    if KEY not in names:
        yield "table-without-tenant-key", table, "Derive the model from TenantModel."
        return
    constraints = [
        *(each for each in statement.tableElts if type(each).__name__ == "Constraint"),
        *(each for column in columns for each in _with_column(column)),
    ]
    if not any(each.contype.name == "CONSTR_PRIMARY" for each in constraints):
        yield "primary-key", table, f"Give the table a primary key that begins with {KEY}."
    for constraint in constraints:
        yield from _constraint(table, constraint)


def _with_column(column: Any) -> Iterator[Any]:
    """Yield the constraints of a column that are also keys; they have its name as their key."""
    for constraint in column.constraints or ():
        if constraint.contype.name in {"CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_FOREIGN"}:
            constraint.keys = constraint.keys or (column.colname,)
            constraint.fk_attrs = constraint.fk_attrs or (column.colname,)
            yield constraint


def _constraint(table: str, constraint: Any) -> Found:
    kind = constraint.contype.name
    subject = f"{table}.{constraint.conname}" if constraint.conname else table
    if kind == "CONSTR_PRIMARY" and not constraint.indexname and _first(constraint.keys) != KEY:
        yield "primary-key", subject, f"Let the primary key begin with {KEY}."
    if kind == "CONSTR_UNIQUE" and not constraint.indexname and _first(constraint.keys) != KEY:
        yield "unique-without-tenant-key", subject, f"Let it begin with {KEY}: pools share tables."
    if kind == "CONSTR_FOREIGN" and _first(constraint.fk_attrs) != KEY:
        yield "foreign-key-without-tenant-key", subject, f"Let both sides begin with {KEY}."


def _first(names: Any) -> str | None:
    first = names[0] if names else None
    return getattr(first, "sval", first)


def _altered_table(statement: Any, seen: Seen) -> Found:
    table = statement.relation.relname
    seen.transactional.append(f"ALTER TABLE {table}")
    for command in statement.cmds:
        if command.subtype.name == "AT_AddConstraint":
            yield from _constraint(table, command.def_)
        if command.subtype.name == "AT_AddColumn":
            if command.def_.colname == VERSION:
                seen.versioned.add(table)
            for constraint in _with_column(command.def_):
                yield from _constraint(table, constraint)


def _created_index(statement: Any, seen: Seen) -> Found:
    if statement.concurrent:
        seen.has_autocommit = True
        if not statement.if_not_exists:
            yield "concurrent-not-repeatable", statement.idxname, "Add IF NOT EXISTS."
    else:
        seen.transactional.append(f"CREATE INDEX {statement.idxname}")
    if statement.indexParams[0].name != KEY:
        subject = f"{statement.relation.relname}.{statement.idxname}"
        rule = "unique-without-tenant-key" if statement.unique else "index-without-tenant-key"
        yield rule, subject, f"Let the index begin with {KEY}: every query has it as a condition."


def _dropped(statement: Any, seen: Seen) -> Found:
    names = ", ".join(str(_first(name[-1:])) for name in statement.objects)
    if not statement.concurrent:
        seen.transactional.append(f"DROP {names}")
        return
    seen.has_autocommit = True
    if not statement.missing_ok:
        yield "concurrent-not-repeatable", names, "Add IF EXISTS."


def _created_policy(statement: Any, seen: Seen) -> Found:
    if statement.policy_name == POLICY:
        seen.policies.add(statement.table.relname)
    else:
        subject = f"{statement.table.relname}.{statement.policy_name}"
        yield "other-policy", subject, f"{POLICY} must be the only policy of a table."


def _created_trigger(statement: Any, seen: Seen) -> Found:
    if statement.trigname == TRIGGER:
        seen.triggers.add(statement.relation.relname)
    yield from ()


def _written(statement: Any, seen: Seen) -> Found:
    table = statement.relation.relname
    if table not in seen.tables and table != "alembic_version":
        yield "rows-in-migration", table, "Write rows in a backfill, which works in batches."


def _hidden(_statement: Any, _seen: Seen) -> Found:
    yield "hidden-statements", "DO", "Write the statements themselves, so that they are checked."


_CHECKS: dict[str, Callable[[Any, Seen], Found]] = {
    "AlterTableStmt": _altered_table,
    "CreatePolicyStmt": _created_policy,
    "CreateStmt": _created_table,
    "CreateTrigStmt": _created_trigger,
    "DeleteStmt": _written,
    "DoStmt": _hidden,
    "DropStmt": _dropped,
    "IndexStmt": _created_index,
    "InsertStmt": _written,
    "MergeStmt": _written,
    "UpdateStmt": _written,
}


def _unprotected(seen: Seen) -> Found:
    for table in sorted(seen.tables - seen.policies):
        yield "table-without-policy", table, f"Add the policy {POLICY}: `flask db migrate` does."
    for table in sorted(seen.versioned - seen.triggers):
        yield "table-without-trigger", table, f"Add the trigger {TRIGGER}: `flask db migrate` does."
    if seen.has_autocommit and (others := seen.transactional + sorted(seen.tables)):
        yield (
            "autocommit-with-others",
            others[0],
            "Give concurrent indexes a migration of their own: a failed one is repeated whole.",
        )
