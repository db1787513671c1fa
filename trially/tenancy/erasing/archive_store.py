"""Archives of a tenant. They stay where they are, and nobody can read them without the key."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, register


@dataclass(frozen=True)
class KnownArchive:
    """An archive that the catalog knows of."""

    url: str
    taken_at: dt.datetime
    key_version: int
    """The version of the tenant's data key that the archive is encrypted with."""


KNOWN_ARCHIVES: list[Callable[[UUID], Iterable[KnownArchive]]] = []
"""Functions that return a tenant's archives."""


class ArchiveStore:
    """The archives, which an erasure makes unreadable by destroying their key."""

    def look(self, tenant: ErasedTenant) -> Iterable[Found]:
        """Yield each archive with its key's version."""
        for find in KNOWN_ARCHIVES:
            for each in find(tenant.id):
                yield Found(
                    f"archive {each.url}",
                    "archives",
                    1,
                    f"Nobody can read it: the version {each.key_version} of the data key, with"
                    " which it is encrypted, is destroyed.",
                    {"taken_at": each.taken_at.isoformat(), "key_version": each.key_version},
                )

    def remove(self, tenant: ErasedTenant) -> None:
        """Do nothing: the step that destroys the keys makes archives unreadable."""


register(ArchiveStore())
