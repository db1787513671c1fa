"""Webhooks as the API shows them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates, validates_schema

from trially.config import current_settings
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, Moment, PageQuerySchema
from trially.keys.webhooks import SECRET_PREFIX
from trially.resources.fields import text
from trially.webhooks.model import DeliveryState, EventType, WebhookEndpoint
from trially.webhooks.posting import check_url

MOST_OVERLAP_HOURS = 168

CHOSEN = [str(each) for each in EventType if each is not EventType.TEST]

columns = table_of(WebhookEndpoint).c


class WebhookSchema(Schema):
    """An address to which events are sent."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    url = text(
        columns.url,
        required=True,
        example="https://hooks.clinic.example/trially",
        metadata={"description": "An https URL whose name leads to public addresses."},
    )
    description = text(columns.description, allow_none=True, example="Data warehouse")
    event_types = fields.List(
        fields.String(validate=validate.OneOf(CHOSEN)),
        required=True,
        validate=validate.Length(1, len(CHOSEN)),
        metadata={EXAMPLE: ["import.finished"], "description": "The events that are sent."},
    )
    is_enabled = Flag(
        metadata={EXAMPLE: True, "description": "False: nothing is sent, and new events are lost."}
    )
    disabled_reason = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: "failing",
            "description": "Why it was disabled by itself: `gone` after an answer 410, `failing`"
            " after 5 days without an accepted message, `copy` in a copy of another tenant; else"
            " null.",
        },
    )
    failing_since = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Since when no message was accepted; null if the last one was."},
    )
    former_until = fields.AwareDateTime(
        dump_only=True,
        allow_none=True,
        metadata={"description": "Until when messages have a signature of the former secret too."},
    )
    created_at = fields.AwareDateTime(dump_only=True)

    @validates("url")
    def refuse_other_urls(self, url: str, **_: Any) -> None:
        """Refuse a URL to which no webhook is sent."""
        try:
            check_url(url, allow_http=current_settings().development)
        except ValueError as error:
            detail = str(error) if str(error).startswith("Must") else "Must be an https URL."
            raise ValidationError(detail) from None


class WebhookQuerySchema(PageQuerySchema):
    """Query parameters of a list of endpoints."""


class WebhookWithSecretSchema(WebhookSchema):
    """An endpoint with its new secret."""

    secret = fields.String(
        dump_only=True,
        metadata={
            EXAMPLE: SECRET_PREFIX + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD5S5TaPT9oAI=",
            "description": "The secret that signs the messages. It is shown only here.",
        },
    )


class RotationSchema(Schema):
    """How a secret is rotated."""

    overlap_hours = fields.Integer(
        strict=True,
        load_default=24,
        validate=validate.Range(0, MOST_OVERLAP_HOURS),
        metadata={"description": "For how long messages have signatures of both secrets."},
    )


class DeliverySchema(Schema):
    """One event for one endpoint, and what became of it."""

    id = fields.UUID(dump_only=True)
    event_id = fields.UUID(dump_only=True)
    event_type = Choice(EventType, dump_only=True)
    state = Choice(DeliveryState, dump_only=True)
    attempts = fields.Integer(dump_only=True)
    due_at = fields.AwareDateTime(
        dump_only=True, metadata={"description": "When a pending one is sent next."}
    )
    attempted_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    status = fields.Integer(
        dump_only=True,
        allow_none=True,
        metadata={EXAMPLE: 204, "description": "The HTTP status of the last answer."},
    )
    error = fields.String(
        dump_only=True,
        allow_none=True,
        metadata={
            EXAMPLE: "timeout",
            "description": "Why there was no answer: `timeout`, `tls`, `no_connection` or"
            " `private_address`; or `endpoint_disabled`.",
        },
    )
    duration_ms = fields.Integer(dump_only=True, allow_none=True)
    created_at = fields.AwareDateTime(dump_only=True)


class DeliveryQuerySchema(PageQuerySchema):
    """Query parameters of the log of an endpoint."""

    state = Choice(DeliveryState)
    event_type = Choice(EventType)


class ReplaySchema(Schema):
    """Which deliveries are sent again."""

    since = Moment(required=True, metadata={EXAMPLE: "2026-11-01T00:00:00Z"})
    until = Moment(required=True, metadata={EXAMPLE: "2026-11-02T00:00:00Z"})
    state = Choice(
        DeliveryState,
        load_default=DeliveryState.FAILED,
        metadata={"description": "Only deliveries in this state are sent again."},
    )

    @validates_schema
    def refuse_no_period(self, body: dict[str, Any], **_: Any) -> None:
        """Refuse an end that is not after the beginning."""
        if body["since"] >= body["until"]:
            raise ValidationError("Must be after since.", "until")


class ReplayedSchema(Schema):
    """How many deliveries are sent again."""

    count = fields.Integer(required=True)
