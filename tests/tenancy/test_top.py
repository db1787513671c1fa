"""`flask tenants top`: what tenants do now, and no text of a statement."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant
from sqlalchemy import text

from trially.config import Settings
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.activity import Sample
from trially.tenancy.lifecycle.served_metrics import ServedMetrics, parse_metrics
from trially.tenancy.lifecycle.top_commands import Moment, busiest, rarely_reused

METRICS = """
trially_tenant_requests_total{{tenant="{id}"}} {requests}
trially_tenant_requests_total{{tenant="none"}} 7
trially_busy_threads{{tenant="{id}"}} 3
trially_tenant_waits_total{{tenant="{id}",resource="thread"}} 2
trially_tenant_waits_total{{tenant="{id}",resource="connection"}} 3
"""


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_a_transaction_is_its_tenants(
    app: Flask, run_command: Callable[..., Any], make_tenant: MakeTenant, tier: Tier
) -> None:
    busy, idle = make_tenant(tier), make_tenant(tier)
    with app.app_context(), tenant_context(busy.slug):
        db.session.execute(text("SELECT 'a patient''s name'"))
        result = run_command(
            *("tenants", "top", "--once", "--interval", "1s", "--tier", tier.value, "--json"),
            *("--limit", "100000"),
        )

    assert result.exit_code == 0, result.output
    rows = {each["tenant"]: each for each in json.loads(result.stdout)}
    mine, other = rows[busy.slug], rows[idle.slug]
    assert (mine["connections"], mine["active"], mine["waiting"]) == (1, 0, 0)
    assert mine["longest_s"] >= 1
    assert (other["connections"], other["longest_s"]) == (0, None)
    assert (mine["rows_read_s"] is None) == (tier is Tier.POOLED_ROWS)
    assert "a patient" not in result.output


def test_rates_are_differences_and_the_busiest_is_first() -> None:
    tenants = [{"id": each, "slug": each, "tier": "t", "server": "s"} for each in ("a", "b")]
    moments = []
    for at, requests in ((10.0, 100), (14.0, 140)):
        served = parse_metrics(METRICS.format(id="b", requests=requests))
        sample = Sample(by_tenant={each["id"]: type_activity() for each in tenants})
        moments.append(Moment(at, sample, served))

    first, second = busiest(tenants, *moments)

    assert (first["tenant"], first["requests_s"], first["threads"]) == ("b", 10.0, 3)
    assert first["waits_s"] == 0
    assert (second["tenant"], second["requests_s"]) == ("a", None)
    # A server that was restarted counts from the beginning.
    assert busiest(tenants, *reversed(moments))[0]["requests_s"] is None


def type_activity() -> Any:
    from trially.tenancy.lifecycle.activity import Activity

    return Activity()


def test_metrics_are_read_with_the_token_and_no_redirect_gets_it(
    app: Flask, run_command: Callable[..., Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    seen: list[tuple[str, str | None]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/metrics")
            self.end_headers()
            self.wfile.write(METRICS.format(id="x", requests=1).encode())

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(state_of(app), "settings", replace(settings, metrics_token="a-token"))
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        once = ("tenants", "top", "--once", "--interval", "1s", "--tier", "silo", "--metrics")
        good = run_command(*once, f"{base}/metrics")
        moved = run_command(*once, f"{base}/moved")
        server.shutdown()

    assert good.exit_code == 0, good.output
    assert moved.exit_code == 1
    assert "did not answer with metrics (302)" in moved.output
    assert seen == [("/metrics", "Bearer a-token")] * 2 + [("/moved", "Bearer a-token")]
    assert "must begin with http" in run_command(*once, "file:///etc/passwd").output
    assert ServedMetrics().threads == {}


@pytest.mark.parametrize(
    ("transactions", "opened", "found"),
    [(1_000, 101, ["On one, 10% of the transactions began"]), (1_000, 100, []), (99, 99, [])],
)
def test_a_server_is_named_whose_connections_are_rarely_reused(
    transactions: int, opened: int, found: list[str]
) -> None:
    before = Sample(transactions=Counter(one=5_000, two=0), opened=Counter(one=4_000, two=0))
    now = Sample(
        transactions=Counter(one=5_000 + transactions, two=500),
        opened=Counter(one=4_000 + opened, two=1),
    )

    sentences = list(rarely_reused(before, now))

    assert [each.partition(" with")[0] for each in sentences] == found
