"""Record archives whose backup was killed after the file was complete.

Such a file can be restored, but the catalog does not know of it. It is read as a whole before it is
recorded, because its manifest says what the catalog needs.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from trially.tenancy.archives.manifest import Manifest
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import SUFFIX, join, list_files, open_file
from trially.tenancy.archives.reading import verify_archive
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.schema.failures import describe_failure

_NAME = re.compile(rf"(?P<tenant>[0-9a-f-]{{36}})/[0-9TZ]+-(?P<archive>[0-9a-f]{{32}}){SUFFIX}")


@dataclass(frozen=True)
class Adopted:
    """What became of an archive that the catalog did not know."""

    url: str
    slug: str
    error: str | None = None
    """Why it was not recorded."""


def adopt_archives(place: str, tenant_id: UUID | None = None) -> Iterator[Adopted]:
    """Record the complete archives of present tenants at a place that the catalog lacks.

    With `tenant_id`, only those of this tenant are looked for. Archives of other installations and
    of erased tenants are left alone. Raises `UnusablePlaceError`.
    """
    found = {
        UUID(match["archive"]): (UUID(match["tenant"]), join(place, name))
        for name in list_files(place, None if tenant_id is None else str(tenant_id))
        if (match := _NAME.fullmatch(name))
    }
    slugs = _slugs_of({tenant for tenant, _ in found.values()})
    for archive_id in sorted(found.keys() - _recorded(found)):
        tenant_id, url = found[archive_id]
        if tenant_id in slugs:
            yield _adopt(archive_id, tenant_id, url, slugs[tenant_id])


def record(archive: Archive) -> None:
    """Save an archive, unless another process has just adopted it."""
    values = {
        column.key: value
        for column in Archive.__table__.columns
        if (value := getattr(archive, column.key)) is not None
    }
    with catalog_transaction() as session:
        session.execute(insert(Archive).values(values).on_conflict_do_nothing())


def _adopt(archive_id: UUID, tenant_id: UUID, url: str, slug: str) -> Adopted:
    try:
        with open_file(url) as file:
            digested = _Digested(file)
            manifest = verify_archive(digested)  # type: ignore[arg-type]  # it reads as a file does
    except Exception as error:  # noqa: BLE001  the archives after this one are recorded
        return Adopted(url, slug, describe_failure(error))
    if (manifest.header.archive_id, manifest.header.tenant_id) != (archive_id, tenant_id):
        return Adopted(url, slug, "It is not the archive that its name says.")
    record(_archive_of(manifest, url, digested))
    return Adopted(url, slug)


def _archive_of(manifest: Manifest, url: str, file: "_Digested") -> Archive:
    return Archive(
        id=manifest.header.archive_id,
        tenant_id=manifest.header.tenant_id,
        tenant_slug=manifest.slug,
        url=url,
        key_version=manifest.header.key_version,
        snapshot_at=manifest.snapshot_at,
        revision=manifest.revision,
        rows=manifest.rows,
        row_bytes=manifest.size,
        size=file.bytes,
        sha256=file.digest.hexdigest(),
        seconds=0.0,
    )


def _recorded(found: Mapping[UUID, object]) -> set[UUID]:
    """Return those ids that the catalog has, of removed archives too."""
    with catalog_transaction() as session:
        return set(session.scalars(select(Archive.id).where(Archive.id.in_(found))))


def _slugs_of(tenant_ids: set[UUID]) -> dict[UUID, str]:
    with catalog_transaction() as session:
        rows = session.execute(select(Tenant.id, Tenant.slug).where(Tenant.id.in_(tenant_ids)))
        return {row.id: row.slug for row in rows}


class _Digested:
    """A file that counts and hashes what is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        return self._count(self._file.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line."""
        return self._count(self._file.readline(size))

    def _count(self, data: bytes) -> bytes:
        self.bytes += len(data)
        self.digest.update(data)
        return data
