"""Backups of all tenants run one at a time, and clear away what killed ones have left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import func, select

from trially.tenancy.advisory_locks import BACKUP_LOCK
from trially.tenancy.archives.errors import ArchiveError
from trially.tenancy.archives.places import SUFFIX
from trially.tenancy.catalog_sessions import control_engine

ABANDONED_SECONDS = 3600.0
"""An unfinished file that was not written to for this time has lost its process."""


class BackupRunningError(ArchiveError):
    """Another process backs up all tenants."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock of backups of all tenants. It is released when the process dies.

    Raises `BackupRunningError`.
    """
    with control_engine().connect() as catalog:
        if not catalog.scalar(select(func.pg_try_advisory_lock(BACKUP_LOCK))):
            raise BackupRunningError(
                "Another process is backing up all tenants. Nothing was done here."
            )
        catalog.commit()
        try:
            yield
        finally:
            catalog.scalar(select(func.pg_advisory_unlock(BACKUP_LOCK)))
            catalog.commit()


def remove_unfinished(place: str) -> int:
    """Remove the unfinished files in a folder whose process has died, and return their number.

    Stores of objects show no unfinished uploads; a rule of the bucket removes them.
    """
    parts = urlsplit(place)
    if parts.scheme != "file":
        return 0
    removed = 0
    for path in Path(unquote(parts.path)).glob(f"*/*{SUFFIX}#*"):
        if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
