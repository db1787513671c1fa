"""What the catalog holds of members: who is one of which tenant, and how that was changed."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert

from trially.database.placement import current_placement
from trially.request_state import request_state
from trially.tenancy.catalog import InvitationIndex, MembershipIndex
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.operators.recording import note

log = logging.getLogger(__name__)


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


def write_invited(tenant_id: UUID, persons: Sequence[tuple[str, str]]) -> None:
    """Replace a tenant's invited persons in the catalog's index by (issuer, subject) pairs."""
    rows = [
        {"issuer": issuer, "subject": subject, "tenant_id": tenant_id}
        for issuer, subject in persons
    ]
    with catalog_transaction() as session:
        session.execute(delete(InvitationIndex).where(InvitationIndex.tenant_id == tenant_id))
        if rows:
            session.execute(insert(InvitationIndex).values(rows))


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


def index_member(tenant_id: UUID, issuer: str, subject: str) -> None:
    """Add a new member to the catalog's index, and take the person out of the invited ones.

    Requests call it before they commit: an entry without a member grants no access. Raises
    `CatalogUnavailableError`.
    """
    _call("index_member", tenant_id, issuer, subject)


def index_invitation(tenant_id: UUID, issuer: str, subject: str) -> None:
    """Add an invited person to the catalog's index, or raise `CatalogUnavailableError`."""
    _call("index_invitation", tenant_id, issuer, subject)


def unindex_after_commit(tenant_id: UUID, issuer: str, subject: str) -> None:
    """Take a person out of the catalog's index, once the open transaction is committed.

    If the catalog does not answer then, the entry stays. It grants no access.
    """
    request_state().after_commit.append(partial(_unindex, tenant_id, issuer, subject))


def _unindex(tenant_id: UUID, issuer: str, subject: str) -> None:
    try:
        _call("unindex_person", tenant_id, issuer, subject)
    except CatalogUnavailableError:
        log.warning(
            "An entry stays in the catalog's member index, because the catalog does not answer."
            " `flask tenants members reindex` removes it."
        )


def _call(function: str, tenant_id: UUID, issuer: str, subject: str) -> None:
    """Call one of the functions with which requests may change the index."""
    statement = text(f"SELECT {function}(:tenant_id, :issuer, :subject)")
    values = {"tenant_id": tenant_id, "issuer": issuer, "subject": subject}

    def call() -> None:
        with reader_engine().begin() as catalog:
            catalog.execute(statement, values)

    catalog_reader().ask(call)
