"""Who belongs to a tenant, as what. Membership is kept in the tenant's own database."""

from dataclasses import dataclass
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import CheckConstraint, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.permissions import ROLE_PERMISSIONS, Permission, Role
from trially.cache.memory import Memory
from trially.database.model import TenantModel, Timestamped
from trially.database.placement import Placement
from trially.database.session import db

MEMBERS_CACHED = 10_000


class MemberExistsError(ValueError):
    """This person is a member already."""


class NoMemberError(LookupError):
    """There is no such member."""


class Member(Timestamped, TenantModel):
    """A person or machine that may act in the tenant."""

    __tablename__ = "member"

    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    display_name: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    role: Mapped[Role] = mapped_column(String(20))

    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        CheckConstraint(
            "role IN ({})".format(", ".join(f"'{role}'" for role in Role)), name="role"
        ),
    )


@dataclass(frozen=True)
class Identity:
    """A picture of the caller, detached from the database."""

    member_id: UUID
    tenant_id: UUID
    issuer: str
    subject: str
    display_name: str | None
    role: Role

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller's role has `permission`."""
        return permission in ROLE_PERMISSIONS[self.role]


def find_identity(placement: Placement, issuer: str, subject: str) -> Identity | None:
    """Return the member that (issuer, subject) is in the current tenant, or None.

    What was read is believed for as long as a placement is, so that most requests ask nothing.
    """
    known: Memory[tuple[object, ...], Identity] = current_app.extensions["trially_identities"]
    key = (placement.tenant_id, placement.epoch, issuer, subject)
    identity = known.get(key)
    if identity is None:
        member = db.session.execute(
            select(Member.id, Member.display_name, Member.role).where(
                Member.tenant_id == placement.tenant_id,
                Member.issuer == issuer,
                Member.subject == subject,
            )
        ).first()
        if member is None:
            return None
        identity = Identity(
            member_id=member.id,
            tenant_id=placement.tenant_id,
            issuer=issuer,
            subject=subject,
            display_name=member.display_name,
            role=Role(member.role),
        )
        known.put(key, identity)
    return identity


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Give the app an empty memory of members."""
    app.extensions["trially_identities"] = Memory(MEMBERS_CACHED, max_age_seconds)
