"""The tables of webhooks, in the tenant's own database."""

import datetime as dt
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, choice, classify
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, WORK, protect
from trially.database.since import since

REVISION = "0038"
"""The migration that creates the tables."""

_WORK = "It keeps the state of sending, and is itself the record of it."


class EventType(StrEnum):
    """What a webhook tells. A name is never given to another event."""

    IMPORT_FINISHED = "import.finished"
    """An import is done, has failed, or was cancelled."""

    MATCHES_COMPUTED = "study.matches_computed"
    """The matches of a study were computed, and may have changed."""

    MATCH_DECIDED = "study.match_decided"
    """A member has included or excluded a patient of a study, or taken that back."""

    VERSION_ACTIVATED = "study.version_activated"
    """A version of a study's protocol is in force."""

    TEST = "webhook.test"
    """Somebody tests an endpoint. It is sent to this one, whatever its types are."""


class DeliveryState(StrEnum):
    """What became of an event at one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """It is not sent again by itself. A replay sends it."""


class WebhookEndpoint(Timestamped, Versioned, TenantModel):
    """An address to which events are sent."""

    __tablename__ = "webhook_endpoint"

    url: Mapped[str] = mapped_column(String(2000))
    description: Mapped[str | None] = mapped_column(String(200))
    event_types: Mapped[list[str]]
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None] = mapped_column(String(40))
    """Why it was disabled by itself. NULL if it was not."""

    key_version: Mapped[int]
    """The version of the tenant's data key from which the secret derives."""

    generation: Mapped[int] = mapped_column(server_default="1")
    """Which of its secrets is in use: the number of rotations and 1."""

    former_key_version: Mapped[int | None]
    former_until: Mapped[dt.datetime | None]
    """Until when messages are signed with the secret of the generation before, too."""

    __table_args__ = ({"info": since(REVISION)},)


class WebhookState(TenantModel):
    """How sending to an endpoint goes. It has the id of the endpoint."""

    __tablename__ = "webhook_state"

    busy_until: Mapped[dt.datetime] = mapped_column(server_default=text("'-infinity'"))
    """The lease of the process that sends. One process at a time sends to an endpoint."""

    lease_id: Mapped[UUID | None]
    retry_at: Mapped[dt.datetime] = mapped_column(server_default=text("'-infinity'"))
    """Nothing is sent before this time, because the receiver did not answer."""

    failures: Mapped[int] = mapped_column(server_default="0")
    """How often in a row it did not answer."""

    failing_since: Mapped[dt.datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            ondelete="CASCADE",
        ),
        {"info": unaudited(_WORK) | since(REVISION)},
    )


class WebhookEvent(TenantModel):
    """Something that has happened, written in its transaction. It has ids, and no other values."""

    __tablename__ = "webhook_event"

    type: Mapped[EventType] = mapped_column(String(40))
    happened_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))
    data: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("ix_webhook_event_tenant_id_happened_at", "tenant_id", "happened_at"),
        {"info": unaudited(_WORK) | since(REVISION)},
    )


class WebhookDelivery(TenantModel):
    """One event for one endpoint, and what became of it."""

    __tablename__ = "webhook_delivery"

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    event_type: Mapped[EventType] = mapped_column(String(40))
    state: Mapped[DeliveryState] = mapped_column(String(10), server_default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"))
    attempted_at: Mapped[dt.datetime | None]
    status: Mapped[int | None]
    """The HTTP status of the last answer; NULL without an answer."""

    error: Mapped[str | None] = mapped_column(String(40))
    duration_ms: Mapped[int | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "event_id"],
            ["webhook_event.tenant_id", "webhook_event.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(
            "state IN ({})".format(", ".join(f"'{state}'" for state in DeliveryState)),
            name="state",
        ),
        Index("ix_webhook_delivery_tenant_id_endpoint_id", "tenant_id", "endpoint_id", "id"),
        Index("ix_webhook_delivery_tenant_id_event_id", "tenant_id", "event_id"),
        Index(
            "ix_webhook_delivery_pending",
            "tenant_id",
            "endpoint_id",
            "due_at",
            postgresql_where=text("state = 'pending'"),
        ),
        {"info": unaudited(_WORK) | since(REVISION)},
    )


classify(
    WebhookEndpoint,
    {
        REMOVED: "url description",
        Held.TECHNICAL: "event_types is_enabled disabled_reason",
        Held.NUMBER: "key_version generation former_key_version",
        Held.MOMENT: "former_until",
    },
    Copied.NEVER,
)
protect(WebhookEndpoint, {}, OF_MEMBERS)
classify(
    WebhookState,
    {
        Held.MOMENT: "busy_until retry_at failing_since",
        Held.ID: "lease_id",
        Held.NUMBER: "failures",
    },
    Copied.NEVER,
)
classify(
    WebhookEvent,
    {Held.TECHNICAL: "type", Held.MOMENT: "happened_at", REMOVED: "data"},
    Copied.NEVER,
)
protect(WebhookEvent, {WORK: "data"})
classify(
    WebhookDelivery,
    {
        Held.ID: "endpoint_id event_id",
        Held.TECHNICAL: "event_type error",
        choice(DeliveryState): "state",
        Held.NUMBER: "attempts status duration_ms",
        Held.MOMENT: "due_at attempted_at",
    },
    Copied.NEVER,
)
