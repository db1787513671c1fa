"""Measure how many webhooks one worker delivers in a second, without and with dead receivers.

Each tenant has an endpoint and gets its share of the messages. Then as many messages are sent
while another tenant has endpoints whose receiver accepts connections and never answers. The ratio
says how much these delay the others. A message is signed, sent, answered and recorded. At the end,
the dead receivers are watched for `--seconds`: how often each is tried again.
"""

import time
from threading import Thread
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, text

from benchmarks.installation import installation
from benchmarks.report import make_parser, print_outcome
from benchmarks.webhook_receiver import Receiver, receiver
from trially.database.engines import engine_registry
from trially.database.placement import current_placement
from trially.database.rows import insert_item, of_current_tenant, table_of
from trially.database.session import db, transaction
from trially.jobs.wakeups import wake
from trially.jobs.worker import Worker
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType, WebhookDelivery, WebhookEndpoint
from trially.webhooks.signing_keys import first_secret_columns

MOST_SECONDS = 300.0
DEAD_ENDPOINTS = 4
DEAD_MESSAGES = 100


def main() -> None:
    parser = make_parser(__spec__.name, rounds=3, seconds=60)
    parser.add_argument("--tenants", type=int, default=20)
    parser.add_argument("--messages", type=int, default=2_000, help="in all (default: %(default)s)")
    parser.add_argument("--tier", choices=list(Tier), default=Tier.POOLED_ROWS)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"alone": [], "beside": []}
    with (
        receiver() as alive,
        receiver(is_silent=True) as silent,
        installation() as installed,
        installed.app.app_context(),
    ):
        slugs = [f"tenant-{number}" for number in range(options.tenants)]
        for slug in (*slugs, "dead"):
            create_tenant(slug, slug, tier=Tier(options.tier))
        engine_registry().visit_in_turn()
        for slug in slugs:
            _add_endpoint(slug, alive.url)
        for _ in range(DEAD_ENDPOINTS):
            _add_endpoint("dead", silent.url)
        worker = Worker(installed.app, threads=2)
        thread = Thread(target=worker.run)
        thread.start()
        for _ in range(options.rounds):
            rates["alone"].append(_deliver(slugs, options.messages, alive))
            _revive("dead")
            _emit("dead", DEAD_MESSAGES)
            _wait_for_dead()
            rates["beside"].append(_deliver(slugs, options.messages, alive))
        before = _attempts("dead")
        _revive("dead")
        time.sleep(options.seconds)
        attempts = _attempts("dead") - before
        worker.stop()
        thread.join()
    medians = {name: sorted(each)[len(each) // 2] for name, each in rates.items()}
    figures = {
        "tier": str(options.tier),
        "tenants": options.tenants,
        "messages": options.messages,
        "rates": rates,
        "dead_endpoints": DEAD_ENDPOINTS,
        "attempts_at_dead_endpoints": attempts,
        "seconds": options.seconds,
    }
    line = (
        f"webhooks: {medians['alone']:.0f} a second by one worker, {options.messages:,} messages to"
        f" {options.tenants} tenants ({options.tier}); {medians['beside']:.0f} a second"
        f" ({medians['beside'] / medians['alone']:.2f}) while {DEAD_ENDPOINTS} endpoints of another"
        f" tenant are silent, to which {attempts} messages were sent in {options.seconds:.0f} s"
    )
    print_outcome(line, figures, as_json=options.json)


def _add_endpoint(slug: str, url: str) -> None:
    with tenant_context(slug), transaction():
        values: dict[str, Any] = {"url": url, "event_types": [EventType.VERSION_ACTIVATED]}
        endpoint = insert_item(
            WebhookEndpoint, values | first_secret_columns(), ("id", "tenant_id")
        )
        db.session.execute(
            text("INSERT INTO webhook_state (tenant_id, id) VALUES (:tenant_id, :id)"), endpoint
        )


def _deliver(slugs: list[str], messages: int, alive: Receiver) -> float:
    """Return how many messages a second arrive, from the first one on that is written."""
    wanted = alive.received.value + messages
    began = time.perf_counter()
    for index, slug in enumerate(slugs):
        _emit(slug, messages // len(slugs) + (index < messages % len(slugs)))
    while alive.received.value < wanted:
        assert time.perf_counter() - began < MOST_SECONDS
        time.sleep(0.005)
    return messages / (time.perf_counter() - began)


def _emit(slug: str, number: int) -> None:
    with tenant_context(slug), transaction():
        for version in range(number):
            emit(EventType.VERSION_ACTIVATED, study_id=uuid4(), version=version)


def _revive(slug: str) -> None:
    """Let receivers be tried again, as if they had not failed yet."""
    with tenant_context(slug), transaction():
        db.session.execute(text("UPDATE webhook_state SET retry_at = now(), failures = 0"))
        db.session.execute(text("UPDATE webhook_delivery SET due_at = now()"))
        tenant_id = current_placement().tenant_id
    wake(tenant_id)


def _wait_for_dead() -> None:
    """Wait until threads hang at the dead receivers."""
    time.sleep(2)


def _attempts(slug: str) -> int:
    attempts = table_of(WebhookDelivery).c.attempts
    with tenant_context(slug):
        found = select(func.sum(attempts)).where(of_current_tenant(WebhookDelivery))
        return int(db.session.scalar(found) or 0)


if __name__ == "__main__":
    main()
