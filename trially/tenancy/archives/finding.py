"""Find archives in the catalog."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from trially.tenancy.archives.errors import NoArchiveError
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import url_of
from trially.tenancy.catalog_sessions import catalog_transaction


def find_url(reference: str) -> str:
    """Return the URL of an archive that is given by its id, URL or path.

    Raises `NoArchiveError` for an unknown id.
    """
    try:
        archive_id = UUID(reference)
    except ValueError:
        return url_of(reference)
    return find_archive(archive_id).url


def find_archive(archive_id: UUID) -> Archive:
    """Return an archive that was not removed, or raise `NoArchiveError`."""
    with catalog_transaction() as session:
        archive = session.get(Archive, archive_id)
    if archive is None or archive.removed_at is not None:
        raise NoArchiveError(f"There is no archive {archive_id}. `flask backups list` shows them.")
    return archive


def list_archives(slugs: Sequence[str], *, with_removed: bool = False) -> Sequence[Archive]:
    """Return the archives of some tenants or of all, newest first."""
    query = select(Archive).order_by(Archive.snapshot_at.desc(), Archive.id)
    if slugs:
        query = query.where(Archive.tenant_slug.in_(slugs))
    if not with_removed:
        query = query.where(Archive.removed_at.is_(None))
    with catalog_transaction() as session:
        return session.scalars(query).all()
