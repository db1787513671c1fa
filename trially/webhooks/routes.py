"""Routes of webhooks."""

import datetime as dt
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import select

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    queries,
    returns,
    returns_nothing,
    returns_page,
    returns_version,
    shows_secret,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.webhooks import dispatching, managing
from trially.webhooks.model import WebhookDelivery, WebhookEndpoint, WebhookState
from trially.webhooks.schema import (
    DeliveryQuerySchema,
    DeliverySchema,
    ReplayedSchema,
    ReplaySchema,
    RotationSchema,
    WebhookQuerySchema,
    WebhookSchema,
    WebhookWithSecretSchema,
)

__all__ = ["bp", "dispatching"]  # Workers send because this module is imported.

bp = Blueprint("webhooks", __name__, url_prefix="/webhooks")

columns = table_of(WebhookEndpoint).c
_state = table_of(WebhookState).c
_delivery = table_of(WebhookDelivery).c
_failing_since = (
    select(_state.failing_since)
    .where(_state.tenant_id == columns.tenant_id, _state.id == columns.id)
    .correlate(table_of(WebhookEndpoint))
    .scalar_subquery()
)

WEBHOOKS = Resource(
    WebhookEndpoint,
    WebhookSchema(),
    name="webhook",
    scope=WHOLE_TENANT,
    computed=[_failing_since.label("failing_since")],
)
DELIVERIES = Resource(
    WebhookDelivery,
    DeliverySchema(),
    name="delivery",
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    filters={
        "endpoint_id": equals(_delivery.endpoint_id),
        "state": equals(_delivery.state),
        "event_type": equals(_delivery.event_type),
    },
)


@bp.get("")
@requires(Permission.WEBHOOKS_READ)
@queries(WebhookQuerySchema())
@returns_page(WebhookSchema())
def list_webhooks(query: dict[str, Any]) -> Page:
    """List the endpoints to which events are sent, oldest first.

    A tenant has at most 100 of them. Their secrets are not shown.
    """
    return WEBHOOKS.page(query)


@bp.post("")
@requires(Permission.WEBHOOKS_WRITE)
@shows_secret
@accepts(WebhookSchema())
@returns_version(WebhookWithSecretSchema(), HTTPStatus.CREATED)
def create_webhook(body: dict[str, Any]) -> Item:
    """Create an endpoint to which events are sent.

    The answer shows the secret that signs its messages, once. Messages follow Standard Webhooks
    1.0. They have ids and states only, so read what has happened with the API. An `Idempotency-Key`
    has no effect, because no answer is stored.
    """
    return managing.create(WEBHOOKS, body)


@bp.get("/<uuid:webhook_id>")
@requires(Permission.WEBHOOKS_READ)
@returns_version(WebhookSchema())
def show_webhook(webhook_id: UUID) -> Item:
    """Show an endpoint.

    Its secret is not shown. `failing_since` says since when its receiver has accepted nothing.
    """
    return _find(webhook_id)


@bp.patch("/<uuid:webhook_id>")
@requires(Permission.WEBHOOKS_WRITE)
@matches_versions
@accepts_merge_patch(WebhookSchema(partial=True))
@returns_version(WebhookSchema())
def change_webhook(webhook_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change an endpoint, or enable or disable it.

    The body is a merge patch (RFC 7396). Events that happen while an endpoint is disabled are not
    sent to it later.
    """
    managing.change(WEBHOOKS, webhook_id, versions, body)
    return _find(webhook_id)


@bp.delete("/<uuid:webhook_id>")
@requires(Permission.WEBHOOKS_WRITE)
@matches_versions
@returns_nothing
def delete_webhook(webhook_id: UUID, versions: Versions | None) -> None:
    """Delete an endpoint with the log of its deliveries.

    Messages that wait for its receiver are not sent any more.
    """
    WEBHOOKS.delete(webhook_id, versions)


@bp.post("/<uuid:webhook_id>/rotate-secret")
@requires(Permission.WEBHOOKS_WRITE)
@matches_versions
@shows_secret
@accepts(RotationSchema())
@returns_version(WebhookWithSecretSchema())
def rotate_secret(webhook_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Give an endpoint another secret.

    The answer shows it, once. Until the overlap ends, messages have signatures of both secrets. To
    rotate once more meanwhile ends the oldest one at once.
    """
    overlap = dt.timedelta(hours=body["overlap_hours"])
    secret = managing.rotate(WEBHOOKS, webhook_id, versions, overlap)
    return {**_find(webhook_id), "secret": secret}


@bp.post("/<uuid:webhook_id>/test")
@requires(Permission.WEBHOOKS_WRITE)
@returns(DeliverySchema())
def test_webhook(webhook_id: UUID) -> Item:
    """Send an event `webhook.test` to an endpoint.

    The answer is its delivery, which says later what the receiver has answered.
    """
    return managing.test(WEBHOOKS, webhook_id)


@bp.get("/<uuid:webhook_id>/deliveries")
@requires(Permission.WEBHOOKS_READ)
@queries(DeliveryQuerySchema())
@returns_page(DeliverySchema())
def list_deliveries(webhook_id: UUID, query: dict[str, Any]) -> Page:
    """List what was sent to an endpoint, newest first.

    The log goes back 30 days. Answers of receivers are not stored, only their status.
    """
    WEBHOOKS.get(webhook_id)
    return DELIVERIES.page(query, endpoint_id=webhook_id)


@bp.get("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>")
@requires(Permission.WEBHOOKS_READ)
@returns(DeliverySchema())
def show_delivery(webhook_id: UUID, delivery_id: UUID) -> Item:
    """Show what became of an event at an endpoint.

    `attempts` counts from the last replay on. Answers are not stored, only their status.
    """
    return _find_delivery(webhook_id, delivery_id)


@bp.post("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/replay")
@requires(Permission.WEBHOOKS_WRITE)
@returns(DeliverySchema())
def replay_delivery(webhook_id: UUID, delivery_id: UUID) -> Item:
    """Send one event to an endpoint again.

    The message has the id and the body of the first one, and another timestamp.
    """
    _find_delivery(webhook_id, delivery_id)
    managing.replay(webhook_id, _delivery.id == delivery_id)
    return _find_delivery(webhook_id, delivery_id)


@bp.post("/<uuid:webhook_id>/replay")
@requires(Permission.WEBHOOKS_WRITE)
@accepts(ReplaySchema())
@returns(ReplayedSchema())
def replay_deliveries(webhook_id: UUID, body: dict[str, Any]) -> Item:
    """Send the events of a period to an endpoint again.

    These are the deliveries that have failed, unless `state` names others. Each keeps its event's
    id.
    """
    WEBHOOKS.get(webhook_id)
    count = managing.replay(
        webhook_id,
        _delivery.created_at >= body["since"],
        _delivery.created_at < body["until"],
        _delivery.state == body["state"],
    )
    return {"count": count}


def _find(webhook_id: UUID) -> Item:
    found = WEBHOOKS.pick([webhook_id]).get(webhook_id)
    if found is None:
        raise WEBHOOKS.not_found()
    return found


def _find_delivery(webhook_id: UUID, delivery_id: UUID) -> Item:
    """Return a delivery of this endpoint, or answer 404."""
    WEBHOOKS.get(webhook_id)
    query = {"limit": 1, "cursor": None}
    page = DELIVERIES.page(query, [_delivery.id == delivery_id], endpoint_id=webhook_id)
    for found in page["data"]:
        return dict(found)
    raise DELIVERIES.not_found()
