"""Files of the instance folder that name a tenant by its id."""

import os
from collections.abc import Iterator
from pathlib import Path

from trially.config import current_settings
from trially.tenancy.archives.places import FOLDER as ARCHIVES
from trially.tenancy.erasing.erased_tenant import ErasedTenant
from trially.tenancy.erasing.stores import Found, register
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

SEARCHED_ELSEWHERE = (EMBEDDED_DIRECTORY, ARCHIVES)
"""The embedded server's data, whose databases are searched, and archives, which are listed."""

LARGEST_READ = 1 << 20
"""Larger files are searched by their names only, in bytes."""


class InstanceFiles:
    """The instance folder, without what is searched elsewhere."""

    def look(self, tenant: ErasedTenant) -> Iterator[Found]:
        """Count the files that have the tenant's id in their name or their content."""
        folder = current_settings().instance
        found = [each for each in _files(folder) if _is_about(each, str(tenant.id))]
        details = {"found": [str(each.relative_to(folder)) for each in found]} if found else None
        yield Found("files of the instance folder", "files", len(found), details=details)

    def remove(self, tenant: ErasedTenant) -> None:
        """Remove the files that are named after the tenant."""
        for each in _files(current_settings().instance):
            if str(tenant.id) in each.name:
                each.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [each for each in folders if each not in SEARCHED_ELSEWHERE]
        yield from (Path(parent) / name for name in names)


def _is_about(path: Path, tenant_id: str) -> bool:
    if tenant_id in path.name:
        return True
    try:
        is_small = path.stat().st_size <= LARGEST_READ
        return path.is_file() and is_small and tenant_id.encode() in path.read_bytes()
    except OSError:
        return False  # another process has just removed it, or it is a socket


register(InstanceFiles())
