"""A transaction of the administrator that acts as one tenant after the other, and is rolled back.

PostgreSQL decides by the current role and the settings of the transaction what a statement may see.
So a tenant acts here with exactly the rights that it has in a transaction of the app, and it sees
rows of other tenants that were inserted in the same transaction, if anything lets it.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.config import current_settings
from trially.database.connecting import connect
from trially.proving.attempts import Party
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role

STATEMENT_TIMEOUT_SECONDS = 10
"""Longest a statement of an attack runs."""

LOCK_TIMEOUT_SECONDS = 2
"""Longest a statement of an attack waits for a lock. Nobody waits longer for the attack itself."""


_SAVE = "SAVEPOINT attempt"


class Disguise:
    """The transaction, and the tenant that it acts as."""

    def __init__(self, raw: connection) -> None:
        self.raw = raw
        [(self.is_superuser,)] = execute(
            raw, "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
        )
        [(self.started,)] = execute(
            raw, "SELECT pg_current_xact_id()::text::bigint % (2^32)::bigint"
        )

    def act_as(self, party: Party, *, role: str | None = None) -> None:
        """Act as a tenant, with its own role or another one."""
        roles = [party.login_role] if role is None else [role]
        if role is None and party.placement.role is not None:
            roles.append(party.placement.role)
        context = sql.SQL(
            "SELECT set_config('search_path', {}, true), set_config('trially.tenant_id', {}, true)"
        ).format(sql.Literal(f"{party.record.schema}, pg_temp"), sql.Literal(str(party.tenant.id)))
        execute(self.raw, self._leaving + self._entering(roles) + context)

    def act_as_owner(self, party: Party) -> None:
        """Act as the owner of the tables, in a tenant's context."""
        self.act_as(party, role=owner_role(current_settings()))

    def act_as_administrator(self) -> None:
        """Act as the administrator again."""
        execute(self.raw, self._leaving)

    def attempt(self, statement: sql.Composable | str, *parameters: Any) -> list[Any]:
        """Run a batch, undo what it did, and return the rows of its last statement."""
        with self.undone():
            return execute(self.raw, statement, *parameters)

    def keep(self, statement: sql.Composable) -> None:
        """Run a batch for the rest of the transaction; if it fails, undo all of it."""
        # In one message with the statement, a syntax error would prevent the savepoint too.
        execute(self.raw, _SAVE)
        try:
            execute(self.raw, statement)
        except psycopg2.Error:
            self._undo()
            raise
        execute(self.raw, "RELEASE SAVEPOINT attempt")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo what the block does, also if it fails."""
        execute(self.raw, _SAVE)
        try:
            yield
        finally:
            self._undo()

    def _undo(self) -> None:
        if not self.raw.closed:
            execute(self.raw, "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")

    @property
    def _leaving(self) -> sql.SQL:
        return sql.SQL("RESET SESSION AUTHORIZATION;" if self.is_superuser else "RESET ROLE;")

    def _entering(self, roles: Sequence[str]) -> sql.Composed:
        """Return SQL that takes the login role and then the role that its transactions set.

        An administrator that is no superuser makes itself a member, until the rollback.
        """
        first = "SESSION AUTHORIZATION" if self.is_superuser else "ROLE"
        joining = [] if self.is_superuser else roles
        return sql.SQL("").join(
            [sql.SQL("GRANT {} TO CURRENT_USER;").format(sql.Identifier(role)) for role in joining]
            + [
                sql.SQL(f"SET LOCAL {kind} {{}};").format(sql.Identifier(role))
                for kind, role in zip((first, "ROLE"), roles, strict=False)
            ]
        )


@contextmanager
def disguised(server: str, database: str) -> Iterator[Disguise]:
    """Open a transaction in a database, and roll it back at the end of the block."""
    url = server_access(server).administrator_url(database)
    with closing(connect(url, application_name="trially-proof")) as raw:
        execute(
            raw,
            "BEGIN;"
            f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s';"
            f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s';"
            "SET LOCAL synchronous_commit = off",
        )
        try:
            yield Disguise(raw)
        finally:
            try:
                execute(raw, "ROLLBACK")
            except psycopg2.Error:
                raw.close()
