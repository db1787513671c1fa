"""Tenants that are moved or suspended while a process still has their old placement."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from populated_tenants import PopulatedTenant
from sqlalchemy import text
from tenant_databases import access_of
from walls import wall_of_error

from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.database.session import db
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import get_tenant, resume_tenant, suspend_tenant
from trially.tenancy.schema.guard import record_placement


@pytest.fixture
def moved_on(app: Flask, attacker: PopulatedTenant) -> Iterator[Callable[[], None]]:
    """Record a later epoch in the tenant's database than in the catalog."""

    def record(epoch: int) -> None:
        with access_of(app).administer(attacker.tenant.placement.database) as raw:
            record_placement(raw, attacker.tenant.id, epoch, is_suspended=False)

    with app.app_context():
        epoch = get_tenant(attacker.tenant.slug).placement.epoch
    yield lambda: record(epoch + 1)
    record(epoch)


@pytest.fixture
def suspended(app: Flask, attacker: PopulatedTenant) -> Iterator[Callable[[], None]]:
    """Suspend the tenant; other processes still have it cached as active."""

    def suspend() -> None:
        with app.app_context():
            suspend_tenant(attacker.tenant.slug)

    yield suspend
    with app.app_context():
        resume_tenant(attacker.tenant.slug)


def test_a_stale_placement(
    serving_app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    moved_on: Callable[[], None],
    record_wall: Callable[..., None],
    way: str,
) -> None:
    theirs_too = victim.member.through(serving_app)

    with serving_app.app_context(), tenant_context(str(attacker.tenant.id)):
        assert db.session.scalar(text("SELECT count(*) FROM patient")) > 0
        db.session.commit()
        moved_on()
        with pytest.raises(StalePlacementError) as refusal:
            db.session.execute(text("SELECT count(*) FROM patient"))

    assert attacker.member.through(serving_app).get("/patients").status_code == 503
    assert theirs_too.get("/patients").status_code == 200
    record_wall("uses a stale placement", wall_of_error(refusal.value), way)


def test_a_suspended_tenant(
    serving_app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    suspended: Callable[[], None],
    record_wall: Callable[..., None],
    way: str,
) -> None:
    member, theirs_too = attacker.member.through(serving_app), victim.member.through(serving_app)
    stranger = {"X-Request-ID": "fixed", "X-Tenant-ID": "there-is-none"}
    fixed = {"X-Request-ID": "fixed"}
    assert member.get("/patients").status_code == 200

    with serving_app.app_context(), tenant_context(str(attacker.tenant.id)):
        suspended()
        with pytest.raises(TenantSuspendedError) as refusal:
            db.session.execute(text("SELECT 1"))

    # The serving process still has the tenant cached as active, but the guard refuses it.
    answers = [member.get("/patients", headers=headers) for headers in (fixed, stranger)]
    assert {answer.status_code for answer in answers} == {403}
    assert answers[0].data == answers[1].data
    assert theirs_too.get("/patients").status_code == 200
    record_wall("serves a suspended tenant", wall_of_error(refusal.value), way)
