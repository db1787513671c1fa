"""The rows of a tenant's tables as lines of COPY, without the tenant's id."""

from collections.abc import Callable, Iterator, Sequence

from psycopg2 import sql

from trially.tenancy.archives.manifest import ArchivedTable
from trially.tenancy.archives.row_hash import RowHash
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable

PART_BYTES = 4 << 20
"""How many bytes of rows a member has, before compression."""

TENANT = "tenant_id"

Part = Callable[[bytes], object]


def write_rows(session: SideSession, table: MovedTable, part: Part) -> ArchivedTable:
    """Pass the tenant's rows of a table to `part`, some megabytes at a time."""
    columns = [name for name in table.names if name != TENANT]
    rows = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        session.side.table(table.name),
        session.side.is_tenants,
    )
    parts = _Parts(part)
    with session.raw.cursor() as cursor:
        cursor.copy_expert(rows, parts)
    parts.flush()
    return ArchivedTable(
        table.name, columns, parts.hash.rows, parts.bytes, parts.count, parts.hash.hexadecimal
    )


class _Parts:
    """A file that psycopg2 writes one row at a time."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._lines: list[bytes] = []
        self._waiting = 0
        self.bytes = self.count = 0
        self.hash = RowHash()

    def write(self, line: bytes) -> None:
        """Take a row."""
        self._lines.append(line)
        self._waiting += len(line)
        if self._waiting >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass on the rows that were not passed on yet."""
        if self._lines:
            self.hash.add(self._lines)
            self._part(b"".join(self._lines))
            self.bytes += self._waiting
            self.count += 1
            self._lines, self._waiting = [], 0


class Lines:
    """A file that psycopg2 reads: the rows of some parts, each with the tenant's id before it."""

    def __init__(self, parts: Iterator[bytes], tenant_id: str) -> None:
        self._parts = parts
        self._prefix = tenant_id.encode() + b"\t"
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._rest = memoryview(self._with_tenant(part))
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)

    def readline(self, size: int = -1, /) -> bytes:
        """Raise `NotImplementedError`: psycopg2 asks for the method and does not call it."""
        raise NotImplementedError

    def _with_tenant(self, part: bytes) -> bytes:
        # A line feed within a value is written as an escape, so each one ends a row.
        lines = part.count(b"\n")
        return self._prefix + part.replace(b"\n", b"\n" + self._prefix, lines - 1)


def split_lines(part: bytes) -> Sequence[bytes]:
    """Return the rows of a part, each with the line feed at its end."""
    return [line + b"\n" for line in part[:-1].split(b"\n")]
