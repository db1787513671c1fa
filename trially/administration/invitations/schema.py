"""Invitations as the API shows them."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates, validates_schema

from trially.administration.members.schema import GrantSchema, refuse_no_address
from trially.auth.members.invitations.model import Invitation
from trially.database.rows import table_of
from trially.http.fields import PageQuerySchema
from trially.resources.fields import text

DAYS = 7
"""How long an invitation is valid, unless it says so."""

MOST_DAYS = 30

columns = table_of(Invitation).c


class InvitationSchema(GrantSchema):
    """A person who becomes a member by signing in."""

    id = fields.UUID(dump_only=True)
    issuer = text(
        columns.issuer,
        example="https://login.trially.ai",
        metadata={"description": "Where the person signs in."},
    )
    subject = text(
        columns.subject,
        allow_none=True,
        example="user-4712",
        metadata={"description": "The claim `sub` of the person's tokens."},
    )
    email = text(
        columns.email,
        allow_none=True,
        example="sam@clinic.example",
        metadata={
            "description": "The claim `email` of the person's tokens, in upper or lower case."
            " `email_verified` must be true."
        },
    )
    invited_by = fields.UUID(dump_only=True)
    expires_at = fields.AwareDateTime(dump_only=True)
    created_at = fields.AwareDateTime(dump_only=True)


class NewInvitationSchema(InvitationSchema):
    """An invitation to create. It names the person by the subject or the email address."""

    issuer = text(
        columns.issuer,
        load_default=None,
        example="https://login.trially.ai",
        metadata={"description": "Where the person signs in; by default the first trusted issuer."},
    )
    subject = text(
        columns.subject,
        load_default=None,
        example="user-4712",
        metadata={"description": "The claim `sub` of the person's tokens."},
    )
    valid_days = fields.Integer(
        strict=True,
        load_only=True,
        load_default=DAYS,
        validate=validate.Range(1, MOST_DAYS),
        metadata={"description": "After how many days the invitation expires."},
    )

    @validates("email")
    def refuse_no_address(self, email: str | None, **_: object) -> None:
        """Refuse a text that is no email address of ASCII."""
        refuse_no_address(email)
        if not (email or "").isascii():
            raise ValidationError("Must have letters of ASCII only.")

    @validates_schema
    def refuse_other_than_one(self, body: dict[str, Any], **_: Any) -> None:
        """Refuse a body that names the person twice, or not at all."""
        if (body.get("subject") is None) == (body.get("email") is None):
            raise ValidationError("Name the person by either subject or email.", "subject")


class InvitationQuerySchema(PageQuerySchema):
    """Query parameters of a list of invitations."""
