"""The check of the migration files in `make check`: each created table is protected.

It needs no database, because it reads the files without running them.
If it cannot read a statement, for instance because a function returns it, it accepts the file.
`protection.check_tables` checks the tables themselves, in every database that is migrated.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trially.tenancy.schema.protection import (
    POLICY,
    TRIGGER,
    UnprotectedTableError,
    create_policy_sql,
    create_trigger_sql,
)
from trially.tenancy.schema.revision_files import TENANT_LINEAGE

UNREADABLE = "*"
"""Stands for a name or a statement that is known only when the migration runs."""

_POLICY = re.compile(rf'CREATE POLICY {POLICY} ON "?([\w*]+)')
_TRIGGER = re.compile(rf'CREATE TRIGGER {TRIGGER} BEFORE UPDATE ON "?([\w*]+)')


@dataclass
class Upgrade(ast.NodeVisitor):
    """The tables that one migration's `upgrade()` creates and protects."""

    tables: set[str] = field(default_factory=set)
    versioned: set[str] = field(default_factory=set)
    """Tables that get a column `version`."""

    with_policy: set[str] = field(default_factory=set)
    with_trigger: set[str] = field(default_factory=set)
    _values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The strings that a constant holds, or that a loop's variable takes."""

    def visit_Assign(self, node: ast.Assign) -> None:
        """Remember a constant that is a string or a tuple of strings."""
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._values[target.id] = self._strings(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Leave out `downgrade()`."""
        if node.name != "downgrade":
            self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        """Give the loop's variable its values, then read the loop."""
        if isinstance(node.target, ast.Name):
            self._values[node.target.id] = self._strings(node.iter)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Read a call of `op`; its arguments contain no further one."""
        if not isinstance(node.func, ast.Attribute) or not node.args:
            return
        names = set(self._strings(node.args[0]))
        columns = {name for argument in node.args[1:] for name in self._column_names(argument)}
        match node.func.attr:
            case "create_table":
                self.tables |= names
                self.versioned |= names if "version" in columns else set()
            case "drop_table":
                self.tables -= names
                self.versioned -= names
            case "add_column" if "version" in columns:
                self.versioned |= names
            case "execute" if ast.unparse(node.func.value) == "op":
                self._read_statements(names)

    def _read_statements(self, statements: set[str]) -> None:
        if UNREADABLE in statements:
            self.with_policy.add(UNREADABLE)
            self.with_trigger.add(UNREADABLE)
        for statement in statements:
            self.with_policy.update(_POLICY.findall(statement))
            self.with_trigger.update(_TRIGGER.findall(statement))

    def _column_names(self, node: ast.expr) -> tuple[str, ...]:
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == "sa.Column":
            return self._strings(node.args[0])
        return ()

    def _strings(self, node: ast.expr) -> tuple[str, ...]:
        """Return the strings that an expression may be."""
        match node:
            case ast.Constant(value=str(value)):
                return (value,)
            case ast.Name(id=name):
                return self._values.get(name, (UNREADABLE,))
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return tuple(text for element in elements for text in self._strings(element))
            case ast.FormattedValue(value=value):
                return self._strings(value)
            case ast.JoinedStr(values=parts):
                texts: tuple[str, ...] = ("",)
                for part in parts:
                    texts = tuple(head + tail for head in texts for tail in self._strings(part))
                return texts
        return (UNREADABLE,)


def read_upgrade(source: str) -> Upgrade:
    """Read the text of one migration."""
    upgrade = Upgrade()
    upgrade.visit(ast.parse(source))
    return upgrade


def check_migrations(lineage: Path = TENANT_LINEAGE) -> None:
    """Raise `UnprotectedTableError` if a migration creates a table without its protection."""
    problems = [
        f"{path.name} {problem}"
        for path in sorted((lineage / "versions").glob("*.py"))
        for problem in _find_problems(read_upgrade(path.read_text(encoding="utf-8")))
    ]
    if problems:
        raise UnprotectedTableError("\n".join(problems))


def _find_problems(upgrade: Upgrade) -> Iterable[str]:
    if UNREADABLE not in upgrade.with_policy:
        for table in sorted(upgrade.tables - upgrade.with_policy - {UNREADABLE}):
            yield (
                f"creates the table {table} without the policy {POLICY}. Add this statement to its"
                f" upgrade(): {''.join(create_policy_sql(table))}"
            )
    if UNREADABLE not in upgrade.with_trigger:
        for table in sorted(upgrade.versioned - upgrade.with_trigger - {UNREADABLE}):
            yield (
                f"adds the column version to the table {table} without the trigger {TRIGGER}. Add"
                f" this statement to its upgrade(): {''.join(create_trigger_sql(table))}"
            )
