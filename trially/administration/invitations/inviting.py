"""Create and withdraw invitations."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from trially.administration.granting import lock_granter, rights_from
from trially.administration.trusted_issuers import find_issuer
from trially.auth.members.index import index_invitation, unindex_after_commit
from trially.auth.members.invitations.model import Invitation
from trially.auth.members.model import Member
from trially.auth.members.sites import existing_sites
from trially.auth.refusals import control_plane_unavailable
from trially.auth.resolvers import MembershipResolver
from trially.database.placement import current_placement
from trially.database.rows import Item, delete_item, of_current_tenant, table_of
from trially.database.session import db
from trially.http.codes import Code
from trially.http.problems import Conflict, validation_failed
from trially.resources.resource import Resource
from trially.tenancy.catalog_reader import CatalogUnavailableError


def invite(invitations: Resource, body: Mapping[str, Any]) -> Item:
    """Create an invitation. Answers 403, 409 or 422."""
    granter = lock_granter()
    granted = rights_from({name: value for name, value in body.items() if value is not None})
    granter.refuse_more_than_own(granted)
    issuer, profile = find_issuer(body.get("issuer"))
    subject, email = body.get("subject"), body.get("email")
    if email is not None and isinstance(profile.resolver, MembershipResolver):
        raise _invalid("/email", "Tokens of this issuer name no tenant. Invite by the subject.")
    if granted.site_ids and set(existing_sites(granted.site_ids)) != granted.site_ids:
        raise _invalid("/site_ids", "There is no such site.")
    _refuse_member(issuer, subject)
    _replace_expired(issuer, subject, email)
    invitation = invitations.create(
        {
            "issuer": issuer,
            "subject": subject,
            "email": email,
            "display_name": body.get("display_name"),
            "role": granted.role,
            "phi_level": granted.phi_level,
            "site_ids": None if granted.site_ids is None else sorted(granted.site_ids),
            "invited_by": granter.member_id,
            "expires_at": dt.datetime.now(dt.UTC) + dt.timedelta(days=body["valid_days"]),
        }
    )
    if subject is not None:
        _index(issuer, subject)
    return invitation


def withdraw(invitations: Resource, invitation_id: UUID) -> None:
    """Delete an invitation, or answer 404."""
    granter = lock_granter()
    invitation = invitations.get(invitation_id)
    granter.refuse_former_member()
    invitations.delete(invitation_id, None)
    if invitation["subject"] is not None:
        tenant_id = current_placement().tenant_id
        unindex_after_commit(tenant_id, invitation["issuer"], invitation["subject"])


def _refuse_member(issuer: str, subject: str | None) -> None:
    """Answer 409 if the invited subject is a member already."""
    member = table_of(Member).c
    known = select(member.id).where(
        of_current_tenant(Member), member.issuer == issuer, member.subject == subject
    )
    if subject is not None and db.session.execute(known).first() is not None:
        raise Conflict("This person is a member already.", code=Code.ALREADY_EXISTS)


def _replace_expired(issuer: str, subject: str | None, email: str | None) -> None:
    """Delete an expired invitation of the same person, or answer 409 if it is still open."""
    invitation = table_of(Invitation).c
    same: ColumnElement[bool] = invitation.subject == subject
    if email is not None:
        same = func.lower(invitation.email) == email.lower()
    earlier = db.session.execute(
        select(invitation.id, invitation.expires_at).where(
            of_current_tenant(Invitation), invitation.issuer == issuer, same
        )
    ).one_or_none()
    if earlier is None:
        return
    if earlier.expires_at > dt.datetime.now(dt.UTC):
        raise Conflict(
            "This person has an open invitation. To change it, withdraw it and invite again.",
            code=Code.ALREADY_EXISTS,
        )
    delete_item(Invitation, earlier.id)


def _index(issuer: str, subject: str) -> None:
    try:
        index_invitation(current_placement().tenant_id, issuer, subject)
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None


def _invalid(pointer: str, detail: str) -> Exception:
    return validation_failed([{"pointer": pointer, "detail": detail}])
