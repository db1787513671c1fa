"""Send the messages of one endpoint, batch by batch.

Nothing is locked in the database while a message is on its way. A receiver that does not answer
gets no further message of the batch, and the next one after a pause that grows.
"""

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from flask import Flask

from trially.audit.actors import Actor
from trially.audit.forms import Action, Form, Purpose
from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.rows import Item, update_item
from trially.database.session import transaction
from trially.jobs.attempts import tenant_of_job
from trially.keys.webhooks import webhook_signature
from trially.observability.metrics import webhook_deliveries_total
from trially.outgoing.deadlines import limited_to
from trially.request_state import request_state
from trially.version import VERSION
from trially.webhooks.claiming import (
    end_pending,
    keep_lease,
    read_batch,
    read_endpoint,
    record_answer,
    record_deliveries,
    record_silence,
    release,
)
from trially.webhooks.model import DeliveryState, WebhookEndpoint
from trially.webhooks.pauses import DISABLED_AFTER, pause_after, requested_pause, silence_after
from trially.webhooks.posting import Outcome, Poster, posting_to
from trially.webhooks.signing_keys import signing_secrets

log = logging.getLogger(__name__)

BATCH_SECONDS = 30.0
"""How long one batch may take. What is left of it is sent with the next one."""

SECONDS_AT_ONCE = 60.0
"""After this time, the thread sends for other endpoints first."""

GONE = 410
ASKS_TO_WAIT = frozenset({429, 503})
MOST_REFUSALS = 5
"""After so many refusals in a row, the rest of a batch waits a moment."""

REFUSAL_PAUSE_SECONDS = 5.0
OPERATOR = "trially: webhooks"
_FORM = Form("webhooks", Action.OPERATE, Purpose.OPERATION)

Result = dict[str, Any]


def send_to(app: Flask, tenant_id: UUID, endpoint_id: UUID, lease_id: UUID) -> bool:
    """Send what an endpoint is to get, and end its lease. Returns whether more may be due."""
    ends_at = time.monotonic() + SECONDS_AT_ONCE
    while time.monotonic() < ends_at:
        with tenant_of_job(app, tenant_id):
            with transaction():
                is_ours = keep_lease(endpoint_id, lease_id)
                endpoint = read_endpoint(endpoint_id) if is_ours else None
                batch = read_batch(endpoint_id) if endpoint else []
                if not batch:
                    release(endpoint_id, lease_id)
            if not batch or endpoint is None:
                return False
            if not _send_batch(endpoint_id, endpoint, batch):
                with transaction():
                    release(endpoint_id, lease_id)
                return False
    with tenant_of_job(app, tenant_id), transaction():
        release(endpoint_id, lease_id)
    return True


def _send_batch(endpoint_id: UUID, endpoint: Item, batch: Sequence[Item]) -> bool:
    """Send a batch and record the results. Returns whether the receiver may get more now."""
    secrets = signing_secrets(endpoint_id, endpoint)
    outcomes: list[tuple[Item, Outcome]] = []
    refusals, ends_at = 0, time.monotonic() + BATCH_SECONDS
    allow_http = current_settings().development
    with limited_to(BATCH_SECONDS), posting_to(endpoint["url"], allow_http=allow_http) as poster:
        for message in batch:
            outcome = _send(poster, message, secrets)
            outcomes.append((message, outcome))
            refusals = 0 if outcome.is_accepted else refusals + 1
            if _must_pause(outcome) or refusals >= MOST_REFUSALS or time.monotonic() > ends_at:
                break
    return _record(endpoint_id, endpoint, outcomes, has_many_refusals=refusals >= MOST_REFUSALS)


def _send(poster: Poster, message: Item, secrets: Sequence[bytes]) -> Outcome:
    message_id, timestamp = f"msg_{message['event_id'].hex}", int(time.time())
    body = body_of(message)
    signatures = [webhook_signature(each, message_id, timestamp, body) for each in secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"trially-webhooks/{VERSION}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    outcome = poster.send(headers, body)
    result = "accepted" if outcome.is_accepted else outcome.error or "refused"
    webhook_deliveries_total.labels(result).inc()
    return outcome


def body_of(message: Mapping[str, Any]) -> bytes:
    """Return the body of a message, which is the same at each attempt."""
    data = {"tenant_id": str(current_placement().tenant_id), **message["data"]}
    return orjson.dumps(
        {"type": message["type"], "timestamp": message["happened_at"], "data": data},
        option=orjson.OPT_UTC_Z,
    )


def _must_pause(outcome: Outcome) -> bool:
    """Return whether the receiver must not get another message now."""
    return outcome.status is None or outcome.status == GONE or outcome.status in ASKS_TO_WAIT


def _record(
    endpoint_id: UUID,
    endpoint: Item,
    outcomes: Sequence[tuple[Item, Outcome]],
    *,
    has_many_refusals: bool,
) -> bool:
    """Write what became of messages, and disable an endpoint that is gone or accepts nothing."""
    last = outcomes[-1][1]
    silence = silence_after(endpoint["failures"] + 1) if last.status is None else 0.0
    pause = silence or _pause_of_endpoint(last, has_many_refusals=has_many_refusals)
    with transaction():
        request_state().actor = Actor(_FORM, operator=OPERATOR)
        record_deliveries([_result_of(message, each, silence) for message, each in outcomes])
        any_accepted = any(each.is_accepted for _, each in outcomes)
        if any_accepted or last.status is not None:
            since = record_answer(endpoint_id, is_accepted=any_accepted, pause=pause)
        if last.status is None:
            since = record_silence(endpoint_id, pause)
        if last.status == GONE:
            _disable(endpoint_id, "gone")
        elif since is not None and since < dt.datetime.now(dt.UTC) - DISABLED_AFTER:
            _disable(endpoint_id, "failing")
    return pause == 0


def _pause_of_endpoint(outcome: Outcome, *, has_many_refusals: bool) -> float:
    """Return for how long a receiver that has answered gets nothing."""
    asked = requested_pause(outcome.retry_after) if outcome.status in ASKS_TO_WAIT else None
    if asked is not None:
        return asked
    return REFUSAL_PAUSE_SECONDS if has_many_refusals or _must_pause(outcome) else 0.0


def _result_of(message: Item, outcome: Outcome, silence: float) -> Result:
    """Return what is written about one message.

    A message to a receiver that did not answer waits for it. Another one has its own number of
    attempts, so that a message that a receiver never accepts does not stop the others.
    """
    pause: float | None = silence
    state = DeliveryState.PENDING
    if outcome.is_accepted:
        state = DeliveryState.DELIVERED
    elif outcome.status is not None:
        pause = pause_after(message["attempts"] + 1)
        state = DeliveryState.FAILED if pause is None else DeliveryState.PENDING
    return {
        "id": message["id"],
        "state": state,
        "status": outcome.status,
        "error": outcome.error,
        "duration_ms": outcome.duration_ms,
        "pause": pause or 0.0,
    }


def _disable(endpoint_id: UUID, reason: str) -> None:
    values = {"is_enabled": False, "disabled_reason": reason}
    update_item(WebhookEndpoint, endpoint_id, values, ("id",))
    end_pending(endpoint_id)
    log.warning("A webhook endpoint was disabled: %s.", reason)
