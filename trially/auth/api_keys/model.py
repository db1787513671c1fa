"""The tables of API keys, in the tenant's own database."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trially.auth.roles import PhiLevel
from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify
from trially.database.model import TenantModel, Timestamped
from trially.database.protection import OF_MEMBERS, protect
from trially.database.since import since

REVISION = "0037"
"""The migration that creates the tables."""


class ApiKey(Timestamped, TenantModel):
    """A secret with which a program acts for a member. Only its digest is stored.

    It never allows more than its member may do at that time. It is deleted with its member.
    """

    __tablename__ = "api_key"

    member_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    scopes: Mapped[list[str]]
    """The permissions that it has, if its member has them too."""

    phi_level: Mapped[PhiLevel] = mapped_column(String(10))
    """The most that it shows of patients, if its member sees that much."""

    expires_at: Mapped[dt.datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "member_id"], ["member.tenant_id", "member.id"], ondelete="CASCADE"
        ),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        Index("ix_api_key_tenant_id_member_id", "tenant_id", "member_id"),
        {"info": since(REVISION)},
    )


class ApiKeyUse(TenantModel):
    """When an API key was used last, within some minutes. It has the id of its key."""

    __tablename__ = "api_key_use"

    last_used_at: Mapped[dt.datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "id"], ["api_key.tenant_id", "api_key.id"], ondelete="CASCADE"
        ),
        {"info": unaudited("It only notes a time.") | since(REVISION)},
    )


classify(
    ApiKey,
    {
        Held.ID: "member_id",
        REMOVED: "name",
        Held.SECRET: "digest",
        Held.TECHNICAL: "phi_level scopes",
        Held.MOMENT: "expires_at",
    },
    Copied.NEVER,
)
protect(ApiKey, {}, OF_MEMBERS)
classify(ApiKeyUse, {Held.MOMENT: "last_used_at"}, Copied.NEVER)
