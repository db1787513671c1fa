"""Request, approve, revoke and list support grants."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from trially.auth.roles import PhiLevel, Role
from trially.database.model import length_of
from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.names import check_line
from trially.tenancy.operators.model import SupportGrant
from trially.tenancy.operators.persons import current_person

LONGEST = dt.timedelta(hours=24)
"""The longest duration of a grant. The catalog refuses a longer one too."""

OPEN_FOR = dt.timedelta(hours=24)
"""How long a request can be approved."""

LONGEST_REASON = 500


class GrantState(StrEnum):
    """Where a grant stands."""

    REQUESTED = "requested"
    LAPSED = "lapsed"
    """It was not approved in time."""

    ACTIVE = "active"
    ENDED = "ended"
    REVOKED = "revoked"


class NoGrantError(OperatorError):
    """No grant has this id."""


class NotApprovedError(OperatorError):
    """A grant cannot be approved, or not by this person."""


class NotRevokedError(OperatorError):
    """A grant is not in force, so it cannot be revoked."""


def state_of_grant(grant: Any, now: dt.datetime) -> GrantState:
    """Return where a grant stands."""
    if grant.revoked_at is not None:
        return GrantState.REVOKED
    if grant.approved_at is None:
        is_open = now < grant.requested_at + OPEN_FOR
        return GrantState.REQUESTED if is_open else GrantState.LAPSED
    return GrantState.ACTIVE if now < grant.expires_at else GrantState.ENDED


def request_grant(
    reference: str,
    subject: str,
    *,
    issuer: str,
    reason: str,
    ticket: str,
    duration: dt.timedelta,
    role: Role,
    phi_level: PhiLevel,
) -> SupportGrant:
    """Ask for a grant for the operator who signs in as (issuer, subject)."""
    check_line(subject, "The subject", length_of(SupportGrant.subject))
    check_line(issuer, "The issuer", length_of(SupportGrant.issuer))
    check_line(reason, "The reason", LONGEST_REASON)
    check_line(ticket, "The ticket", length_of(SupportGrant.ticket))
    grant = SupportGrant(
        tenant_id=get_tenant(reference).id,
        issuer=app_state().token_verifier.recorded_name(issuer),
        subject=subject,
        role=role,
        phi_level=phi_level,
        reason=reason,
        ticket=ticket,
        duration=duration,
        requested_by=current_person().name,
    )
    with catalog_transaction() as session:
        session.add(grant)
        session.flush()
        session.refresh(grant)
    return grant


def approve_grant(grant_id: UUID) -> SupportGrant:
    """Let a requested grant begin now. Raises `NoGrantError` or `NotApprovedError`."""
    person = current_person().name
    with catalog_transaction() as session:
        grant, state = _locked(session, grant_id)
        if state is not GrantState.REQUESTED:
            raise NotApprovedError(f"The grant {grant_id} is {state}. Request another one.")
        if grant.requested_by == person:
            raise NotApprovedError(
                f"{person!r} requested the grant {grant_id}, so another person must approve it."
            )
        session.execute(
            update(SupportGrant)
            .where(SupportGrant.id == grant_id)
            .values(
                approved_by=person,
                approved_at=func.now(),
                expires_at=func.now() + SupportGrant.duration,
            )
        )
        session.refresh(grant)
    directory().forget(grant.tenant_id)
    return grant


def revoke_grant(grant_id: UUID) -> SupportGrant:
    """End a grant, or withdraw a request. Raises `NoGrantError` or `NotRevokedError`."""
    with catalog_transaction() as session:
        grant, state = _locked(session, grant_id)
        if state not in (GrantState.REQUESTED, GrantState.ACTIVE):
            raise NotRevokedError(f"The grant {grant_id} is {state} already.")
        session.execute(
            update(SupportGrant)
            .where(SupportGrant.id == grant_id)
            .values(revoked_by=current_person().name, revoked_at=func.now())
        )
        session.refresh(grant)
    directory().forget(grant.tenant_id)
    return grant


def list_grants(reference: str | None = None) -> Sequence[dict[str, Any]]:
    """Return the grants of a tenant or of all, newest first."""
    statement = select(SupportGrant, Tenant.slug).join(Tenant).order_by(SupportGrant.id.desc())
    if reference is not None:
        statement = statement.where(SupportGrant.tenant_id == get_tenant(reference).id)
    with Session(control_engine()) as session:
        return [describe(grant, slug) for grant, slug in session.execute(statement)]


def describe(grant: Any, slug: str) -> dict[str, Any]:
    """Return a grant as commands print it."""
    return {"tenant": slug, **shown(grant)}


def shown(grant: Any) -> dict[str, Any]:
    """Return what the tenant sees of a grant."""
    return {
        "id": grant.id,
        "state": state_of_grant(grant, dt.datetime.now(dt.UTC)),
        "issuer": app_state().token_verifier.current_name(grant.issuer),
        "subject": grant.subject,
        "role": grant.role,
        "phi_level": grant.phi_level,
        "reason": grant.reason,
        "ticket": grant.ticket,
        "minutes": int(grant.duration.total_seconds() // 60),
        "requested_by": grant.requested_by,
        "requested_at": grant.requested_at,
        "approved_by": grant.approved_by,
        "approved_at": grant.approved_at,
        "expires_at": grant.expires_at,
        "revoked_by": grant.revoked_by,
        "revoked_at": grant.revoked_at,
    }


def _locked(session: Session, grant_id: UUID) -> tuple[SupportGrant, GrantState]:
    grant = session.scalar(
        select(SupportGrant).where(SupportGrant.id == grant_id).with_for_update()
    )
    if grant is None:
        raise NoGrantError(
            f"No grant has the id {grant_id}. `flask support list` shows all grants."
        )
    now: dt.datetime = session.scalars(select(func.now())).one()
    return grant, state_of_grant(grant, now)
