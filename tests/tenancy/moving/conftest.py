"""Fixtures of moves."""

from collections.abc import Callable, Sequence

import pytest
from flask import Flask
from members import Member

from trially.tenancy.catalog import Server, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving import announcing, lost_connections
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.preflight import find_blockers


@pytest.fixture(autouse=True)
def _no_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves not wait for other processes to open connections."""
    monkeypatch.setattr(announcing, "is_busy", lambda _source: False)


@pytest.fixture
def member(make_member: Callable[[Tier], Member]) -> Member:
    """A member of a pooled tenant with three patients."""
    return make_member(Tier.POOLED_ROWS)


@pytest.fixture
def without_delay(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a move begin again at once, and return how often it does."""
    monkeypatch.setattr(lost_connections, "WAITS_SECONDS", (0.0, 0.0))
    return 2


Find = Callable[..., Sequence[Blocker]]


@pytest.fixture
def find(app: Flask) -> Find:
    """Find what stops a move of a tenant to a tier, on its server or another."""

    def find(tenant: Tenant, tier: Tier, server: Server | None = None) -> Sequence[Blocker]:
        with app.app_context():
            source = get_tenant(str(tenant.id)).placement
            return find_blockers(source, server or source.server, tier, kept=None)

    return find
