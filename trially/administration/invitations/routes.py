"""Routes of invitations."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.administration.invitations.inviting import invite, withdraw
from trially.administration.invitations.schema import (
    InvitationQuerySchema,
    InvitationSchema,
    NewInvitationSchema,
)
from trially.auth.members.invitations.model import Invitation
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import (
    accepts,
    may_conflict,
    queries,
    returns,
    returns_nothing,
    returns_page,
)
from trially.http.pages import Page
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.state import app_state

bp = Blueprint("invitations", __name__, url_prefix="/invitations")

INVITATIONS = Resource(Invitation, InvitationSchema(), scope=WHOLE_TENANT)


@bp.get("")
@requires(Permission.MEMBERS_READ)
@queries(InvitationQuerySchema())
@returns_page(InvitationSchema())
def list_invitations(query: dict[str, Any]) -> Page:
    """List open invitations, oldest first.

    Expired ones are listed too, until they are withdrawn or repeated.
    """
    page = INVITATIONS.page(query)
    for invitation in page["data"]:
        _name_issuer(invitation)
    return page


@bp.post("")
@requires(Permission.MEMBERS_WRITE)
@may_conflict
@accepts(NewInvitationSchema())
@returns(InvitationSchema(), HTTPStatus.CREATED)
def create_invitation(body: dict[str, Any]) -> Item:
    """Invite a person.

    The person becomes a member with the first request after signing in, with the role, PHI level
    and sites of the invitation. No message is sent. A caller cannot grant more than the caller has,
    neither now nor when the invitation is accepted. The members that the tenant's plan allows are
    counted when it is accepted. An expired invitation of the same person is replaced.
    """
    return _name_issuer(invite(INVITATIONS, body))


@bp.get("/<uuid:invitation_id>")
@requires(Permission.MEMBERS_READ)
@returns(InvitationSchema())
def show_invitation(invitation_id: UUID) -> Item:
    """Show an invitation.

    It exists until it is accepted or withdrawn.
    """
    return _name_issuer(INVITATIONS.get(invitation_id))


@bp.delete("/<uuid:invitation_id>")
@requires(Permission.MEMBERS_WRITE)
@returns_nothing
def delete_invitation(invitation_id: UUID) -> None:
    """Withdraw an invitation.

    A person who has accepted it before stays a member.
    """
    withdraw(INVITATIONS, invitation_id)


def _name_issuer(invitation: Item) -> Item:
    """Show the issuer as its tokens do."""
    invitation["issuer"] = app_state().token_verifier.current_name(invitation["issuer"])
    return invitation
