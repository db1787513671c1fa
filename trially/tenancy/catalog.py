"""The control plane's tables: tenants, servers, placements, operations. They hold no PHI."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from uuid_utils.compat import uuid7

from trially.database.field_states import FieldState
from trially.database.model import CatalogModel, Timestamped
from trially.slugs import SLUG_PATTERN
from trially.tenancy.catalog_choices import OperationState, TenantKind, TenantStatus, Tier
from trially.tenancy.entitlements.model import DEFAULT_PLAN, Plan

CATALOG_SCHEMA = "catalog"


class Server(Timestamped, CatalogModel):
    """A PostgreSQL server that can hold tenants."""

    __tablename__ = "server"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    region: Mapped[str | None] = mapped_column(String(40))
    url: Mapped[str | None]
    """The administrator's URL, without a password. NULL for the first server: it is a setting."""

    pooler_url: Mapped[str | None]
    replica_urls: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    capacity: Mapped[int | None]
    """The largest number of tenants. NULL means unlimited."""

    tiers: Mapped[list[str]] = mapped_column(server_default=text("'[]'::jsonb"))
    """The tiers that the server accepts. Empty means all tiers."""

    is_draining: Mapped[bool] = mapped_column(server_default=text("false"))
    system_identifier: Mapped[str | None] = mapped_column(String(20))
    """PostgreSQL's system identifier. It identifies a server whatever its name or address."""

    backup: Mapped[str | None] = mapped_column(String(80))
    """The tool that backs the server up, and its name there: `barman:main`. NULL: none."""


class ServerPassword(CatalogModel):
    """The encrypted password of a server's administrator. Request handling may not read it."""

    __tablename__ = "server_password"

    server_id: Mapped[UUID] = mapped_column(
        ForeignKey("server.id", ondelete="CASCADE"), primary_key=True
    )
    sealed: Mapped[bytes]


class RecordedKey(CatalogModel):
    """The fingerprint of a secret key that passwords of this installation derive from.

    While the key is changed there are two rows, otherwise one.
    """

    __tablename__ = "secret_key"

    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    is_current: Mapped[bool] = mapped_column(unique=True)
    """Whether passwords are set and tokens signed with this key, or it is being replaced."""

    recorded_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


DEFAULT_TIME_ZONE = "UTC"


class Tenant(Timestamped, CatalogModel):
    """A customer organisation."""

    __tablename__ = "tenant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    slug: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[TenantKind] = mapped_column(String(20), server_default=TenantKind.SITE)
    plan: Mapped[str] = mapped_column(
        String(40), ForeignKey(Plan.name), server_default=DEFAULT_PLAN
    )
    region: Mapped[str | None] = mapped_column(String(40))
    time_zone: Mapped[str] = mapped_column(String(64), server_default=DEFAULT_TIME_ZONE)
    """Name of the IANA time zone in which the tenant's sources write times without an offset."""
    status: Mapped[TenantStatus] = mapped_column(String(20))
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    erase_after: Mapped[dt.datetime | None]
    """When the period ends in which an ordered erasure can be cancelled. None if none is ordered.
    """
    legal_hold: Mapped[str | None] = mapped_column(String(500))
    """Why the tenant may not be erased, if a legal hold forbids it."""
    field_key_version: Mapped[int | None]
    """The version of the data key that seals the tenant's fields. None: they are readable."""
    former_field_key_version: Mapped[int | None]
    """While fields are changing: how they were stored before."""
    fields_are_changing: Mapped[bool] = mapped_column(server_default=text("false"))
    """A backfill is sealing or opening the fields, so that both forms are found."""

    placement: Mapped["PlacementRecord"] = relationship(
        back_populates="tenant",
        primaryjoin="and_(Tenant.id == PlacementRecord.tenant_id, PlacementRecord.is_active)",
        lazy="joined",
        innerjoin=True,
        viewonly=True,
    )

    @property
    def fields(self) -> FieldState:
        """How the tenant's fields are stored."""
        return FieldState(
            self.field_key_version, self.fields_are_changing, self.former_field_key_version
        )

    __table_args__ = (
        CheckConstraint(f"slug ~ '^{SLUG_PATTERN}$'", name="slug"),
        Index("ix_tenant_ready", "id", postgresql_where=text("status = 'ready'")),
    )


