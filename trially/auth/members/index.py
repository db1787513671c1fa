"""The catalog's index of members: who is a member of which tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from trially.tenancy.catalog import MembershipIndex, catalog_transaction


def write_index(tenant_id: UUID, members: Sequence[tuple[str, str]]) -> None:
    """Add (issuer, subject) pairs to the catalog's member index.

    This is a transaction of its own, after that of the tenant's table. If it fails, the same
    command adds the missing entry. An entry without a member grants no access.
    """
    if not members:
        return
    rows = [
        {"issuer": issuer, "subject": subject, "tenant_id": tenant_id}
        for issuer, subject in members
    ]
    with catalog_transaction() as session:
        session.execute(insert(MembershipIndex).values(rows).on_conflict_do_nothing())


def delete_index(tenant_id: UUID, issuer: str | None = None, subject: str | None = None) -> None:
    """Delete a member, or all members of a tenant, from the catalog's member index."""
    statement = delete(MembershipIndex).where(MembershipIndex.tenant_id == tenant_id)
    if issuer is not None:
        statement = statement.where(
            MembershipIndex.issuer == issuer, MembershipIndex.subject == subject
        )
    with catalog_transaction() as session:
        session.execute(statement)
