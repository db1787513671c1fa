"""Folders of the tenant's silos on this host. A silo is an installation of its own."""

from collections.abc import Iterator

from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, register
from trially.tenancy.lifecycle.silo_folders import find_folders


class SiloFolders:
    """The folders that `flask tenants silo` has written for the tenant on this host."""

    def look(self, tenant: ErasedTenant) -> Iterator[Found]:
        """Count the folders. The certificate has their paths without the tenant's slugs."""
        folders = [_without_slugs(str(each), tenant) for each in find_folders(tenant.slugs)]
        yield Found(
            "folders of silos on this host",
            "folders",
            len(folders),
            "A silo is an installation of its own, with keys and rows of its own. Erase the tenant"
            " there, and delete the folder.",
            {"found": folders} if folders else None,
        )

    def remove(self, tenant: ErasedTenant) -> None:
        """Do nothing: the folder has the keys of a silo that may be serving."""


def _without_slugs(text: str, tenant: ErasedTenant) -> str:
    for slug in sorted(tenant.slugs, key=len, reverse=True):
        text = text.replace(slug, "(slug)")
    return text


register(SiloFolders())
