"""Connections with which migrations work on one place, as the owner of its tables."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import local
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.pool import NullPool

from trially.config import current_settings
from trially.database.connecting import open_with
from trially.database.watching import WatchedConnection
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.guard import GUARD_BODIES, GUARD_BODIES_SQL
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers import TIERS

APPLICATION = "trially-migration"
"""The name of a migration's connections in `pg_stat_activity`."""


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
    return _look(raw, schema, sql.SQL(""))


@dataclass(frozen=True)
class Owned:
    """A connection to one place, and the state in which it found the place."""

    raw: WatchedConnection
    found: Found
    _engine: "MigrationEngine" = field(repr=False)

    @cached_property
    def wrapped(self) -> Connection:
        """The same connection for Alembic, which works over SQLAlchemy's."""
        return self._engine.wrap(self.raw)

    def close(self) -> None:
        """Close the connection for Alembic, if there is one."""
        if "wrapped" in vars(self):
            self.wrapped.close()


class MigrationEngine:
    """Opens connections to the databases of one server. Threads may share it."""

    def __init__(self, access: ServerAccess) -> None:
        url = access.administrator_url()
        self._parameters: dict[str, Any] = PGDialect_psycopg2().create_connect_args(url)[1]  # type: ignore[no-untyped-call]
        self._opened = local()
        self._engine: Engine = create_engine(
            "postgresql+psycopg2://",
            poolclass=NullPool,
            hide_parameters=True,
            use_native_hstore=False,
            creator=lambda: self._opened.raw,
        )

    @contextmanager
    def as_owner(self, place: Place, lock_timeout_ms: int) -> Iterator[Owned]:
        """Connect as the owner of a place's tables, and keep other migrations out of it.

        In shared tables, a statement then fails whose rows row security would hide.
        """
        parameters = {"application_name": APPLICATION, **self._parameters, "dbname": place.database}
        with closing(open_with(parameters, WatchedConnection)) as raw:
            raw.autocommit = True
            begin = _session_sql(place, lock_timeout_ms)
            found = _look(raw, place.schema, begin)
            if found.revision is None:
                execute(raw, begin)  # if the table of the revision is missing, the batch failed
            raw.autocommit = False
            owned = Owned(raw, found, self)
            try:
                yield owned
            finally:
                owned.close()

    def wrap(self, raw: WatchedConnection) -> Connection:
        """Return SQLAlchemy's connection over one of this thread's.

        SQLAlchemy prepares an engine with several queries, so that one engine serves all databases.
        """
        self._opened.raw = raw
        return self._engine.connect()


def _session_sql(place: Place, lock_timeout_ms: int) -> sql.Composed:
    """Return SQL that prepares a session, and waits for the lock of migrations on the schema."""
    hides_no_rows = "SET row_security = off;" if TIERS[place.tier].has_row_security else ""
    return sql.SQL(
        f"SET lock_timeout = {lock_timeout_ms:d}; SET ROLE {{role}};"
        f" SET search_path = {{schema}}, pg_temp; {hides_no_rows}"
        " SELECT pg_advisory_lock(hashtext({name}));"
    ).format(
        role=sql.Identifier(owner_role(current_settings())),
        schema=sql.Identifier(place.schema),
        name=sql.Literal(place.schema),
    )


def _look(raw: connection, schema: str, before: sql.Composable) -> Found:
    """Return the state of a place, after other statements of the same batch."""
    query = sql.SQL(f"SELECT NULL, version_num FROM {{}} UNION ALL {GUARD_BODIES_SQL}").format(
        sql.Identifier(schema, "alembic_version")
    )
    try:
        rows = execute(raw, before + query)
    except errors.UndefinedTable:
        if not raw.autocommit:
            raw.rollback()
        return Found(None, has_guard=False)
    revisions = [revision for function, revision in rows if function is None]
    bodies = {function: body for function, body in rows if function is not None}
    return Found(revisions[0] if len(revisions) == 1 else None, bodies == GUARD_BODIES)
