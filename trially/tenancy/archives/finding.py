"""Find archives in the catalog."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from trially.tenancy.archives.errors import NoArchiveError
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.places import url_of
from trially.tenancy.catalog import TenantSlug
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
        query = query.where(are_of_tenants(slugs))
    if not with_removed:
        query = query.where(Archive.removed_at.is_(None))
    with catalog_transaction() as session:
        return session.scalars(query).all()


def archives_of(tenant_id: UUID) -> Sequence[Archive]:
    """Return the archives of a tenant that were not removed, oldest first."""
    with catalog_transaction() as session:
        return session.scalars(
            select(Archive)
            .where(Archive.tenant_id == tenant_id, Archive.removed_at.is_(None))
            .order_by(Archive.snapshot_at)
        ).all()


def recorded_id(url: str) -> UUID | None:
    """Return the id of the archive that was written to a URL, None if the catalog has none."""
    with catalog_transaction() as session:
        return session.scalar(select(Archive.id).where(Archive.url == url))


def last_sizes(slugs: Sequence[str]) -> Mapping[str, int]:
    """Return the bytes of all rows in the newest archive of each tenant that has one."""
    query = (
        select(Archive.tenant_slug, Archive.row_bytes)
        .ext(distinct_on(Archive.tenant_slug))
        .where(Archive.tenant_slug.in_(slugs))
        .order_by(Archive.tenant_slug, Archive.snapshot_at.desc())
    )
    with catalog_transaction() as session:
        return dict(session.execute(query).all())


def are_of_tenants(slugs: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition for the archives of tenants, named by a present or former slug."""
    tenants = select(TenantSlug.tenant_id).where(TenantSlug.slug.in_(slugs))
    return or_(Archive.tenant_slug.in_(slugs), Archive.tenant_id.in_(tenants))
