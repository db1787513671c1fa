"""Who belongs to a tenant, as what. Membership is kept in the tenant's own database."""

import time
from dataclasses import dataclass
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    bindparam,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.permissions import Permission, PhiLevel, Role, permissions_of
from trially.cache.memory import Memory
from trially.config import current_settings
from trially.database.model import TenantModel, Timestamped
from trially.database.placement import Placement, ReplicaPlacement
from trially.database.rows import table_of
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
    phi_level: Mapped[PhiLevel] = mapped_column(String(10), server_default=PhiLevel.NONE)
    has_all_sites: Mapped[bool] = mapped_column(server_default=text("true"))
    """False restricts the member to the patients of their `MemberSite`s, of which none is none."""

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


@dataclass(frozen=True)
class Identity:
    """A picture of the caller, detached from the database."""

    member_id: UUID
    tenant_id: UUID
    issuer: str
    subject: str
    display_name: str | None
    role: Role
    phi_level: PhiLevel
    site_ids: frozenset[UUID] | None
    """The sites that the caller is restricted to, None for a caller who is not."""

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the caller's role may do, unless their level or sites forbid it."""
        return permissions_of(self.role, self.phi_level, has_all_sites=self.site_ids is None)

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller has `permission`."""
        return permission in self.permissions


_member = table_of(Member).c
_SELECT_MEMBER = select(
    _member.id, _member.display_name, _member.role, _member.phi_level, _member.has_all_sites
).where(
    _member.tenant_id == bindparam("tenant_id"),
    _member.issuer == bindparam("issuer"),
    _member.subject == bindparam("subject"),
)
"""Built once: that costs more than the server takes to answer it."""


def find_identity(placement: Placement, issuer: str, subject: str) -> Identity | None:
    """Return the member that (issuer, subject) is in the current tenant, or None.

    What was read is believed for as long as a placement is, so that most requests ask nothing.
    """
    known: Memory[tuple[object, ...], Identity] = current_app.extensions["trially_identities"]
    key = (placement.tenant_id, placement.epoch, issuer, subject)
    identity = known.get(key)
    if identity is None:
        member = db.session.execute(
            _SELECT_MEMBER,
            {"tenant_id": placement.tenant_id, "issuer": issuer, "subject": subject},
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
            phi_level=PhiLevel(member.phi_level),
            site_ids=None if member.has_all_sites else _read_site_ids(placement, member.id),
        )
        known.put(key, identity, ends=_believed_until(placement))
    return identity


def _believed_until(placement: Placement) -> float | None:
    """Return when what a replica says of a member is as old as it may get; None: the usual time."""
    if not isinstance(placement, ReplicaPlacement):
        return None
    settings = current_settings()
    lag_seconds = settings.replica_max_lag_ms / 1000
    return time.monotonic() + settings.placement_max_age_seconds - lag_seconds


def _read_site_ids(placement: Placement, member_id: UUID) -> frozenset[UUID]:
    return frozenset(
        db.session.scalars(
            select(MemberSite.site_id).where(
                MemberSite.tenant_id == placement.tenant_id, MemberSite.member_id == member_id
            )
        )
    )


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Give the app an empty memory of members."""
    app.extensions["trially_identities"] = Memory(MEMBERS_CACHED, max_age_seconds)
