"""Back up tenants, several at a time."""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import IO

from flask import current_app
from sqlalchemy import select
from uuid_utils.compat import uuid7

from trially.database.connection_shares import connections_of_command
from trially.tenancy.archives.adopting import record
from trially.tenancy.archives.ages import BACKED_UP, newest_of_tenant
from trially.tenancy.archives.errors import ArchiveError, MovedMeanwhileError
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import join, new_file, object_name
from trially.tenancy.archives.writing import Report, write_archive
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import data_key
from trially.tenancy.lifecycle.held_snapshots import LONGEST_SECONDS
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.failures import describe_failure

CONNECTIONS = 2
"""How many connections the backup of one tenant opens to its server."""


@dataclass(frozen=True)
class BackupOptions:
    """How tenants are backed up."""

    place: str
    """URL of the folder or bucket."""

    longest_seconds: float = LONGEST_SECONDS
    """How long a snapshot is held at most."""

    bytes_per_second: float | None = None
    """The most bytes that are written for one tenant; None: as fast as possible."""


@dataclass(frozen=True)
class Backup:
    """What became of one tenant's backup."""

    slug: str
    archive: Archive | None
    error: str | None = None


def back_up(slug: str, options: BackupOptions, report: Report = lambda *_: None) -> Archive:
    """Write an archive of a tenant, record it in the catalog, and return it.

    If it fails, there is no archive, and what was written is of no use to anyone.
    Raises `UnknownTenantError`, an `ArchiveError` or a `KeyProviderError`.
    """
    tenant = get_tenant(slug)
    if tenant.status not in BACKED_UP:
        raise ArchiveError(
            f"The tenant {slug!r} is {tenant.status}. Only active and suspended tenants are backed"
            " up."
        )
    archive_id, started = uuid7(), time.monotonic()
    key = data_key(tenant.id)
    name = object_name(tenant.id, archive_id, dt.datetime.now(dt.UTC))
    url = join(options.place, name)
    with new_file(url) as file:
        sink = _Metered(file, options.bytes_per_second)
        manifest = write_archive(tenant, archive_id, key, sink, options.longest_seconds, report)
    archive = Archive(
        id=archive_id,
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        url=url,
        key_version=key.version,
        snapshot_at=manifest.snapshot_at,
        revision=manifest.revision,
        rows=manifest.rows,
        row_bytes=manifest.size,
        size=sink.bytes,
        sha256=sink.digest.hexdigest(),
        seconds=round(time.monotonic() - started, 3),
    )
    record(archive)
    return archive


def back_up_many(
    slugs: Sequence[str],
    options: BackupOptions,
    workers: int,
    report: Callable[[str, str, int], None] = lambda *_: None,
) -> Iterator[Backup]:
    """Back up tenants in parallel, and yield each when it is done. A failure stops no other.

    At most `workers` of them run at a time, and never with more connections to a server than this
    process may open. `report` is called with the slug, the table and the bytes of rows since its
    last call.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def run(slug: str) -> Backup:
        with app.app_context():
            try:
                return Backup(slug, _back_up_patiently(slug, options, partial(report, slug)))
            except Exception as error:  # noqa: BLE001  the tenants after this one are backed up
                return Backup(slug, None, describe_failure(error))

    most = max(1, connections_of_command() // CONNECTIONS)
    executor = ThreadPoolExecutor(min(workers, most), thread_name_prefix="backup")
    try:
        for future in as_completed([executor.submit(run, slug) for slug in slugs]):
            yield future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _back_up_patiently(slug: str, options: BackupOptions, report: Report) -> Archive:
    """Back up a tenant, once more if it moves meanwhile."""
    try:
        return back_up(slug, options, report)
    except MovedMeanwhileError:
        return back_up(slug, options, report)


def slugs_to_back_up(younger_than: dt.timedelta | None) -> list[str]:
    """Return the slugs of all tenants without an archive that is younger than this.

    Those without any come first, then those whose last one is oldest.
    """
    query = (
        select(Tenant.slug)
        .where(Tenant.status.in_(BACKED_UP), is_served())
        .order_by(newest_of_tenant.nulls_first(), Tenant.slug)
    )
    if younger_than is not None:
        before = dt.datetime.now(dt.UTC) - younger_than
        query = query.where(newest_of_tenant.is_(None) | (newest_of_tenant < before))
    with catalog_transaction() as session:
        return list(session.scalars(query))


class _Metered:
    """A file that counts and hashes what is written, and slows it down to a rate."""

    def __init__(self, file: IO[bytes], bytes_per_second: float | None) -> None:
        self._file, self._rate = file, bytes_per_second
        self._began = time.monotonic()
        self.bytes = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)
        if self._rate is not None:
            ahead = self.bytes / self._rate - (time.monotonic() - self._began)
            if ahead > 0:
                time.sleep(ahead)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the file is complete when it is closed."""
