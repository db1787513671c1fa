"""The tables of members, in the tenant's own database."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.roles import PhiLevel, Role
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since
from trially.errors import OperatorError
from trially.resources.sorting import by, ignoring_case, index_sorts


class MemberExistsError(OperatorError):
    """The subject is already a member."""


class NoMemberError(OperatorError):
    """The subject is not a member."""


class Member(Timestamped, Versioned, TenantModel):
    """A person or machine that may act in the tenant."""

    __tablename__ = "member"

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    display_name: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    role: Mapped[Role] = mapped_column(String(20))
    phi_level: Mapped[PhiLevel] = mapped_column(String(10), server_default=PhiLevel.NONE)
    has_all_sites: Mapped[bool] = mapped_column(server_default=text("true"))
    """False restricts the member to the patients of their `MemberSite`s: to none without any."""

    version: Mapped[int] = mapped_column(
        BigInteger, server_default="1", sort_order=902, info=since("0036")
    )

    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        CheckConstraint(
            "role IN ({})".format(", ".join(f"'{role}'" for role in Role)), name="role"
        ),
        CheckConstraint(
            "phi_level IN ({})".format(", ".join(f"'{level}'" for level in PhiLevel)),
            name="phi_level",
        ),
    )


SORTS = index_sorts(
    Member,
    {
        "name": ignoring_case(Member.display_name),
        "email": ignoring_case(Member.email),
        "role": by(Member.role),
        "created_at": by(Member.created_at),
    },
)


class MemberSite(TenantModel):
    """A site whose patients a restricted member may see."""

    __tablename__ = "member_site"

    member_id: Mapped[UUID]
    site_id: Mapped[UUID]

    __table_args__ = (
        UniqueConstraint("tenant_id", "member_id", "site_id"),
        ForeignKeyConstraint(
            ["tenant_id", "member_id"], ["member.tenant_id", "member.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "site_id"], ["site.tenant_id", "site.id"], ondelete="CASCADE"
        ),
        Index("ix_member_site_tenant_id_site_id", "tenant_id", "site_id"),
    )


classify(
    Member,
    {
        identifier("member"): "issuer subject",
        REMOVED: "display_name email",
        Held.TECHNICAL: "role phi_level has_all_sites",
    },
    Copied.NEVER,
)
protect(Member, {}, OF_MEMBERS)
classify(MemberSite, {Held.ID: "member_id site_id"}, Copied.NEVER)
