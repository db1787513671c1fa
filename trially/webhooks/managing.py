"""Create and change endpoints, rotate their secrets, and send deliveries again."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, text, update

from trially.auth.support.lasting import refuse_support
from trially.database.changes import note_change
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    lock_item,
    of_current_tenant,
    table_of,
)
from trially.database.session import db
from trially.http.etags import Versions
from trially.http.problems import TooManyRequests
from trially.http.retry_after import retry_after
from trially.jobs.wakeups import wake_after_commit
from trially.keys.webhooks import secret_text
from trially.resources.resource import Resource
from trially.webhooks.emitting import emit_to
from trially.webhooks.model import (
    DeliveryState,
    EventType,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookState,
)
from trially.webhooks.signing_keys import (
    COLUMNS,
    first_secret_columns,
    next_secret_columns,
    present_secret,
)

MOST_ENDPOINTS = 100
_SHOWN = (
    *("id", "event_id", "event_type", "state", "attempts", "due_at", "attempted_at", "status"),
    *("error", "duration_ms", "created_at"),
)
_AT_ONCE = text("'-infinity'")


def create(endpoints: Resource, body: Mapping[str, Any]) -> Item:
    """Create an endpoint, and return it with its secret. Answers 429 if there are too many."""
    refuse_support()
    _refuse_many()
    secret = first_secret_columns()
    item = endpoints.create({**_unique(body), **secret})
    db.session.execute(
        insert(table_of(WebhookState)),
        {"tenant_id": current_placement().tenant_id, "id": item["id"]},
    )
    return {
        **item,
        "failing_since": None,
        "secret": secret_text(present_secret(item["id"], secret)),
    }


def change(
    endpoints: Resource, endpoint_id: UUID, versions: Versions | None, body: Mapping[str, Any]
) -> None:
    """Change an endpoint. One that is enabled again gets its messages at once."""
    refuse_support()
    derived = {"disabled_reason": None} if body.get("is_enabled") else {}
    endpoints.change(endpoint_id, versions, _unique(body), derived)
    if body.get("is_enabled") or "url" in body:
        send_now(endpoint_id)


def rotate(
    endpoints: Resource, endpoint_id: UUID, versions: Versions | None, overlap: dt.timedelta
) -> str:
    """Give an endpoint its next secret, and return it."""
    refuse_support()
    endpoint = lock_item(WebhookEndpoint, endpoint_id, COLUMNS)
    if endpoint is None:
        raise endpoints.not_found()
    columns = next_secret_columns(endpoint, overlap)
    endpoints.change(endpoint_id, versions, columns)
    return secret_text(present_secret(endpoint_id, columns))


def test(endpoints: Resource, endpoint_id: UUID) -> Item:
    """Send a test to an endpoint, and return its delivery."""
    endpoints.get(endpoint_id)
    event_id = emit_to([endpoint_id], EventType.TEST, endpoint_id=endpoint_id)
    note_change(WebhookEndpoint, endpoint_id, {}, {"tested_with": (None, str(event_id))})
    send_now(endpoint_id)
    delivery = table_of(WebhookDelivery).c
    [found] = fetch_items(
        select(*columns_named(WebhookDelivery, _SHOWN)).where(
            of_current_tenant(WebhookDelivery), delivery.event_id == event_id
        )
    )
    return found


def replay(endpoint_id: UUID, *conditions: ColumnElement[bool]) -> int:
    """Send deliveries of an endpoint again, and return how many. They keep the event's id."""
    delivery = table_of(WebhookDelivery).c
    replayed = db.session.execute(
        update(table_of(WebhookDelivery))
        .where(
            of_current_tenant(WebhookDelivery),
            delivery.endpoint_id == endpoint_id,
            *conditions,
        )
        .values(state=DeliveryState.PENDING, due_at=func.now(), attempts=0, error=None)
        .returning(delivery.id)
    ).all()
    send_now(endpoint_id)
    note_change(WebhookEndpoint, endpoint_id, {}, {"replayed": (None, len(replayed))})
    return len(replayed)


def send_now(endpoint_id: UUID) -> None:
    """Let a receiver get its messages at once, even if it did not answer of late."""
    state = table_of(WebhookState).c
    db.session.execute(
        update(table_of(WebhookState))
        .where(of_current_tenant(WebhookState), state.id == endpoint_id)
        .values(retry_at=_AT_ONCE, failures=0, failing_since=None)
    )
    wake_after_commit()


def _refuse_many() -> None:
    """Answer 429 if the tenant has as many endpoints as it may have."""
    count = db.session.scalar(
        select(func.count())
        .select_from(table_of(WebhookEndpoint))
        .where(of_current_tenant(WebhookEndpoint))
    )
    if count is not None and count >= MOST_ENDPOINTS:
        raise TooManyRequests(
            f"A tenant has at most {MOST_ENDPOINTS} webhook endpoints. Delete one.",
            headers=retry_after("webhooks", current_placement().tenant_id),
        )


def _unique(body: Mapping[str, Any]) -> dict[str, Any]:
    if "event_types" not in body:
        return dict(body)
    return {**body, "event_types": sorted(set(body["event_types"]))}
