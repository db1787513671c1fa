"""Apply the source's changes at the target, many transactions at a time.

Only the last state of each row counts, because the target is closed meanwhile.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.comparing import hash_rows
from trially.tenancy.lifecycle.moving.copying import mismatch
from trially.tenancy.lifecycle.moving.errors import DifferentTablesError
from trially.tenancy.lifecycle.moving.messages import Change, Relation, Unchanged, Value
from trially.tenancy.lifecycle.moving.rows import delete_rows, insert_rows
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable

Row = list[Value]


class Applier:
    """Collects changes, and writes the last state of each changed row to the target.

    It also knows the rows that changed and were not compared since.
    """

    def __init__(self, target: SideSession, tables: Sequence[MovedTable]) -> None:
        self._target = target
        self._tables = {table.name: table for table in tables}
        self._waiting: dict[str, dict[bytes, Row | None]] = {}
        self._present: dict[str, set[bytes]] = {}
        """The ids of the waiting rows that the target has: those that were not inserted first."""

        self._positions: dict[Relation, Sequence[int]] = {}
        self._uncompared: dict[str, set[str]] = {}
        self.waiting_rows = 0
        """How many rows wait to be written."""

        self.applied_rows = 0
        """How many rows were written or deleted so far."""

        self._write_seconds = 0.0
        """How long that took."""

    @property
    def uncompared_rows(self) -> int:
        """How many rows changed and were not compared since."""
        return sum(map(len, self._uncompared.values()))

    def add(self, change: Change) -> None:
        """Collect a change. Raises `DifferentTablesError` if its table has other columns now."""
        name = change.relation.table
        rows, present = self._waiting.setdefault(name, {}), self._present.setdefault(name, set())
        known = len(rows)
        if change.new_id is not None:
            if not change.is_insert and change.new_id not in rows:
                present.add(change.new_id)
            earlier = rows.get(change.old_id or change.new_id)
            rows[change.new_id] = self._ordered(change, earlier)
        if change.old_id is not None:
            if change.old_id not in rows:
                present.add(change.old_id)
            rows[change.old_id] = None
        self.waiting_rows += len(rows) - known

    def write(self) -> None:
        """Write what was collected, in one transaction. The commit does not wait for the disk."""
        if not self.waiting_rows:
            return
        began = time.monotonic()
        with self._target.transaction():
            for name, rows in self._waiting.items():
                self._write_table(self._tables[name], rows)
        for name, rows in self._waiting.items():
            self._uncompared.setdefault(name, set()).update(id_.decode() for id_ in rows)
        self.applied_rows += self.waiting_rows
        self._write_seconds += time.monotonic() - began
        self.waiting_rows, self._waiting, self._present = 0, {}, {}

    def rows_within(self, seconds: float) -> int:
        """Return how many rows are written in so many seconds, by what was written so far."""
        return int(self.applied_rows / self._write_seconds * seconds) if self._write_seconds else 0

    def compare(self, source: SideSession) -> None:
        """Compare the changed rows. Those that are equal count as compared.

        Rows that differ may have changed again at the source. Both sides are read at once.
        """
        wanted = [(self._tables[name], ids) for name, ids in self._uncompared.items() if ids]
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(hash_rows, self._target, wanted)
            ours = hash_rows(source, wanted)
            theirs = reading.result()
        for table, ids in wanted:
            keys = ((table.name, id_) for id_ in ids)
            self._uncompared[table.name] = {
                key[1] for key in keys if ours.get(key) != theirs.get(key)
            }

    def compare_finally(self, source: SideSession) -> None:
        """Compare the changed rows while the source does not change, or raise `MismatchError`."""
        self.compare(source)
        for name, ids in self._uncompared.items():
            if ids:
                raise mismatch(self._tables[name], sorted(ids))

    def _ordered(self, change: Change, earlier: Row | None) -> Row:
        """Return a row's values in the order of the table's columns, without generated ones."""
        positions = self._positions.get(change.relation)
        if positions is None:
            positions = self._positions[change.relation] = self._order(change.relation)
        row = [change.values[position] for position in positions]
        if earlier is not None and Unchanged.VALUE in row:
            row = [
                before if value is Unchanged.VALUE else value
                for value, before in zip(row, earlier, strict=True)
            ]
        return row

    def _order(self, relation: Relation) -> Sequence[int]:
        table = self._tables.get(relation.table)
        if table is None or set(table.names) != set(relation.columns):
            raise DifferentTablesError(
                f"The table {relation.table} was changed during the move. Try again when no"
                " migration is running."
            )
        return [relation.columns.index(name) for name in table.names]

    def _write_table(self, table: MovedTable, rows: Mapping[bytes, Row | None]) -> None:
        """Replace the changed rows of a table: all are deleted first, so no value collides."""
        kept = [row for row in rows.values() if row is not None]
        self._complete(table, rows)
        delete_rows(self._target, table, [id_.decode() for id_ in self._present[table.name]])
        if kept:
            insert_rows(self._target, table, kept)

    def _complete(self, table: MovedTable, rows: Mapping[bytes, Row | None]) -> None:
        """Take the large values that did not change from the target's rows."""
        partial = {
            id_.decode(): row
            for id_, row in rows.items()
            if row is not None and Unchanged.VALUE in row
        }
        if not partial:
            return
        for id_, *values in self._read_texts(table, list(partial)):
            row = partial.pop(id_)
            row[:] = [
                before if value is Unchanged.VALUE else value
                for value, before in zip(row, map(_encode, values), strict=True)
            ]
        if partial:
            raise mismatch(table, sorted(partial))

    def _read_texts(
        self, table: MovedTable, ids: Iterable[str]
    ) -> Sequence[tuple[str, *tuple[str | None, ...]]]:
        """Return the ids of rows and the texts of their values."""
        side = self._target.side
        texts = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.names]
        return self._target.run(
            sql.SQL("SELECT id::text, {} FROM {} WHERE {} AND id = ANY (%s::uuid[])").format(
                sql.SQL(", ").join(texts), side.table(table.name), side.is_tenants
            ),
            list(ids),
        )


def _encode(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
