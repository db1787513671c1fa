"""Requests are counted in memory, and what is sent to the catalog is never counted twice."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from killed_programs import run_killed
from members import AsMember, MakePatient, MakeTenant, Member
from sqlalchemy import text
from usage_days import MakeOlder

from trially.config import Settings
from trially.jobs.wakeups import wake
from trially.jobs.worker import Worker
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.usage import samples
from trially.usage.samples import UsageCounter

Stored = Callable[[Tenant], dict[str, int]]


@pytest.fixture
def stored(app: Flask) -> Stored:
    """Send what was counted, and return what the catalog has of a tenant."""

    def stored(tenant: Tenant) -> dict[str, int]:
        state_of(app).usage.flush()
        query = text(
            "SELECT coalesce(sum(requests), 0)::int AS requests,"
            " coalesce(sum(database_us), 0)::int AS database_us,"
            " coalesce(sum(egress_bytes), 0)::int AS egress_bytes"
            " FROM usage_sample WHERE tenant_id = :id"
        )
        with app.app_context(), control_engine().connect() as catalog:
            return dict(catalog.execute(query, {"id": tenant.id}).mappings().one())

    return stored


def test_requests_of_each_tenant(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient, stored: Stored
) -> None:
    one, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    member = as_member(one)
    as_member(other).get("/me")

    answers = [member.get("/me"), member.get("/patients"), member.get(f"/patients/{uuid4()}")]

    found = stored(one)
    assert found["requests"] == 3
    assert found["egress_bytes"] == sum(len(each.data) for each in answers)
    assert found["database_us"] > 0
    assert stored(other)["requests"] == 1


def test_a_body_that_is_not_sent_is_no_egress(
    make_tenant: MakeTenant, as_member: AsMember, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    as_member(tenant).request("HEAD", "/me")

    assert stored(tenant)["requests"] == 1
    assert stored(tenant)["egress_bytes"] == 0


def test_the_bytes_of_a_stream(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, make_older: MakeOlder, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    with app.app_context():
        wake(tenant.id)
    Worker(app, threads=1).run_due()
    member = as_member(tenant)
    [job] = member.get("/jobs").json["data"]
    before = stored(tenant)

    answer = member.get(f"/jobs/{job['id']}", headers={"Accept": "text/event-stream"})

    assert b"event: end" in answer.data
    answer.close()
    assert stored(tenant)["egress_bytes"] - before["egress_bytes"] == len(answer.data)


def test_a_job_waits_for_the_database_too(
    app: Flask, make_tenant: MakeTenant, make_older: MakeOlder, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    with app.app_context():
        wake(tenant.id)

    Worker(app, threads=1).run_due()

    found = stored(tenant)
    assert found["database_us"] > 0
    assert found["requests"] == 0


def test_what_a_limit_refuses_is_not_the_tenants_use(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, stored: Stored
) -> None:
    none_a_minute = TenantChange(limits={Limit.REQUESTS_PER_MINUTE: 0}, reason="A test")
    limited, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    with app.app_context():
        change_tenant(limited.slug, none_a_minute)

    answers = [as_member(tenant).get("/me").status_code for tenant in (limited, other)]

    assert answers == [429, 200]
    assert [stored(tenant)["requests"] for tenant in (limited, other)] == [0, 1]


def test_a_strangers_requests_are_not_the_tenants(
    app: Flask, make_tenant: MakeTenant, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    token = state_of(app).dev_issuer.issue_token(subject="stranger", tenant=tenant.slug)

    answer = Member(app.test_client(), token, tenant, "stranger").get("/me")

    assert answer.status_code == 403
    assert stored(tenant) == {"requests": 0, "database_us": 0, "egress_bytes": 0}


def test_what_is_sent_twice_counts_once(
    app: Flask, make_tenant: MakeTenant, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    counter = UsageCounter(app, flush_seconds=300)
    write = samples._write

    def write_and_lose_the_answer(noted: str) -> None:
        write(noted)
        raise CatalogUnavailableError

    counter.add(tenant.id, requests=3)
    monkeypatch.setattr(samples, "_write", write_and_lose_the_answer)
    with pytest.raises(CatalogUnavailableError):
        counter.flush()
    monkeypatch.setattr(samples, "_write", write)
    counter.add(tenant.id, requests=2)
    counter.flush()
    counter.flush()
    counter.stop()

    assert stored(tenant)["requests"] == 5


def test_a_tenant_that_is_gone_is_left_out(
    app: Flask, make_tenant: MakeTenant, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    counter = UsageCounter(app, flush_seconds=300)

    counter.add(uuid4(), requests=1)
    counter.add(tenant.id, requests=1)
    counter.flush()
    counter.stop()

    assert stored(tenant)["requests"] == 1


def test_memory_is_bounded(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    monkeypatch.setattr(samples, "MOST_SUMS", 1)
    one, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    counter = UsageCounter(app, flush_seconds=300)

    counter.add(one.id, requests=1)
    counter.add(other.id, requests=1)
    counter.add(one.id, requests=1)
    counter.flush()
    counter.stop()

    assert stored(one)["requests"] == 2
    assert stored(other)["requests"] == 0


def test_an_hour_that_was_sent_is_forgotten(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    counter = UsageCounter(app, flush_seconds=300)
    hour = samples._this_hour()
    counter.add(tenant.id, requests=1)
    counter.flush()

    monkeypatch.setattr(samples, "_this_hour", lambda: hour + dt.timedelta(hours=1))
    counter.add(tenant.id, requests=1)
    counter.flush()
    counter.stop()

    assert list(counter._sums) == [(tenant.id, hour + dt.timedelta(hours=1))]
    assert stored(tenant)["requests"] == 2


def test_a_killed_process_loses_only_what_it_has_not_sent(
    app: Flask, make_tenant: MakeTenant, settings: Settings, stored: Stored
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    program = Path(__file__).with_name("killed_counter.py")

    run_killed(program, [str(tenant.id), "7", "2"], settings, seconds=60)

    assert 7 <= stored(tenant)["requests"] <= 9
