"""What keeps a tenant's data, and what would end it: archives, data keys, and erasure."""

from typing import Any

from sqlalchemy import select

from trially.keys.providers import WrappedKey
from trially.tenancy.archives.finding import archives_of
from trially.tenancy.archives.model import Archive
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.erasing.erased_tenant import read_tenant
from trially.tenancy.erasing.searching import look


def describe_backups(tenant: Tenant) -> dict[str, Any]:
    """Return the number of a tenant's archives, the newest, and the last that was restored."""
    archives = archives_of(tenant.id)
    verified = [each for each in archives if each.verified_at is not None]
    last = max(verified, key=lambda each: str(each.verified_at), default=None)
    return {
        "archives": len(archives),
        "newest": _describe(archives[-1]) if archives else None,
        "last_verified": None if last is None else _describe(last),
    }


def describe_keys(tenant: Tenant) -> list[dict[str, Any]]:
    """Return the versions of a tenant's data key, newest first. No key is shown."""
    with catalog_transaction() as session:
        keys = session.scalars(
            select(TenantKey)
            .where(TenantKey.tenant_id == tenant.id)
            .order_by(TenantKey.version.desc())
        ).all()
    return [
        {
            "version": key.version,
            "created_at": key.created_at,
            "wrapped_by": None if key.sealed is None else WrappedKey.parse(key.sealed).kind,
            "wrapped_at": key.wrapped_at,
            "destroyed_at": key.destroyed_at,
        }
        for key in keys
    ]


def describe_erasability(tenant: Tenant) -> dict[str, Any]:
    """Return what an erasure would remove, and what forbids one."""
    with catalog_transaction() as session:
        erased = read_tenant(session, session.get_one(Tenant, tenant.id))
    return {
        "legal_hold": tenant.legal_hold,
        "erase_after": tenant.erase_after,
        "stores": [
            {
                "store": found.store,
                "count": found.count,
                "unit": found.unit,
                "remains": found.remains,
            }
            for found in look(erased)
        ],
    }


def _describe(archive: Archive) -> dict[str, Any]:
    return {
        "archive": str(archive.id),
        "snapshot_at": archive.snapshot_at,
        "rows": archive.rows,
        "sha256": archive.sha256,
        "verified_at": archive.verified_at,
        "result": archive.verification or ("all rows equal" if archive.verified_at else None),
    }
