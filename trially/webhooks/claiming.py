"""Claim endpoints that have something to send, and write what became of it.

A claim is a lease. One process at a time sends to an endpoint, so messages come in order and a
receiver is never flooded. If the process is killed, another one continues when the lease is over:
a message may then come twice, with the same id.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import TextClause, select, text

from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.webhooks.model import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookState
from trially.webhooks.signing_keys import COLUMNS

LEASE_SECONDS = 60.0
"""Longer than a batch takes."""

MOST_IN_A_BATCH = 50

_CLAIM: TextClause = text(
    """
    WITH due AS MATERIALIZED (
        SELECT s.tenant_id, s.id FROM webhook_state s
        JOIN webhook_endpoint e ON e.tenant_id = s.tenant_id AND e.id = s.id AND e.is_enabled
        WHERE s.tenant_id = :tenant_id AND s.busy_until <= now() AND s.retry_at <= now()
            AND EXISTS (SELECT FROM webhook_delivery d WHERE d.tenant_id = :tenant_id
                AND d.endpoint_id = s.id AND d.state = 'pending' AND d.due_at <= now())
        ORDER BY s.retry_at, s.id LIMIT :most FOR UPDATE OF s SKIP LOCKED
    )
    UPDATE webhook_state s SET busy_until = now() + make_interval(secs => :lease),
        lease_id = :lease_id
    FROM due WHERE s.tenant_id = due.tenant_id AND s.id = due.id RETURNING s.id
    """
)

_NEXT: TextClause = text(
    """
    SELECT extract(epoch FROM min(greatest(s.busy_until, s.retry_at, first.due_at)) - now())
    FROM webhook_state s
    JOIN webhook_endpoint e ON e.tenant_id = s.tenant_id AND e.id = s.id AND e.is_enabled
    CROSS JOIN LATERAL (SELECT min(d.due_at) AS due_at FROM webhook_delivery d
        WHERE d.tenant_id = :tenant_id AND d.endpoint_id = s.id AND d.state = 'pending') first
    WHERE s.tenant_id = :tenant_id AND first.due_at IS NOT NULL
    """
)

_KEEP: TextClause = text(
    """
    UPDATE webhook_state SET busy_until = now() + make_interval(secs => :lease)
    WHERE tenant_id = :tenant_id AND id = :id AND lease_id = :lease_id AND busy_until > now()
    RETURNING id
    """
)

_RELEASE: TextClause = text(
    """
    UPDATE webhook_state SET busy_until = '-infinity', lease_id = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND lease_id = :lease_id
    """
)

_RECORD: TextClause = text(
    """
    UPDATE webhook_delivery SET state = :state, attempts = attempts + 1,
        attempted_at = clock_timestamp(), status = :status, error = :error,
        duration_ms = :duration_ms, due_at = clock_timestamp() + make_interval(secs => :pause)
    WHERE tenant_id = :tenant_id AND id = :id
    """
)

_ANSWERED: TextClause = text(
    """
    UPDATE webhook_state SET failures = 0, failing_since = CASE WHEN :is_accepted THEN NULL
            ELSE coalesce(failing_since, now()) END,
        retry_at = now() + make_interval(secs => :pause)
    WHERE tenant_id = :tenant_id AND id = :id RETURNING failing_since
    """
)

_SILENT: TextClause = text(
    """
    UPDATE webhook_state SET failures = failures + 1,
        failing_since = coalesce(failing_since, now()),
        retry_at = now() + make_interval(secs => :pause)
    WHERE tenant_id = :tenant_id AND id = :id RETURNING failing_since
    """
)

_END_PENDING: TextClause = text(
    """
    UPDATE webhook_delivery SET state = 'failed', error = 'endpoint_disabled'
    WHERE tenant_id = :tenant_id AND endpoint_id = :id AND state = 'pending'
    """
)


def claim_endpoints(most: int) -> tuple[UUID, Sequence[UUID]]:
    """Claim endpoints of the current tenant that have messages to send.

    Returns the lease's id, and the ids of the endpoints.
    """
    lease_id = uuid4()
    values = {"most": most, "lease": LEASE_SECONDS, "lease_id": lease_id}
    return lease_id, db.session.scalars(_CLAIM, _of_tenant(values)).all()


def seconds_to_next() -> float | None:
    """Return the seconds until the current tenant has something to send; None if it has nothing."""
    seconds = db.session.scalar(_NEXT, _of_tenant({}))
    return None if seconds is None else float(seconds)


def keep_lease(endpoint_id: UUID, lease_id: UUID) -> bool:
    """Renew the lease of an endpoint, and return whether this process still has it."""
    values = {"id": endpoint_id, "lease_id": lease_id, "lease": LEASE_SECONDS}
    return db.session.scalar(_KEEP, _of_tenant(values)) is not None


def release(endpoint_id: UUID, lease_id: UUID) -> None:
    """End the lease of an endpoint."""
    db.session.execute(_RELEASE, _of_tenant({"id": endpoint_id, "lease_id": lease_id}))


def read_endpoint(endpoint_id: UUID) -> Item | None:
    """Return the address, the secrets' columns and the failures of an enabled endpoint."""
    endpoint, state = table_of(WebhookEndpoint), table_of(WebhookState)
    names = ("url", *COLUMNS)
    found = fetch_items(
        select(*(endpoint.c[name] for name in names), state.c.failures)
        .join_from(
            endpoint,
            state,
            (state.c.tenant_id == endpoint.c.tenant_id) & (state.c.id == endpoint.c.id),
        )
        .where(
            of_current_tenant(WebhookEndpoint),
            endpoint.c.id == endpoint_id,
            endpoint.c.is_enabled,
        )
    )
    return next(iter(found), None)


