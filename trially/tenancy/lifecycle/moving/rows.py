"""Read and write rows in bulk, with COPY."""

import io
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Thread
from typing import Protocol

from psycopg2 import sql

from trially.tenancy.lifecycle.moving.messages import Value
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.tables import MovedTable

PIPE_BYTES = 1 << 16
"""How much of a table is sent at a time."""

_STAGE = sql.Identifier("pg_temp", "moved_rows")

Counted = Callable[[int], None]
"""Called with the number of bytes that were copied since the last call."""


def pipe_rows(
    source: SideSession,
    rows: sql.Composable,
    target: SideSession,
    table: MovedTable,
    counted: Counted,
) -> int:
    """Copy the rows of the query `rows` from the source into a table. Return their number.

    Only some kilobytes of them are in memory at a time.
    """
    reading, writing = os.pipe()
    failures: list[BaseException] = []
    copy_out = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(rows)

    def send() -> None:
        try:
            with (
                os.fdopen(writing, "wb", buffering=PIPE_BYTES) as file,
                source.raw.cursor() as cursor,
            ):
                cursor.copy_expert(copy_out, file)
        except BaseException as error:  # noqa: BLE001  the caller raises it
            failures.append(error)

    sender = Thread(target=send, name="move-copy", daemon=True)
    sender.start()
    try:
        with os.fdopen(reading, "rb", buffering=PIPE_BYTES) as file:
            count = copy_into(target, table, _CountingFile(file, counted), "binary")
    except BaseException:
        sender.join()
        if failures:
            raise failures[0] from None
        raise
    sender.join()
    if failures:
        raise failures[0]
    return count


def insert_rows(target: SideSession, table: MovedTable, rows: Iterable[Sequence[Value]]) -> None:
    """Insert rows given as the texts of their values, in the order of the table's columns."""
    text = b"".join(b"\t".join(map(_escape, row)) + b"\n" for row in rows)
    copy_into(target, table, io.BytesIO(text), "text")


def delete_rows(target: SideSession, table: MovedTable, ids: Collection[str]) -> None:
    """Delete the tenant's rows with these ids."""
    if ids:
        target.run(
            sql.SQL("DELETE FROM {} WHERE {} AND id = ANY (%s::uuid[])").format(
                target.side.table(table.name), target.side.is_tenants
            ),
            list(ids),
        )


def copy_into(target: SideSession, table: MovedTable, file: "_Readable", form: str) -> int:
    """COPY a file into a table, and return the number of rows.

    COPY refuses a table under row-level security. There the rows go through a temporary table, and
    the policy checks each of them.
    """
    name, is_staged = target.side.table(table.name), target.side.shares_tables
    if is_staged:
        target.run(
            sql.SQL(
                "DROP TABLE IF EXISTS {};"
                " CREATE TEMP TABLE moved_rows AS SELECT {} FROM {} WITH NO DATA"
            ).format(_STAGE, table.listed, name)
        )
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(
        _STAGE if is_staged else name, table.listed, sql.SQL(form)
    )
    with target.raw.cursor() as cursor:
        cursor.copy_expert(copy_in, file, PIPE_BYTES)
        count: int = cursor.rowcount
    if is_staged:
        target.run(
            sql.SQL(
                "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE"
                " SELECT {columns} FROM {stage}; DROP TABLE {stage}"
            ).format(name=name, columns=table.listed, stage=_STAGE)
        )
    return count


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self, size: int = -1, /) -> bytes: ...


class _CountingFile:
    """A file that tells how much was read."""

    def __init__(self, file: "_Readable", counted: Counted) -> None:
        self._file, self._counted = file, counted

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self._counted(len(data))
        return data

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line. psycopg2 asks for the method and does not call it."""
        return self._file.readline(size)


def _escape(value: Value) -> bytes:
    r"""Return a value in the text form of COPY: NULL is \N, and four characters are escaped."""
    if not isinstance(value, bytes):
        return b"\\N"
    if b"\\" in value:
        value = value.replace(b"\\", b"\\\\")
    if b"\t" in value:
        value = value.replace(b"\t", b"\\t")
    if b"\n" in value:
        value = value.replace(b"\n", b"\\n")
    if b"\r" in value:
        value = value.replace(b"\r", b"\\r")
    return value
