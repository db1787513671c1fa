"""Give endpoints that have something to send to the threads of this worker."""

from flask import Flask, current_app

from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.session import transaction
from trially.database.since import lacking
from trially.jobs.chores import add_chore
from trially.state import app_state
from trially.webhooks.claiming import claim_endpoints, seconds_to_next
from trially.webhooks.model import WebhookEndpoint
from trially.webhooks.pruning import delete_old_events
from trially.webhooks.senders import Senders

LOOK_AGAIN_SECONDS = 1.0
"""If the tenant's threads are all busy, a worker looks again after this time."""


def dispatch() -> float:
    """Send what the current tenant has to send, without waiting for it.

    Returns the seconds until it has something to send again.
    """
    if WebhookEndpoint.__tablename__ in lacking().tables:
        return float("inf")
    tenant_id, pool = current_placement().tenant_id, senders()
    with transaction():
        places = pool.free_places(tenant_id)
        lease_id, claimed = claim_endpoints(places) if places else (tenant_id, [])
        seconds = seconds_to_next()
        delete_old_events()
    pool.send(tenant_id, claimed, lease_id)
    if seconds is None:
        return float("inf")
    return max(seconds, LOOK_AGAIN_SECONDS)


def senders() -> Senders:
    """Return the threads of this process that send, which are started when needed."""
    state = app_state()
    if state.webhook_senders is None:
        settings = current_settings()
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        state.webhook_senders = Senders(
            app, settings.webhook_threads, settings.webhook_threads_per_tenant
        )
    return state.webhook_senders


def wait_for_senders(seconds: float) -> None:
    """Wait until this process sends nothing, at most so many seconds."""
    if (pool := app_state().webhook_senders) is not None:
        pool.wait_until_idle(seconds)


add_chore(dispatch, wait_for_senders)