class TenantSlug(CatalogModel):
    """A current or former slug of a tenant. A former slug is never given to another tenant."""

    __tablename__ = "tenant_slug"

    slug: Mapped[str] = mapped_column(String(40), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    claimed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class PlacementRecord(Timestamped, CatalogModel):
    """A current or former placement of one tenant."""

    __tablename__ = "placement"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"))
    server_id: Mapped[UUID] = mapped_column(ForeignKey("server.id"), index=True)
    tier: Mapped[Tier] = mapped_column(String(20))
    database: Mapped[str] = mapped_column(String(63), index=True)
    schema: Mapped[str] = mapped_column(String(63))
    role: Mapped[str] = mapped_column(String(63))
    epoch: Mapped[int] = mapped_column(server_default="1")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    revision: Mapped[str | None] = mapped_column(String(32))
    """The revision of its tables, as last recorded. `tenancy/schema/revisions.py` uses it."""

    quarantine: Mapped[str | None]
    """Why its last migration failed. None once it has succeeded."""

    kept_until: Mapped[dt.datetime | None]
    """Until when a placement that the tenant has left is kept, so that it can move back."""

    tenant: Mapped[Tenant] = relationship(viewonly=True)
    server: Mapped[Server] = relationship(lazy="joined", innerjoin=True)

    __table_args__ = (
        Index(
            "uq_placement_active_tenant_id",
            "tenant_id",
            unique=True,
            postgresql_where=text("is_active"),
        ),
        Index(
            "uq_placement_tenant_id_server_id_database",
            "tenant_id",
            "server_id",
            "database",
            unique=True,
        ),
    )


class SharedDatabase(CatalogModel):
    """A database that holds many tenants of one tier."""

    __tablename__ = "shared_database"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    server_id: Mapped[UUID] = mapped_column(ForeignKey("server.id"), index=True)
    tier: Mapped[Tier] = mapped_column(String(20))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    server: Mapped[Server] = relationship(lazy="joined", innerjoin=True)


IS_SWITCHING = "is_switching"
"""Parameter of a move that is about to switch to its target."""


class Operation(Timestamped, CatalogModel):
    """A durable lifecycle operation, with its last completed step and its outcome."""

    __tablename__ = "operation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    tenant_slug: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(40))
    state: Mapped[OperationState] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(40))
    """The last completed step. NULL before the first."""

    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    error: Mapped[str | None]
    task_id: Mapped[UUID | None] = mapped_column(
        server_default=text(
            "(NULLIF(current_setting('trially.task'::text, true), ''::text))::uuid"
        ),
        index=True,
    )
    """The task of the platform API that has begun it; NULL for a command.

    The default is spelled as PostgreSQL shows it: Alembic compares the texts.
    """

    attempts: Mapped[int] = mapped_column(server_default="0")
    """How many processes have taken it up since it was saved. Only the newest may change anything.
    """

    placement: Mapped[PlacementRecord | None] = relationship(
        primaryjoin="and_(foreign(Operation.tenant_id) == PlacementRecord.tenant_id,"
        " PlacementRecord.is_active)",
        viewonly=True,
    )
    """The active placement of the tenant; None once the operation is undone."""


class TenantConnection(CatalogModel):
    """A connection of an identity provider, mapped to one tenant."""

    __tablename__ = "tenant_connection"

    connection_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)


class MembershipIndex(CatalogModel):
    """The tenants of which a subject is a member. The tenant's own table decides access."""

    __tablename__ = "membership_index"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class InvitationIndex(CatalogModel):
    """The tenants that have invited a subject. The tenant's own table decides about access.

    It is apart from the members' index: an invitation must not change which tenant a token of the
    invited person is for.
    """

    __tablename__ = "invitation_index"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class TokenCutOff(CatalogModel):
    """A revocation cut-off. Tokens issued before this time are rejected."""

    __tablename__ = "token_cut_off"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Empty means the tokens of every issuer."""

    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Empty means the tokens of every subject."""

    cut_off_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


def is_called(reference: str) -> ColumnElement[bool]:
    """Return the condition on `Tenant` for a current or former slug, or an id."""
    claimed = select(TenantSlug.tenant_id).where(TenantSlug.slug == reference)
    try:
        return or_(Tenant.id.in_(claimed), Tenant.id == UUID(reference))
    except ValueError:
        return Tenant.id.in_(claimed)
