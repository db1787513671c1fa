"""The tables of provisioned users and groups, in the tenant's own database."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, String, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.roles import PhiLevel, Role
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since

REVISION = "0042"
"""The migration that creates the tables."""


class LinkedBy(StrEnum):
    """How the person who signs in is found among the provisioned users."""

    EMAIL = "email"
    """The claim `email`, verified by the issuer, is the user's primary email address."""

    EXTERNAL_ID = "external_id"
    """The claim `sub` is the user's `externalId`."""


class ProvisioningSetting(Timestamped, Versioned, TenantModel):
    """Where provisioned users sign in. A tenant has one row at most, whose id is the tenant's."""

    __tablename__ = "provisioning_setting"

    issuer: Mapped[str | None] = mapped_column(String(255))
    """The one issuer whose tokens are linked to provisioned users. NULL: no token is."""

    linked_by: Mapped[LinkedBy] = mapped_column(String(20), server_default=LinkedBy.EMAIL)

    __table_args__ = ({"info": since(REVISION)},)


class ScimUser(Timestamped, Versioned, TenantModel):
    """A user of the tenant's identity provider. It becomes a member by signing in."""

    __tablename__ = "scim_user"

    user_name: Mapped[str] = mapped_column(String(255))
    user_name_key: Mapped[str] = mapped_column(String(1000))
    """The name as it is compared: in lower case."""

    external_id: Mapped[str | None] = mapped_column(String(255))
    display_name: Mapped[str | None] = mapped_column(String(200))
    details: Mapped[dict[str, Any]]
    """The SCIM attributes `name`, `title` and `emails` as they were sent."""

    email: Mapped[str | None] = mapped_column(String(320))
    """The primary email address in lower case, by which a person is linked."""

    email_keys: Mapped[list[str]]
    """All email addresses in lower case, for filters."""

    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    member_id: Mapped[UUID | None]
    """The member whom the user has become. It may have been removed since."""

    granted_by: Mapped[UUID | None]
    """The group that has given the member its rights. NULL: a person has."""

    __table_args__ = (
        Index("uq_scim_user_user_name_key", "tenant_id", "user_name_key", unique=True),
        Index(
            "uq_scim_user_external_id",
            "tenant_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index(
            "uq_scim_user_member_id",
            "tenant_id",
            "member_id",
            unique=True,
            postgresql_where=text("member_id IS NOT NULL"),
        ),
        Index("ix_scim_user_tenant_id_email", "tenant_id", "email"),
        {"info": since(REVISION)},
    )


class ScimGroup(Timestamped, Versioned, TenantModel):
    """A group of the tenant's identity provider, and the rights that it grants."""

    __tablename__ = "scim_group"

    display_name: Mapped[str] = mapped_column(String(255))
    display_name_key: Mapped[str] = mapped_column(String(1000))
    external_id: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[Role | None] = mapped_column(String(20))
    """NULL: the group grants nothing."""

    phi_level: Mapped[PhiLevel | None] = mapped_column(String(10))
    site_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    """The sites that its members are restricted to; NULL means all sites."""

    priority: Mapped[int] = mapped_column(server_default="100")
    """Of a user's groups that grant rights, the one with the lowest number counts, and no other."""

    mapped_by: Mapped[UUID | None]
    """The member who chose the rights. A group grants nothing that this member does not have."""

    __table_args__ = (
        Index("uq_scim_group_display_name_key", "tenant_id", "display_name_key", unique=True),
        Index("ix_scim_group_tenant_id_external_id", "tenant_id", "external_id"),
        {"info": since(REVISION)},
    )


class ScimGroupUser(TenantModel):
    """A user in a group."""

    __tablename__ = "scim_group_user"

    group_id: Mapped[UUID]
    user_id: Mapped[UUID]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["scim_group.tenant_id", "scim_group.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["scim_user.tenant_id", "scim_user.id"],
            ondelete="CASCADE",
        ),
        Index("uq_scim_group_user_group_id", "tenant_id", "group_id", "user_id", unique=True),
        Index("ix_scim_group_user_tenant_id_user_id", "tenant_id", "user_id"),
        {"info": since(REVISION)},
    )


classify(
    ProvisioningSetting,
    {identifier("member"): "issuer", Held.TECHNICAL: "linked_by"},
    Copied.NEVER,
)
protect(ProvisioningSetting, {}, OF_MEMBERS)
classify(
    ScimUser,
    {
        identifier("member"): "user_name user_name_key external_id",
        REMOVED: "display_name details email email_keys",
        Held.TECHNICAL: "is_active",
        Held.ID: "member_id granted_by",
    },
    Copied.NEVER,
)
protect(ScimUser, {}, OF_MEMBERS)
classify(
    ScimGroup,
    {
        identifier("member"): "external_id",
        REMOVED: "display_name display_name_key",
        Held.TECHNICAL: "role phi_level",
        Held.ID: "site_ids mapped_by",
        Held.NUMBER: "priority",
    },
    Copied.NEVER,
)
protect(ScimGroup, {}, OF_MEMBERS)
classify(ScimGroupUser, {Held.ID: "group_id user_id"}, Copied.NEVER)
