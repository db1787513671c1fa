"""What the catalog holds of members: who is one of which tenant, and how that was changed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from trially.database.placement import current_placement
from trially.tenancy.catalog import MembershipIndex
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.operators.recording import note


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


def note_member(action: str, subject: str, issuer: str, details: Mapping[str, Any]) -> None:
    """Record a change of a member of the current tenant in the catalog's log.

    Call it before the tenant's transaction commits: a change that cannot be recorded is not made.
    """
    shown = {name: _as_json(value) for name, value in details.items() if value is not None}
    with catalog_transaction() as session:
        note(
            session,
            action,
            target=subject,
            tenant_id=current_placement().tenant_id,
            details={"issuer": issuer, **shown},
        )


def _as_json(value: Any) -> Any:
    if isinstance(value, str | bool | dict):
        return value
    return sorted(map(str, value))


def delete_index(tenant_id: UUID, issuer: str | None = None, subject: str | None = None) -> None:
    """Delete a member, or all members of a tenant, from the catalog's member index."""
    statement = delete(MembershipIndex).where(MembershipIndex.tenant_id == tenant_id)
    if issuer is not None:
        statement = statement.where(
            MembershipIndex.issuer == issuer, MembershipIndex.subject == subject
        )
    with catalog_transaction() as session:
        session.execute(statement)
