"""Look at one place, and migrate it: each migration is one transaction with all that follows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import local

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from trially.config import current_settings
from trially.database.connecting import open_connection
from trially.errors import OperatorError
from trially.tenancy.advisory_locks import GRANT_LOCK
from trially.tenancy.migrating.applying import apply
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.guard import GUARD_DDL, GUARD_DIGEST, GUARD_DIGEST_SQL
from trially.tenancy.schema.stepping import Steps
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import driver_connection, execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers import TIERS

APPLICATION = "trially-migration"
"""The name of a migration's connections in `pg_stat_activity`."""

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


@dataclass(frozen=True)
class Found:
    """The state of a place."""

    revision: str | None
    has_guard: bool
    """Whether the guard of its database is this version's."""

    def is_at(self, target: str) -> bool:
        """Return whether there is nothing to do: it is at `target`, or newer."""
        if self.revision == target:
            return self.has_guard
        return is_newer(self.revision, target)


def is_newer(revision: str | None, target: str) -> bool:
    """Return whether a revision comes after `target`. Revisions are numbers: 0001, 0002, …."""
    return (
        revision is not None
        and revision.isdecimal()
        and target.isdecimal()
        and int(revision) > int(target)
    )


def look(raw: connection, schema: str) -> Found:
    """Return the state of a place, with one short query that takes no lock but that of a read."""
    query = sql.SQL(f"SELECT (SELECT array_agg(version_num) FROM {{}}), {GUARD_DIGEST_SQL}")
    try:
        ((revisions, digest),) = execute(
            raw, query.format(sql.Identifier(schema, "alembic_version"))
        )
    except errors.UndefinedTable:
        if not raw.autocommit:
            raw.rollback()
        return Found(None, has_guard=False)
    revision = revisions[0] if revisions is not None and len(revisions) == 1 else None
    return Found(revision, digest == GUARD_DIGEST)


class MigrationEngine:
    """Opens connections to the databases of one server. Threads may share it.

    SQLAlchemy prepares an engine with several queries, so that one engine serves all databases.
    """

    def __init__(self, access: ServerAccess) -> None:
        self._access = access
        self._url = local()
        self._engine: Engine = create_engine(
            "postgresql+psycopg2://", poolclass=NullPool, hide_parameters=True, creator=self._open
        )

    @contextmanager
    def as_owner(self, database: str, schema: str, lock_timeout_ms: int) -> Iterator[Connection]:
        """Connect as the owner of the tables in `schema`, and keep other migrations out of it."""
        self._url.value = self._access.administrator_url(database)
        with self._engine.connect() as owned:
            raw = driver_connection(owned)
            raw.autocommit = True
            execute(
                raw,
                sql.SQL(
                    f"SET lock_timeout = {lock_timeout_ms:d}; SET ROLE {{}};"
                    " SET search_path = {}, pg_temp; SELECT pg_advisory_lock(hashtext({}))"
                ).format(
                    sql.Identifier(owner_role(current_settings())),
                    sql.Identifier(schema),
                    sql.Literal(schema),
                ),
            )
            yield owned

    def _open(self) -> connection:
        url: URL = self._url.value
        return open_connection(url, APPLICATION)


def visit(
    place: Place,
    owned: Connection,
    steps: Steps,
    target: str,
    before_commit: Callable[[connection], object] = lambda _raw: None,
) -> tuple[Found, str | None]:
    """Migrate a place to a revision. Return what it was before, and the revision that it has.

    `before_commit` is called in the transaction of each migration, when its work is done.
    Raises what a migration raises. The migrations before that one stay applied.
    """
    raw = driver_connection(owned)
    found = look(raw, place.schema)
    if found.revision is None:
        _refuse_tables(raw, place.schema)
    if TIERS[place.tier].has_row_security:
        execute(raw, "SET row_security = off")
    raw.autocommit = False
    if found.is_at(target):
        return found, found.revision
    pending = steps.between(found.revision, target)
    finish_place = _finishing(place, raw, has_guard=found.has_guard)

    def finish() -> None:
        before_commit(raw)
        finish_place()

    former = found.revision
    for revision in pending:
        if revision in steps.autocommitting:
            _drop_invalid_indexes(raw, place.schema)
        apply(place, owned, steps, former, revision, finish)
        former = revision
    if not pending:
        finish()
        raw.commit()
    return found, target


def _refuse_tables(raw: connection, schema: str) -> None:
    """Raise `NoRevisionError` if a schema without a revision has tables."""
    has_tables = (
        "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relkind IN ('r', 'p') AND relname <> 'alembic_version')"
    )
    if execute(raw, has_tables, schema) == [(True,)]:
        raise NoRevisionError(
            f"The schema {schema} does not say at which revision its tables are. Restore it."
        )


def revision_after_failure(place: Place, owned: Connection) -> str | None:
    """Return the revision of a place after an error, or None if it cannot be read."""
    raw = driver_connection(owned)
    with suppress(psycopg2.Error):
        raw.rollback()
        return look(raw, place.schema).revision
    return None


def _finishing(place: Place, raw: connection, *, has_guard: bool) -> Callable[[], None]:
    """Return what leaves a migrated place as a new tenant's would be."""
    tier = TIERS[place.tier]

    def finish() -> None:
        statements: sql.Composable = sql.SQL(f"SELECT pg_advisory_xact_lock({GRANT_LOCK});")
        if not has_guard:
            statements += sql.SQL(GUARD_DDL)
        if place.records:
            execute(raw, statements + tier.post_migration_sql(place.records[0]))
        else:
            execute(raw, statements)
            tier.compose_blank_schema(raw, place.database)

    return finish


def _drop_invalid_indexes(raw: connection, schema: str) -> None:
    """Drop what a concurrent build left behind, so that the migration can build it again."""
    for (index,) in execute(raw, _INVALID_INDEXES, schema):
        execute(raw, f"DROP INDEX {index}")
    raw.commit()
