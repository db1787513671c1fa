"""Before a switch, batches of the tenant are held back, and its requests are not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
import sqlalchemy
from flask import Flask
from members import AsMember, MakeTenant
from moved_tenants import placements_of
from sqlalchemy.engine import Engine

from trially.database import following
from trially.database.session import transaction
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.moving import moments
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.moments import holding_batches
from trially.tenancy.lifecycle.moving.sides import Side, side_of

TIERS = (Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS)


@pytest.fixture
def asked() -> Iterator[Event]:
    """Set when a batch has asked twice whether it may begin."""
    event, times = Event(), []

    def record(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "pg_try_advisory_xact_lock_shared" in statement:
            times.append(statement)
            if len(times) > 1:
                event.set()

    sqlalchemy.event.listen(Engine, "before_cursor_execute", record)
    yield event
    sqlalchemy.event.remove(Engine, "before_cursor_execute", record)


def run_batches(
    app: Flask, slug: str, began: Event | None = None, ended: Event | None = None
) -> str:
    """Commit something, then run a batch from `began` until `ended`."""
    with app.app_context(), tenant_context(slug):
        with transaction():
            pass
        with transaction():
            if began is not None and ended is not None:
                began.set()
                ended.wait(60)
    return slug


def hold(raw: Any, side: Side) -> None:
    with holding_batches(raw, side):
        pass


def side_at(app: Flask, tenant_id: Any) -> Side:
    with app.app_context():
        return side_of(placements_of(app, tenant_id)[0])


@pytest.mark.parametrize("tier", TIERS)
def test_a_batch_waits_for_a_switch_and_neither_requests_nor_other_tenants_do(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, tier: Tier, asked: Event
) -> None:
    tenant, neighbour = make_tenant(tier), make_tenant(tier)
    member = as_member(tenant)

    with ThreadPoolExecutor(1) as pool:
        with (
            side_at(app, tenant.id).administered() as raw,
            holding_batches(raw, side_at(app, tenant.id)),
        ):
            batch = pool.submit(run_batches, app, tenant.slug)
            assert asked.wait(60)
            assert member.get("/patients").status_code == 200
            assert run_batches(app, neighbour.slug) == neighbour.slug
            assert not batch.done()
        assert batch.result(60) == tenant.slug


def test_a_batch_does_not_wait_for_ever(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch, asked: Event
) -> None:
    monkeypatch.setattr(following, "MOST_WAITED_SECONDS", 0.2)
    tenant = make_tenant(Tier.POOLED_ROWS)
    side = side_at(app, tenant.id)

    with side.administered() as raw, holding_batches(raw, side):
        assert run_batches(app, tenant.slug) == tenant.slug
    assert asked.is_set()


def test_a_mover_waits_for_the_running_batch_and_gives_up(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "BATCH_SECONDS", 0.2)
    tenant, began, ended = make_tenant(Tier.POOLED_ROWS), Event(), Event()
    side = side_at(app, tenant.id)

    with ThreadPoolExecutor(1) as pool, side.administered() as raw:
        batch = pool.submit(run_batches, app, tenant.slug, began, ended)
        try:
            assert began.wait(60)
            with pytest.raises(BusyTenantError, match="A batch"):
                hold(raw, side)
        finally:
            ended.set()
        assert batch.result(60) == tenant.slug
        monkeypatch.setattr(moments, "BATCH_SECONDS", 60)
        hold(raw, side)
