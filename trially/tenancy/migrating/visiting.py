"""Migrate one place: each migration is one transaction with all that follows it."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg2
from psycopg2.extensions import connection

from trially.errors import OperatorError
from trially.tenancy.migrating.applying import apply
from trially.tenancy.migrating.finishing import Finishing
from trially.tenancy.migrating.owning import Owned, look
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.stepping import Step, Steps
from trially.tenancy.servers.connections import execute

BeforeCommit = Callable[[connection], object]

_INVALID_INDEXES = """
SELECT format('%%I.%%I', nspname, relname) FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %s AND relkind = 'i' AND NOT indisvalid
AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS at_work
    WHERE at_work.datname = current_database() AND at_work.index_relid = indexrelid)
"""
"""Invalid indexes that no session is building: a failed CREATE INDEX CONCURRENTLY left them."""


class NoRevisionError(OperatorError):
    """The record of the revision of some tables is missing."""


def visit(
    place: Place,
    owned: Owned,
    steps: Steps,
    target: str,
    before_commit: BeforeCommit = lambda _raw: None,
) -> str | None:
    """Migrate a place to a revision, and return the revision that it has.

    `before_commit` is called in the transaction of each migration, when its work is done.
    Raises what a migration raises. The migrations before that one stay applied.
    """
    found = owned.found
    if found.revision is None:
        _refuse_tables(owned.raw, place.schema)
    if found.is_at(target):
        return found.revision
    pending = steps.forward(found.revision, target)
    _take(pending, place, owned, steps, before_commit)
    if not pending:
        Finishing(place, owned.raw, has_guard=found.has_guard).finish()
        owned.raw.commit()
    return target


def take_back(place: Place, owned: Owned, steps: Steps, target: str) -> str | None:
    """Downgrade a place to a revision, "base" or a number such as "-1"; return what it has then.

    Raises what a migration raises. The downgrades before that one stay done.
    """
    back = steps.back(owned.found.revision, target)
    _take(back, place, owned, steps, lambda _raw: None)
    return back[-1].after if back else owned.found.revision


def _take(
    pending: Sequence[Step],
    place: Place,
    owned: Owned,
    steps: Steps,
    before_commit: BeforeCommit,
) -> None:
    finishing = Finishing(place, owned.raw, has_guard=owned.found.has_guard)
    for step in pending:
        if step.revision in steps.autocommitting:
            _drop_invalid_indexes(owned.raw, place.schema)
        apply(place, owned, steps, step, finishing, before_commit)


def _refuse_tables(raw: connection, schema: str) -> None:
    """Raise `NoRevisionError` if a schema without a revision has tables."""
    has_tables = (
        "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relkind IN ('r', 'p') AND relname <> 'alembic_version')"
    )
    is_full = execute(raw, has_tables, schema) == [(True,)]
    raw.rollback()
    if is_full:
        raise NoRevisionError(
            f"The table alembic_version of the schema {schema} is missing or empty, so the revision"
            " of its tables is unknown. Restore that table with its row."
        )


def revision_after_failure(place: Place, owned: Owned) -> str | None:
    """Return the revision of a place after an error, or None if it cannot be read."""
    with suppress(psycopg2.Error):
        owned.raw.rollback()
        return look(owned.raw, place.schema).revision
    return None


def _drop_invalid_indexes(raw: connection, schema: str) -> None:
    """Drop what a concurrent build left behind, so that the migration can build it again."""
    for (index,) in execute(raw, _INVALID_INDEXES, schema):
        execute(raw, f"DROP INDEX {index}")
    raw.commit()
