"""The two sides of a move: the tenant's rows at the source and at the target.

Each session takes the role of the tables' owner and sets the tenant's id. So where tenants share
tables, row-level security shows and accepts the rows of this tenant only.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2 import sql
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection
from psycopg2.extras import LogicalReplicationConnection
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from trially.config import current_settings
from trially.database.connecting import NETWORK_LIMITS, connect
from trially.tenancy.advisory_locks import copy_lock_key
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.servers.access import FIRST_SERVER, ServerAccess, server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import owner_role
from trially.tenancy.tiers import tier_of

_TEXT_FORMS = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';"
    "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET client_encoding = 'UTF8'"
)
"""What the text of a value depends on. The stream of changes writes values as text."""

_NO_TIMEOUTS = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    "SET idle_session_timeout = 0"
)
"""A copy takes long. A session that exports a snapshot is idle in a transaction meanwhile."""

_APPLICATION = "trially-move"

LOCK_SECONDS = 10
"""How long a session waits for another one that writes to the same placement."""


@dataclass(frozen=True)
class Side:
    """Where the tenant's rows are on one side of a move."""

    access: ServerAccess = field(repr=False)
    database: str
    schema: str
    tenant_id: UUID
    shares_tables: bool
    """Whether other tenants have rows in the same tables, under row-level security."""

    @contextmanager
    def reading(self) -> Iterator["SideSession"]:
        """Open a session that reads the tenant's rows, in autocommit mode."""
        with closing(self._connect()) as raw:
            yield SideSession(self, raw)

    @contextmanager
    def writing(self) -> Iterator["SideSession"]:
        """Open a session that writes the tenant's rows as they are, in autocommit mode.

        No trigger and no foreign key is checked: the source has done both. The session holds the
        copy lock, so there is one at a time, also if the process of another one sleeps. Raises
        `BusyTenantError` if another one does not end within `LOCK_SECONDS`.
        """
        key = copy_lock_key(f"'{self.tenant_id}'::uuid")
        with closing(self._connect("SET session_replication_role = replica")) as raw:
            execute(raw, f"SET lock_timeout = '{LOCK_SECONDS}s'")
            try:
                execute(raw, f"SELECT pg_advisory_lock({key})")
            except LockNotAvailable as error:
                raise BusyTenantError(
                    "Another process still writes the tenant's rows there. Try again later."
                ) from error
            yield SideSession(self, raw)

    @contextmanager
    def administered(self) -> Iterator[connection]:
        """Open a connection of the administrator, in autocommit mode."""
        url = self.access.administrator_url(self.database)
        with closing(connect(url, _APPLICATION)) as raw:
            yield raw

    def stream(self) -> LogicalReplicationConnection:
        """Open a connection for PostgreSQL's replication protocol."""
        url = self.access.administrator_url(self.database)
        _, parameters = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call]
        raw: LogicalReplicationConnection = psycopg2.connect(
            **{**NETWORK_LIMITS, "application_name": _APPLICATION, **parameters},
            connection_factory=LogicalReplicationConnection,
        )
        with raw.cursor() as cursor:
            cursor.execute(f"{_TEXT_FORMS}; {_NO_TIMEOUTS}")
        return raw

    @property
    def waits_for_disk(self) -> bool:
        """Whether commits of a switch wait for the disk by themselves.

        On the server of the catalog they need not: the commit of `switch` follows them in the same
        WAL, and waits.
        """
        return self.access.name != FIRST_SERVER

    @property
    def is_tenants(self) -> sql.Composable:
        """The condition of the tenant's rows."""
        return sql.SQL("tenant_id = {}").format(sql.Literal(str(self.tenant_id)))

    def table(self, name: str) -> sql.Composable:
        """Return a table's qualified name."""
        return sql.Identifier(self.schema, name)

    def _connect(self, first: str = "SELECT") -> connection:
        raw = connect(self.access.administrator_url(self.database), _APPLICATION)
        execute(raw, f"{_TEXT_FORMS}; {_NO_TIMEOUTS}; {first}")
        execute(
            raw,
            sql.SQL(
                "SELECT set_config('search_path', {schema}, false),"
                " set_config('trially.tenant_id', {tenant}, false),"
                " set_config('role', {owner}, false)"
            ).format(
                schema=sql.Literal(f"{self.schema}, pg_temp"),
                tenant=sql.Literal(str(self.tenant_id)),
                owner=sql.Literal(owner_role(current_settings())),
            ),
        )
        return raw


@dataclass(frozen=True)
class SideSession:
    """A session on one side."""

    side: Side
    raw: connection

    def run(self, statement: sql.Composable | str, *parameters: Any) -> list[Any]:
        """Run a statement, and return its rows."""
        return execute(self.raw, statement, *parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, without waiting for the disk; or roll it back."""
        self.run("BEGIN; SET LOCAL synchronous_commit = off")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if not self.raw.closed:
                self.run("ROLLBACK")
            raise


def side_of(record: PlacementRecord) -> Side:
    """Return the side of a move at a placement."""
    return Side(
        server_access(record.server.name),
        record.database,
        record.schema,
        record.tenant_id,
        tier_of(record).shares_tables,
    )
