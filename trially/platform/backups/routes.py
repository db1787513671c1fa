"""Routes of archives."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import accepts, queries, returns_later, returns_page
from trially.http.pages import Page
from trially.platform.asking import Item, ask
from trially.platform.backups.schema import ArchiveQuerySchema, ArchiveSchema, NewBackupSchema
from trially.platform.listing import page_of
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.tenancy.archives.finding import are_of_tenants
from trially.tenancy.archives.model import Archive
from trially.tenancy.catalog_sessions import catalog_transaction

_SHOWN = (
    *("id", "tenant_id", "snapshot_at", "revision", "key_version", "rows", "size", "sha256"),
    *("seconds", "verified_at", "verification"),
)


@bp.get("/backups")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(ArchiveQuerySchema())
@returns_page(ArchiveSchema())
def list_archives(query: dict[str, Any]) -> Page:
    """List archives that are not removed, newest first.

    An archive is encrypted with the data key of its tenant. This API neither sends nor restores
    one: `flask tenants restore` does that.
    """
    return page_of(query, "id", lambda after, limit: _read(query, after, limit))


@bp.post("/backups")
@requires_platform(PlatformPermission.BACKUPS_RUN)
@accepts(NewBackupSchema())
@returns_later(OperationSchema(), OPERATIONS)
def start_backup(body: Item) -> Item:
    """Write an archive of some tenants, or of all.

    The archives go where `TRIALLY_BACKUP_URL` says, and none is removed. A failure stops no other
    tenant, and the operation fails then. One backup of all tenants runs at a time.
    """
    return ask("tenants.back_up", body)


def _read(query: Mapping[str, Any], after: str | None, limit: int) -> Sequence[Item]:
    statement = select(Archive).where(Archive.removed_at.is_(None)).order_by(Archive.id.desc())
    if "tenant" in query:
        statement = statement.where(are_of_tenants([query["tenant"]]))
    if after is not None:
        statement = statement.where(Archive.id < UUID(after))
    with catalog_transaction() as session:
        found = session.scalars(statement.limit(limit)).all()
    return [
        {**{name: getattr(each, name) for name in _SHOWN}, "tenant": each.tenant_slug}
        for each in found
    ]
