"""Apply migrations over a connection, without Alembic's environment.

Alembic's commands keep their state in modules, so that one process can run one command at a time.
What is here keeps it in the thread, so that several threads can migrate several databases, also
while an Alembic command runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

from alembic import op
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from trially.errors import OperatorError

if TYPE_CHECKING:
    from trially.tenancy.schema.composing import Composed

AUTOCOMMIT = "autocommit_block"
"""What a migration calls to run a statement outside a transaction."""


BASE = "base"
"""Alembic's name of the state before the first migration."""

NEEDED = "needs_backfills"
"""What a migration calls the names of the backfills that must be done before it."""


class UnknownRevisionError(OperatorError):
    """The lineage has no such revision: a newer version may have migrated the tables."""


class _OperationsOfThread(local):
    """What `alembic.op` stands for in a migration, in each thread that runs one."""

    current: Operations

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)


_operations = _OperationsOfThread()


@dataclass(frozen=True)
class Step:
    """One migration of some tables, forward or back."""

    revision: str
    """The migration."""

    before: str | None
    """The revision of the tables before the step. None stands for empty tables."""

    after: str | None
    """The revision of the tables after the step."""

    is_back: bool = False


@dataclass(frozen=True)
class Steps:
    """The migrations of one lineage, loaded once."""

    scripts: ScriptDirectory
    revisions: tuple[str, ...]
    """All revisions, the oldest first."""

    autocommitting: frozenset[str]
    """The revisions that run statements outside a transaction."""

    backfills: Mapping[str, tuple[str, ...]]
    """The names of the backfills that a revision needs done: its `needs_backfills`."""

    composed: dict[Step, "Composed | None"] = field(default_factory=dict)
    """The statements of the steps that were composed so far."""

    @property
    def head(self) -> str:
        """The newest revision."""
        return self.revisions[-1]

    def check(self, revision: str) -> str:
        """Return a revision of the lineage, or raise `UnknownRevisionError`; "head" is one too."""
        if revision in {"head", "heads"}:
            return self.head
        if revision not in self.revisions:
            raise UnknownRevisionError(
                f"There is no revision {revision!r}. They are {self.revisions[0]} to {self.head}."
            )
        return revision

    def forward(self, former: str | None, target: str) -> Sequence[Step]:
        """Return the steps from `former` up to `target`. None stands for empty tables.

        Raises `UnknownRevisionError` if `former` is not a revision of this lineage.
        """
        self._require(former)
        first = 0 if former is None else self.revisions.index(former) + 1
        pending = self.revisions[first : self.revisions.index(target) + 1]
        return [
            Step(revision, before, revision)
            for before, revision in zip((former, *pending), pending, strict=False)
        ]

    def back(self, former: str | None, target: str) -> Sequence[Step]:
        """Return the steps from `former` back to `target`, which may be "base" or "-1" too.

        Raises `UnknownRevisionError` if `former` is not a revision of this lineage, or Alembic's
        `CommandError` if `target` is not one below it.
        """
        self._require(former)
        undone = self.scripts._downgrade_revs(target, former)  # noqa: SLF001  Alembic's cookbook
        revisions = [each.revision.revision for each in undone]
        first = self.revisions.index(revisions[-1]) if revisions else 0
        last = self.revisions[first - 1] if first else None
        return [
            Step(revision, revision, after, is_back=True)
            for revision, after in zip(revisions, (*revisions[1:], last), strict=False)
        ]

    def _require(self, former: str | None) -> None:
        if former is not None and former not in self.revisions:
            raise UnknownRevisionError(
                f"Its tables are at {former}, which this version does not know. A newer version"
                " may have migrated them."
            )


def load_steps(config: Config) -> Steps:
    """Load the migrations of a lineage. They form one sequence: `make check` holds it."""
    scripts = ScriptDirectory.from_config(config)
    found: list[Script] = list(scripts.walk_revisions())[::-1]
    if not found:
        raise CommandError(f"{scripts.dir} contains no migrations.")
    return Steps(
        scripts,
        tuple(script.revision for script in found),
        frozenset(script.revision for script in found if _autocommits(script)),
        {script.revision: tuple(getattr(script.module, NEEDED, ())) for script in found},
    )


def apply_step(
    steps: Steps,
    connection: Connection,
    schema: str,
    step: Step,
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
) -> None:
    """Apply one step to the tables in `schema`, in one transaction.

    `before` and `after` run in the same transaction, so that a killed process leaves all of it or
    nothing. A migration may commit in its middle, with Alembic's `autocommit_block`. The caller has
    read the revision of the tables under the lock of migrations.
    """

    def migrations(heads: Any, _context: MigrationContext) -> Any:
        if step.is_back:
            return steps.scripts._downgrade_revs(step.after or BASE, heads)  # noqa: SLF001
        return steps.scripts._upgrade_revs(step.revision, heads)  # noqa: SLF001

    context = MigrationContext.configure(
        connection,
        opts={"version_table_schema": schema, "fn": migrations, "script": steps.scripts},
    )
    if (before_step := step.before) is not None:
        context.get_current_heads = lambda: (before_step,)  # type: ignore[method-assign]
    with using(context), context.begin_transaction():
        before()
        context.run_migrations()
        after()


@contextmanager
def using(context: MigrationContext) -> Iterator[None]:
    """Let `alembic.op` stand for operations in this context, in this thread alone."""
    vars(op)["_proxy"] = _operations
    _operations.current = Operations(context)
    try:
        yield
    finally:
        del _operations.current


def _autocommits(script: Script) -> bool:
    return AUTOCOMMIT in Path(script.path).read_text(encoding="utf-8")
