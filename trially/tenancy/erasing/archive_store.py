"""Archives of a tenant. They stay where they are, and nobody can read them without the key."""

from collections.abc import Iterable

from sqlalchemy import select

from trially.tenancy.archives.model import Archive
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, register


class ArchiveStore:
    """The archives, which an erasure makes unreadable by destroying their key."""

    def look(self, tenant: ErasedTenant) -> Iterable[Found]:
        """Yield each archive with its key's version."""
        with catalog_transaction() as session:
            archives = session.scalars(
                select(Archive)
                .where(Archive.tenant_id == tenant.id, Archive.removed_at.is_(None))
                .order_by(Archive.snapshot_at)
            ).all()
        for each in archives:
            yield Found(
                f"archive {each.id}",
                "archives",
                1,
                f"Nobody can read it: the version {each.key_version} of the data key, with which it"
                " is encrypted, is destroyed.",
                {
                    "url": each.url,
                    "sha256": each.sha256,
                    "snapshot_at": each.snapshot_at.isoformat(),
                    "key_version": each.key_version,
                },
            )

    def remove(self, tenant: ErasedTenant) -> None:
        """Do nothing: the step that destroys the keys makes archives unreadable."""


register(ArchiveStore())
