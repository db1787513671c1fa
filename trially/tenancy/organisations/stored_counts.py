"""The counts that the catalog holds: which are deleted, because no organisation may see them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, exists
from sqlalchemy.orm import Session

from trially.tenancy.organisations.model import OrganisationTenant, SharedCount


def delete_unseen(session: Session, tenant_ids: Collection[UUID]) -> None:
    """Delete the counts of those tenants that are in no organisation any more."""
    is_seen = exists().where(
        OrganisationTenant.tenant_id == SharedCount.tenant_id,
        OrganisationTenant.joined_at.is_not(None),
    )
    session.execute(delete(SharedCount).where(SharedCount.tenant_id.in_(tenant_ids), ~is_seen))