def read_batch(endpoint_id: UUID) -> Sequence[Item]:
    """Return the messages that an endpoint is to get now, the first due ones first."""
    delivery, event = table_of(WebhookDelivery), table_of(WebhookEvent)
    return fetch_items(
        select(
            delivery.c.id,
            delivery.c.attempts,
            delivery.c.event_id,
            event.c.type,
            event.c.happened_at,
            event.c.data,
        )
        .join_from(
            delivery,
            event,
            (event.c.tenant_id == delivery.c.tenant_id) & (event.c.id == delivery.c.event_id),
        )
        .where(
            of_current_tenant(WebhookDelivery),
            delivery.c.endpoint_id == endpoint_id,
            delivery.c.state == "pending",
            delivery.c.due_at <= dt.datetime.now(dt.UTC),
        )
        .order_by(delivery.c.due_at, delivery.c.id)
        .limit(MOST_IN_A_BATCH)
    )


def record_deliveries(results: Sequence[Mapping[str, Any]]) -> None:
    """Write what became of messages."""
    if results:
        db.session.execute(_RECORD, [_of_tenant(each) for each in results])


def record_answer(endpoint_id: UUID, *, is_accepted: bool, pause: float) -> dt.datetime | None:
    """Write that a receiver has answered. Returns since when it has accepted nothing."""
    values = {"id": endpoint_id, "is_accepted": is_accepted, "pause": pause}
    since: dt.datetime | None = db.session.scalar(_ANSWERED, _of_tenant(values))
    return since


def record_silence(endpoint_id: UUID, pause: float) -> dt.datetime | None:
    """Write that a receiver did not answer. Returns since when it has accepted nothing."""
    values = {"id": endpoint_id, "pause": pause}
    since: dt.datetime | None = db.session.scalar(_SILENT, _of_tenant(values))
    return since


def end_pending(endpoint_id: UUID) -> None:
    """End the messages that wait for an endpoint. A replay sends them."""
    db.session.execute(_END_PENDING, _of_tenant({"id": endpoint_id}))


def _of_tenant(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"tenant_id": current_placement().tenant_id, **values}
