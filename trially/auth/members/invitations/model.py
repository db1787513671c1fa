"""The table of invitations, in the tenant's own database."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.roles import PhiLevel, Role
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since

REVISION = "0036"
"""The migration that creates the table."""


class Invitation(Timestamped, TenantModel):
    """What a person will have in the tenant as soon as the person signs in.

    The person is the subject, or has the verified email address, at one issuer. The row is deleted
    when the person becomes a member.
    """

    __tablename__ = "invitation"

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(320))
    display_name: Mapped[str | None] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(String(20))
    phi_level: Mapped[PhiLevel] = mapped_column(String(10))
    site_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    """The sites that the member will be restricted to; NULL means all sites."""

    invited_by: Mapped[UUID]
    """The member who invites. An invitation grants nothing that this member does not have."""

    expires_at: Mapped[dt.datetime]

    __table_args__ = (
        CheckConstraint("subject IS NULL OR email IS NULL", name="person"),
        Index(
            "uq_invitation_subject",
            "tenant_id",
            "issuer",
            "subject",
            unique=True,
            postgresql_where=text("subject IS NOT NULL"),
        ),
        Index(
            "uq_invitation_email",
            "tenant_id",
            "issuer",
            func.lower(email),
            unique=True,
            postgresql_where=text("email IS NOT NULL"),
        ),
        {"info": since(REVISION)},
    )


classify(
    Invitation,
    {
        identifier("member"): "issuer subject",
        REMOVED: "email display_name",
        Held.TECHNICAL: "role phi_level",
        Held.ID: "site_ids invited_by",
        Held.MOMENT: "expires_at",
    },
    Copied.NEVER,
)
protect(Invitation, {}, OF_MEMBERS)
