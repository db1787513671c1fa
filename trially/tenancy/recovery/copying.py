"""Copy a tenant's rows from a recovered cluster into another tenant, and compare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.comparing import hash_buckets
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.rows import pipe_rows
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable
from trially.tenancy.recovery.errors import RecoveryError

TENANT = "tenant_id"


@dataclass(frozen=True)
class RelabelledTable(MovedTable):
    """A table of one tenant, read as if another tenant had its rows."""

    tenant_id: UUID

    @property
    def listed(self) -> sql.Composable:
        """The columns of a query, with the other tenant's id."""
        return sql.SQL(", ").join(self._value(name) for name in self.names)

    @property
    def hash(self) -> sql.Composable:
        """An expression for the hash that a row has with the other tenant's id."""
        values = [
            self._value(column.name) + sql.SQL("" if column.is_hashable else "::text")
            for column in self.columns
        ]
        return sql.SQL("hash_record_extended(ROW({}), 0)").format(sql.SQL(", ").join(values))

    def _value(self, name: str) -> sql.Composable:
        if name == TENANT:
            return sql.SQL("{}::uuid").format(sql.Literal(str(self.tenant_id)))
        return sql.Identifier(name)


def copy_rows(
    source: SideSession,
    target: SideSession,
    tables: Sequence[MovedTable],
    progress: MoveProgress,
) -> None:
    """Make the target tenant's rows equal to those of the source, but for the tenant's id.

    What an interrupted attempt has copied is deleted first. Raises `RecoveryError` if rows differ
    after the copy.
    """
    for table in tables:
        progress.begin_table(table.name)
        relabelled = RelabelledTable(table.name, table.columns, target.side.tenant_id)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            relabelled.listed, source.side.table(table.name), source.side.is_tenants
        )
        with target.transaction():
            empty(target, table)
            progress.count_rows(pipe_rows(source, query, target, table, progress.count_bytes))
        if hash_buckets(source, relabelled) != hash_buckets(target, table):
            raise RecoveryError(
                f"After the copy, rows of {table.name} differ from those of the recovered cluster."
                " Nothing was restored. Run `flask doctor`, which compares the tables."
            )
        target.run(sql.SQL("ANALYZE {}").format(target.side.table(table.name)))
    continue_numbers(source, target, tables)


def empty(target: SideSession, table: MovedTable) -> None:
    """Delete the target tenant's rows of a table."""
    target.run(
        sql.SQL("DELETE FROM {} WHERE {}").format(
            target.side.table(table.name), target.side.is_tenants
        )
    )
