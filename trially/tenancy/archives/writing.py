"""Write an archive: a header, and a tar of compressed parts that age encrypts.

Nothing is buffered but one part. age's chunks are authenticated with their order and their end, so
a changed or shortened file cannot be decrypted.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import IO, Protocol
from uuid import UUID

import pyrage
import zstandard

from trially.keys.data_keys import DataKey
from trially.state import app_state
from trially.tenancy.archives.archive_keys import authenticate, identity_of
from trially.tenancy.archives.manifest import (
    AUTHENTICATION,
    MANIFEST,
    ArchivedTable,
    Header,
    Manifest,
    part_name,
)
from trially.tenancy.archives.snapshots import Snapshot, take_snapshot
from trially.tenancy.archives.table_streams import write_rows
from trially.tenancy.catalog import Tenant
from trially.tenancy.lifecycle.held_snapshots import SnapshotLimit, held_at_most
from trially.tenancy.lifecycle.moving.sides import SideSession, side_of
from trially.tenancy.lifecycle.moving.tables import MovedTable

COMPRESSION_LEVEL = 3

Report = Callable[[str, int], None]
"""Called with the table that is written, and with the bytes of rows since the last call."""


class Sink(Protocol):
    """A file that is written from its beginning to its end."""

    def write(self, data: bytes, /) -> object:
        """Write bytes."""


def write_archive(
    tenant: Tenant,
    archive_id: UUID,
    key: DataKey,
    sink: Sink,
    longest_seconds: float,
    report: Report,
) -> Manifest:
    """Write the archive of a tenant, and return its manifest.

    All rows are of one snapshot. Raises `LongSnapshotError` if it is held longer than
    `longest_seconds`: PostgreSQL cannot vacuum rows that died since. Raises `MovedMeanwhileError`
    if the tenant has moved, and `HiddenRowsError` if not all its rows can be read.
    """
    header = Header(archive_id, tenant.id, key.version)
    side = side_of(tenant.placement)
    with (
        side.reading() as session,
        held_at_most(session, SnapshotLimit(longest_seconds, f"The backup of {tenant.slug}")),
        _encrypted(header, key, sink) as tar,
    ):
        snapshot = take_snapshot(session, tenant)
        tables = [_write_table(session, table, tar, report) for table in snapshot.tables]
        manifest = _describe(tenant, header, snapshot, tables)
        text = manifest.to_json()
        _add(tar, MANIFEST, text)
        _add(tar, AUTHENTICATION, authenticate(key, archive_id, text).encode())
    return manifest


def _write_table(
    session: SideSession, table: MovedTable, tar: tarfile.TarFile, report: Report
) -> ArchivedTable:
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
    numbers = iter(range(1, 1_000_000))

    def part(lines: bytes) -> None:
        _add(tar, part_name(table.name, next(numbers)), compressor.compress(lines))
        report(table.name, len(lines))

    return write_rows(session, table, part)


def _describe(
    tenant: Tenant,
    header: Header,
    snapshot: Snapshot,
    tables: list[ArchivedTable],
) -> Manifest:
    return Manifest(
        header=header,
        slug=tenant.slug,
        name=tenant.name,
        kind=tenant.kind,
        plan=tenant.plan,
        region=tenant.region,
        time_zone=tenant.time_zone,
        tier=tenant.placement.tier,
        revision=snapshot.revision,
        snapshot_at=snapshot.at,
        version=app_state().version,
        tables=tables,
    )


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


@contextmanager
def _encrypted(header: Header, key: DataKey, sink: Sink) -> Iterator[tarfile.TarFile]:
    """Yield a tar whose bytes are encrypted into `sink`, after the header.

    If the block fails, the encryption is not ended: what was written cannot be decrypted.
    """
    sink.write(header.line())
    recipient = identity_of(key, header.archive_id).to_public()
    reading, writing = os.pipe()
    failures: list[BaseException] = []
    source = _Source(os.fdopen(reading, "rb"))

    def encrypt() -> None:
        try:
            with source.file:
                pyrage.encrypt_io(source, sink, [recipient])
        except BaseException as error:  # noqa: BLE001  the caller raises it
            failures.append(error)

    thread = Thread(target=encrypt, name="archive", daemon=True)
    thread.start()
    try:
        with os.fdopen(writing, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
            try:
                yield tar
            except BaseException:
                source.is_broken = True
                raise
    except BrokenPipeError:
        thread.join()
        if not failures:
            raise
        raise failures[0] from None
    finally:
        thread.join()
    if failures:
        raise failures[0]


class _Source:
    """The reading end of the pipe. It fails instead of ending if its writer has failed."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.is_broken = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self.file.read(size)
        if not data and self.is_broken:
            raise BrokenPipeError("The writer of the archive has failed.")
        return data
