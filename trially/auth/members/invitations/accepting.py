"""Make an invited person a member, at the person's first request."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from uuid_utils.compat import uuid7

from trially.auth.members.index import index_member
from trially.auth.members.invitations.model import Invitation
from trially.auth.members.rights import Rights, rights_of_member
from trially.auth.members.rows import insert_member
from trially.auth.members.sites import existing_sites, write_sites
from trially.auth.roles import PhiLevel, Role
from trially.database.placement import current_placement
from trially.database.rows import delete_item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """Return the email address that the issuer has verified, or None.

    One with other letters than those of ASCII counts as none: some of them become letters of ASCII
    in lower case, as the Kelvin sign becomes k.
    """
    email, is_verified = claims.get("email"), claims.get("email_verified") is True
    return email if is_verified and isinstance(email, str) and email.isascii() else None


def accept_invitation(issuer: str, subject: str, claims: Mapping[str, Any]) -> None:
    """Make the caller a member of the current tenant, if the caller has a valid invitation.

    An invitation is valid until it expires, and while the member who invited has the rights that it
    grants. Raises `CatalogUnavailableError`.
    """
    if Invitation.__tablename__ in lacking().tables:
        return
    for invitation in _lock_invitations(issuer, subject, verified_email(claims)):
        granted = granted_by(invitation)
        inviter = rights_of_member(invitation["invited_by"])
        if inviter is not None and inviter.cover(granted):
            _add_member(invitation, subject, granted)
            return


def granted_by(invitation: Mapping[str, Any]) -> Rights:
    """Return what an invitation grants."""
    site_ids = invitation["site_ids"]
    return Rights(
        Role(invitation["role"]),
        PhiLevel(invitation["phi_level"]),
        None if site_ids is None else frozenset(site_ids),
    )


def invited_subjects() -> Sequence[tuple[str, str]]:
    """Return the issuers and subjects of invitations that have not expired."""
    if Invitation.__tablename__ in lacking().tables:
        return ()
    invitation = table_of(Invitation).c
    rows = db.session.execute(
        select(invitation.issuer, invitation.subject).where(
            of_current_tenant(Invitation),
            invitation.subject.is_not(None),
            invitation.expires_at > dt.datetime.now(dt.UTC),
        )
    )
    return [(row.issuer, row.subject) for row in rows]


def _lock_invitations(
    issuer: str, subject: str, email: str | None
) -> Collection[Mapping[str, Any]]:
    """Lock the invitations of a person that have not expired, and return them."""
    invitation = table_of(Invitation).c
    persons: list[ColumnElement[bool]] = [invitation.subject == subject]
    if email is not None:
        persons.append(
            and_(invitation.email.is_not(None), func.lower(invitation.email) == email.lower())
        )
    return fetch_items(
        select(table_of(Invitation))
        .where(
            of_current_tenant(Invitation),
            invitation.issuer == issuer,
            or_(*persons),
            invitation.expires_at > dt.datetime.now(dt.UTC),
        )
        .order_by(invitation.id)
        .with_for_update()
    )


def _add_member(invitation: Mapping[str, Any], subject: str, granted: Rights) -> None:
    tenant_id, issuer = current_placement().tenant_id, invitation["issuer"]
    delete_item(Invitation, invitation["id"])
    member = insert_member(
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "issuer": issuer,
            "subject": subject,
            "display_name": invitation["display_name"],
            "email": invitation["email"],
            "role": granted.role,
            "phi_level": granted.phi_level,
            "has_all_sites": granted.site_ids is None,
        }
    )
    if member is not None:
        _restrict(member["id"], granted.site_ids)
        index_member(tenant_id, issuer, subject)


def _restrict(member_id: UUID, site_ids: Collection[UUID] | None) -> None:
    """Restrict a member to those of the sites that still exist."""
    if site_ids is not None:
        write_sites(member_id, existing_sites(site_ids))
