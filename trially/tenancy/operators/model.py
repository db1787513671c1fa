"""The tables of operators, of their actions and of support grants. They hold no PHI."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Interval,
    String,
    Uuid,
    column,
    func,
    table,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel, Timestamped
from trially.database.xid8 import Xid8


class Stage(StrEnum):
    """What a record is about: the start of an action, its end, or one change or sign-in."""

    STARTED = "started"
    FINISHED = "finished"
    NOTED = "noted"


class Outcome(StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


class PlatformRole(StrEnum):
    """What an operator may do through the platform API; `auth/platform/permissions.py` says it."""

    VIEWER = "platform_viewer"
    OPERATOR = "platform_operator"
    ADMIN = "platform_admin"


class PlatformOperator(Timestamped, CatalogModel):
    """An operator who may use the platform API. Commands write it, and the API never does."""

    __tablename__ = "platform_operator"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    role: Mapped[PlatformRole] = mapped_column(String(20))


class OperatorAction(CatalogModel):
    """A record of the catalog's log. It is only ever inserted."""

    __tablename__ = "operator_action"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("new_record_id()"))
    era: Mapped[int] = mapped_column(server_default=text("operator_era()"))
    transaction_id: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    at: Mapped[dt.datetime] = mapped_column(server_default=text("clock_timestamp()"))
    written_by: Mapped[str] = mapped_column(server_default=text("SESSION_USER"))
    """The role of PostgreSQL that inserted the record. Nothing that inserts can choose it."""

    stage: Mapped[Stage] = mapped_column(String(10))
    started: Mapped[UUID | None] = mapped_column(index=True)
    """The record of the start: of an end, or of a change that an action made."""

    action: Mapped[str] = mapped_column(String(80))
    actor: Mapped[str]
    host: Mapped[str | None]
    target: Mapped[str | None]
    tenant_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    outcome: Mapped[Outcome | None] = mapped_column(String(10))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = (
        Index("ix_operator_action_order", "era", "transaction_id", "id"),
        Index("ix_operator_action_tenant_id", "tenant_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


support_access = table(
    "support_access",
    column("id", Uuid),
    column("tenant_id", Uuid),
    column("issuer", String),
    column("subject", String),
    column("role", String),
    column("phi_level", String),
    column("requested_by", String),
    column("expires_at", DateTime(timezone=True)),
)
"""The view of the grants that are approved, not revoked and not expired. Requests may read it."""


class SupportGrant(CatalogModel):
    """The permission of one operator to enter one tenant for a limited time."""

    __tablename__ = "support_grant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20))
    phi_level: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str]
    ticket: Mapped[str] = mapped_column(String(80))
    duration: Mapped[dt.timedelta] = mapped_column(Interval)
    requested_by: Mapped[str]
    requested_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    approved_by: Mapped[str | None]
    approved_at: Mapped[dt.datetime | None]
    expires_at: Mapped[dt.datetime | None]
    revoked_by: Mapped[str | None]
    revoked_at: Mapped[dt.datetime | None]

    __table_args__ = (
        CheckConstraint("approved_by <> requested_by", name="second_person"),
        Index("ix_support_grant_tenant_id", "tenant_id", "id"),
        Index(
            "ix_support_grant_subject",
            "issuer",
            "subject",
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )
