"""Metrics, and access to them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from prometheus_client import REGISTRY
from sqlalchemy import text
from tenant_databases import TIERS

from trially.audit.actors import Actor
from trially.audit.forms import Action, Form, Purpose
from trially.database.session import db
from trially.observability import slow_statements, tenant_metrics, usage
from trially.observability.rendering import render
from trially.observability.slow_statements import LONGEST_TEXT
from trially.observability.tenant_labels import TenantLabels
from trially.observability.tenant_metrics import count_tenant_request
from trially.request_state import request_state
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import suspend_tenant

FILLED = ", 'Quillfeather' " * (LONGEST_TEXT // 3)
TOKEN = "a token for the metrics"


@pytest.fixture
def with_token(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(state_of(app).settings, metrics_token=TOKEN)
    monkeypatch.setattr(state_of(app), "settings", settings)


@pytest.fixture
def tenant_labels(monkeypatch: pytest.MonkeyPatch) -> TenantLabels:
    """Labels that no other test's tenants have."""
    labels = TenantLabels(announce=tenant_metrics._export_label)
    for module in (tenant_metrics, slow_statements, usage):
        monkeypatch.setattr(module, "labels", labels)
    return labels


def shown() -> str:
    return render()[0].decode()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_without_a_configured_token_the_page_is_not_found(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \xe9"])
def test_only_the_token_is_accepted(app: Flask, with_token: None, header: str) -> None:
    answer = app.test_client().get("/metrics", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_requests_are_counted_by_route_and_tenant(
    app: Flask, with_token: None, member: Member, tenant_labels: TenantLabels
) -> None:
    tenant = str(member.tenant.id)

    member.get(f"/patients/{uuid4()}")
    member.get("/patients/x")
    app.test_client().open("/livez", method="BREW")
    page = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert counted("trially_tenant_requests_total", tenant=tenant) == 1
    assert f'tenant="{tenant}"' in page.text
    assert member.tenant.slug not in page.text
    assert 'route="/api/v1/patients/<uuid:patient_id>",status="404"' in page.text
    assert 'method="other"' in page.text
    assert "BREW" not in page.text
    assert 'trially_connections_open{server="default"}' in page.text


def test_latency_and_errors_are_counted_by_tenant(
    member: Member, as_member: AsMember, make_tenant: MakeTenant, tenant_labels: TenantLabels
) -> None:
    tenant_labels.configure(1)
    quiet, tenant = as_member(make_tenant()), str(member.tenant.id)
    before = counted("trially_tenant_requests_total", tenant="other")

    for _ in range(3):
        member.get(f"/patients/{uuid4()}")
    quiet.get("/me")
    quiet.get("/me?unknown=1")

    assert counted("trially_tenant_errors_total", tenant=tenant, status="4xx") == 3
    assert counted("trially_tenant_request_seconds_count", tenant=tenant) == 3
    assert counted("trially_tenant_request_seconds_bucket", tenant=tenant, le="+Inf") == 3
    assert counted("trially_tenant_request_seconds_sum", tenant=tenant) > 0
    assert counted("trially_tenant_requests_total", tenant="other") == before + 2
    assert counted("trially_tenant_requests_total", tenant=str(quiet.tenant.id)) == 0


def test_a_tenant_that_has_lost_its_label_is_not_shown(tenant_labels: TenantLabels) -> None:
    first, second = uuid4(), uuid4()
    tenant_labels.configure(1)
    count_tenant_request(first, 200, 0.001)
    for _ in range(5):
        count_tenant_request(second, 503, 0.001)
    assert f'tenant="{first}"' in shown()

    tenant_labels._rank_at = 0
    tenant_labels.rank_if_due()
    count_tenant_request(second, 503, 0.001)
    text = shown()

    assert f'tenant="{first}"' not in text
    assert f'trially_tenant_errors_total{{status="5xx",tenant="{second}"}} 1.0' in text


@pytest.mark.parametrize("tier", TIERS)
def test_a_slow_statement_is_logged_and_counted_without_its_values(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    written: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tenant_labels: TenantLabels,
    tier: Tier,
) -> None:
    member = as_member(make_tenant(tier))
    tenant = str(member.tenant.id)
    route = "/api/v1/patients/<uuid:patient_id>"
    for server in state_of(app).engines._servers.values():
        monkeypatch.setattr(server.dialect, "slow_seconds", 0)
    filtered = {"route": route, "tenant_filter": "present"}
    by_job = {"route": "job shown", "tenant_filter": "missing"}
    before, before_job = (
        counted("trially_slow_statements_total", **labels) for labels in (filtered, by_job)
    )

    member.get(f"/patients/{uuid4()}")
    with app.app_context(), tenant_context(member.tenant.slug):
        request_state().actor = Actor(Form("job shown", Action.OPERATE, Purpose.OPERATION))
        db.session.execute(text(f"SELECT 'Quillfeather' {FILLED} FROM site WHERE city <> 'X'"))

    by_hand, [asked, *_] = [
        [line for line in written() if "tenant_filter" in line and line["tenant_filter"] == kind]
        for kind in ("missing", "present")
    ]
    assert [len(line["statement"]) for line in by_hand] == [LONGEST_TEXT]
    assert by_hand[0]["statement"].startswith("SELECT ? , ? , ?")
    assert [line["tenant"] for line in (*by_hand, asked)] == [tenant, tenant]
    assert [line["route"] for line in (*by_hand, asked)] == ["job shown", route]
    assert "tenant_id = ?" in asked["statement"]
    assert "Quillfeather" not in str(written())
    assert counted("trially_slow_statements_total", **filtered) > before
    assert counted("trially_slow_statements_total", **by_job) == before_job + 1
    assert counted("trially_tenant_slow_statements_total", tenant=tenant) >= 2


def test_rejections_by_the_guard_are_counted(app: Flask, member: Member) -> None:
    reasons = ("stale", "suspended")
    before = [counted("trially_guard_refusals_total", reason=reason) for reason in reasons]
    cache = state_of(app).directory._entries
    slug = member.tenant.slug
    assert member.get("/me").status_code == 200
    entry = cache.get(slug)

    cache.put(slug, replace(entry, placement=replace(entry.placement, epoch=-1)))
    assert member.get("/me").status_code == 200
    with app.app_context():
        suspend_tenant(slug)
    cache.put(slug, entry)
    assert member.get("/me").status_code == 403

    after = [counted("trially_guard_refusals_total", reason=reason) for reason in reasons]
    assert after == [count + 1 for count in before]
