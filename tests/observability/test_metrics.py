"""Metrics, and access to them."""

from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from members import Member
from prometheus_client import REGISTRY

from trially.observability import metrics
from trially.state import state_of
from trially.tenancy.lifecycle.status import suspend_tenant

TOKEN = "a token for the metrics"


@pytest.fixture
def with_token(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(state_of(app).settings, metrics_token=TOKEN)
    monkeypatch.setattr(state_of(app), "settings", settings)


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
    app: Flask, with_token: None, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests' tenants have been named in this process.
    monkeypatch.setattr(metrics, "_named", set())
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


def test_the_number_of_tenant_labels_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_named", set())
    tenants = [uuid4() for _ in range(metrics.TENANTS_NAMED + 1)]

    labels = [metrics.tenant_label(tenant) for tenant in [*tenants, tenants[0]]]

    assert labels == [*map(str, tenants[:-1]), "other", str(tenants[0])]
    assert metrics.tenant_label(None) == "none"


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
