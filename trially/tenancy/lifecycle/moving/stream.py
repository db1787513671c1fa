"""The stream of a tenant's changes at the source: PostgreSQL's logical decoding.

The replication slot is temporary: PostgreSQL drops it when this connection ends, however it ends.
"""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.lifecycle.moving.errors import LostStreamError
from trially.tenancy.lifecycle.moving.messages import Change, Decoder, Note
from trially.tenancy.lifecycle.moving.sides import Side
from trially.tenancy.lifecycle.moving.tables import MovedTable
from trially.tenancy.servers.connections import execute

PREFIX = "trially.move"
"""Prefix of the messages that a mover writes into the WAL of the source."""

STATUS_SECONDS = 5.0
"""How often the mover tells the source how far it has come, so that WAL can be removed."""


def create_publication(source: Side, name: str, tables: Sequence[MovedTable]) -> None:
    """Publish the tenant's rows, unless they are. Where tenants share tables, a filter does that.

    TRUNCATE is not published: no role of a tenant may use it.
    """
    condition = (
        sql.SQL(" WHERE ({})").format(source.is_tenants) if source.shares_tables else sql.SQL("")
    )
    listed = sql.SQL(", ").join(source.table(table.name) + condition for table in tables)
    drop_publication(source, name)
    with source.reading() as session:
        session.run(
            sql.SQL(
                "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete',"
                " publish_via_partition_root = true)"
            ).format(sql.Identifier(name), listed),
        )


def drop_publication(source: Side, name: str) -> None:
    """Drop a publication, if it exists."""
    with source.reading() as session:
        session.run(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def mark(raw: connection, content: str) -> None:
    """Write a message into the WAL behind all commits so far, and wait until it is on disk."""
    execute(raw, "SELECT pg_logical_emit_message(true, %s, %s)", PREFIX, content)


class Stream:
    """The changes since a snapshot. `snapshot` is valid until `start`."""

    def __init__(self, source: Side, publication: str) -> None:
        """Create the slot. This waits for the transactions that run at the source's server."""
        self._publication = publication
        self._raw = source.stream()
        self._cursor = self._raw.cursor()
        self._decoder = Decoder()
        self._told_at = 0.0
        self._position = 0
        try:
            self._cursor.execute(
                f'CREATE_REPLICATION_SLOT "{publication}" TEMPORARY LOGICAL pgoutput'
                " (SNAPSHOT 'export')"
            )
            [(_, _, self.snapshot, _)] = self._cursor.fetchall()
        except BaseException:
            self._raw.close()
            raise

    def start(self) -> None:
        """Let the source send the changes. The snapshot is gone then."""
        self._cursor.start_replication(
            slot_name=self._publication,
            decode=False,
            options={
                "proto_version": "1",
                "publication_names": self._publication,
                "messages": "true",
            },
        )

    def read(self, seconds: float) -> Iterator[Change | Note]:
        """Yield the changes and messages that have arrived, and wait for the first so long.

        Raises `LostStreamError` if the source has ended the stream.
        """
        try:
            message = self._cursor.read_message()
            if message is None and seconds > 0:
                select.select([self._raw], [], [], seconds)
                message = self._cursor.read_message()
            while message is not None:
                self._position = max(self._position, message.data_start)
                found = self._decoder.decode(message.payload)
                if found is not None:
                    yield found
                message = self._cursor.read_message()
            if time.monotonic() - self._told_at > STATUS_SECONDS:
                self._cursor.send_feedback()  # type: ignore[no-untyped-call]
                self._told_at = time.monotonic()
        except psycopg2.Error as error:
            raise LostStreamError(
                f"The source has ended the stream of changes: {str(error).strip()}"
            ) from error

    def confirm(self) -> None:
        """Tell the source that what was read is at the target, so that its WAL can be removed."""
        position = self._position
        self._cursor.send_feedback(flush_lsn=position, apply_lsn=position)  # type: ignore[no-untyped-call]
        self._told_at = time.monotonic()

    def close(self) -> None:
        """End the stream. PostgreSQL drops the slot."""
        self._raw.close()


@contextmanager
def opened_stream(source: Side, publication: str) -> Iterator[Stream]:
    """Open the stream of the published changes for the block."""
    stream = Stream(source, publication)
    try:
        yield stream
    finally:
        stream.close()
