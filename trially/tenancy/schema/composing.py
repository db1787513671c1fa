"""The statements of a migration, composed once for all tenants.

Alembic takes longer to compose a small migration than PostgreSQL takes to run it. So a migration
that does nothing but compose SQL is run once, without a database, and each place gets its
statements.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from alembic.runtime.migration import MigrationContext

from trially.tenancy.schema.stepping import Step, Steps, using

COMPOSING_PACKAGES = frozenset({"alembic", "collections", "sqlalchemy", "trially", "typing"})
"""What a migration may import that does nothing but compose SQL."""

ASKING = frozenset({"bulk_insert", "get_bind", "get_context", "is_offline_mode", "run_async"})
"""What a migration uses that reads rows, writes rows of its own, or depends on the connection."""

_NAME = r'[\w."]+'
_ADDITION = re.compile(
    rf"""
    SET\ LOCAL\ lock_timeout\ =\ [^;]+
    | (CREATE\ (UNIQUE\ )?|DROP\ )INDEX\ [^;]+
    | ALTER\ TABLE\ {_NAME}\ ADD\ COLUMN\ (IF\ NOT\ EXISTS\ )?+(?!"?(tenant_id|version)\b)
      (\(\d+,\s*\d+\)|[^,;])+
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A statement that creates no table, and leaves policies, triggers, constraints and grants alone.

An ALTER TABLE without a comma has one action. The columns `tenant_id` and `version` are left out,
because a table with one of them needs a policy or a trigger.
"""

_lock = Lock()


@dataclass(frozen=True)
class Composed:
    """The statements of one migration."""

    statements: Sequence[str]

    @property
    def only_adds(self) -> bool:
        """Whether it only creates columns and indexes, or drops indexes.

        Then each table keeps its grants, CHECKs, policies and triggers.
        """
        return all(_ADDITION.fullmatch(" ".join(each.split())) for each in self.statements)


def compose(steps: Steps, step: Step) -> Composed | None:
    """Return the statements of a step, or None if it must be run for each place.

    It must if it is the first or the last one of all, if it commits in its middle, if it asks the
    database, and if it imports or computes anything else than SQL.
    """
    with _lock:
        if step not in steps.composed:
            steps.composed[step] = _compose(steps, step)
        return steps.composed[step]


def written(steps: Steps, step: Step, *, with_transaction: bool = False) -> list[str]:
    """Return the SQL of a migration, statement by statement. Raises what the migration raises.

    `with_transaction` adds BEGIN and COMMIT, which a migration that commits in its middle needs.
    """
    pieces = _Pieces()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # with psycopg2's own, each % would be doubled
        opts={
            "as_sql": True,
            "output_buffer": pieces,
            "literal_binds": True,
            "script": steps.scripts,
            "transactional_ddl": True,
        },
    )
    module = steps.scripts.get_revision(step.revision).module
    with using(context), context.begin_transaction() if with_transaction else nullcontext():
        (module.downgrade if step.is_back else module.upgrade)()
    return list(pieces)


class _Pieces(list[str]):
    """What Alembic writes, one statement at a time."""

    def write(self, statement: str) -> None:
        """Keep a statement, without the semicolon and the empty line that follow it."""
        self.append(statement.strip().removesuffix(";"))

    def flush(self) -> None:
        """Do nothing."""


def _compose(steps: Steps, step: Step) -> Composed | None:
    if None in (step.before, step.after) or step.revision in steps.autocommitting:
        return None
    if not _only_composes(Path(steps.scripts.get_revision(step.revision).path)):
        return None
    try:
        first, second = written(steps, step), written(steps, step)
    except Exception:  # noqa: BLE001  it needs a database, and is run for each place
        return None
    return Composed(tuple(first)) if first == second else None


def _only_composes(script: Path) -> bool:
    """Return whether a migration's file does nothing but compose SQL.

    Alembic writes a tab as spaces, so a file with one does more.
    """
    source = script.read_text(encoding="utf-8")
    if "\t" in source or r"\t" in source:
        return False
    nodes = list(ast.walk(ast.parse(source)))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    packages = {name.partition(".")[0] for node in nodes for name in _imported(node)}
    return not used & ASKING and packages <= COMPOSING_PACKAGES


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or "."
