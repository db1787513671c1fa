"""A plan says how many jobs of its tenant run at the same time, over all workers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, Lock, Thread

import pytest
from flask import Flask
from job_kinds import ONE_SITE, ask_for, hooks, job_of
from members import MakeTenant
from sqlalchemy import text
from tenant_databases import access_of

from trially.jobs.attempts import Attempt, Heart, tenant_of_job
from trially.jobs.claiming import claim
from trially.jobs.kinds import KINDS, Turn
from trially.jobs.running import run_job
from trially.jobs.worker import Worker
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.tenancy.servers.connections import execute

LOCK_OF_CLAIMS = "SELECT pg_advisory_xact_lock(hashtextextended('jobs of ' || %s, 0))"
JOBS = 6
SECONDS = 30


class Running:
    """Counts the jobs that run at the same time, and lets none end before `most` of them run."""

    def __init__(self, most: int) -> None:
        self._together, self._lock = Barrier(most), Lock()
        self._now = self.most_seen = 0

    def __call__(self, _turn: Turn) -> None:
        with self._lock:
            self._now += 1
            self.most_seen = max(self.most_seen, self._now)
        self._together.wait(SECONDS)
        with self._lock:
            self._now -= 1
        self._together.wait(SECONDS)


@pytest.fixture
def limit_jobs(app: Flask) -> Callable[[Tenant, int], None]:
    """Limit the jobs of a tenant that run at the same time."""

    def limit(tenant: Tenant, most: int) -> None:
        with app.app_context():
            change = TenantChange(limits={Limit.CONCURRENT_JOBS: most}, reason="A test")
            change_tenant(tenant.slug, change)

    return limit


@pytest.mark.parametrize("most", [1, 3])
def test_workers_run_as_many_jobs_as_the_plan_allows(
    app: Flask,
    make_tenant: MakeTenant,
    limit_jobs: Callable[[Tenant, int], None],
    tier: Tier,
    most: int,
) -> None:
    tenant, running = make_tenant(tier), Running(most)
    limit_jobs(tenant, most)
    hooks["count"] = running
    jobs = [ask_for(app, tenant, ONE_SITE, first="count") for _ in range(JOBS)]

    with _working(app), _working(app):
        _wait_for(lambda: all(job_of(app, tenant, each)["state"] == "done" for each in jobs))

    assert running.most_seen == most


def test_a_plan_without_jobs_lets_them_wait_and_others_run(
    app: Flask,
    make_tenant: MakeTenant,
    limit_jobs: Callable[[Tenant, int], None],
    run_jobs: Callable[[], int],
) -> None:
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    limit_jobs(tenant, 0)
    waiting, done = ask_for(app, tenant, ONE_SITE), ask_for(app, other, ONE_SITE)

    run_jobs()
    states = [job_of(app, tenant, waiting)["state"], job_of(app, other, done)["state"]]

    assert states == ["queued", "done"]


def test_a_job_that_ends_while_another_one_is_claimed_wakes_a_worker(
    app: Flask, pooled: Tenant, limit_jobs: Callable[[Tenant, int], None]
) -> None:
    limit_jobs(pooled, 2)
    first, second, _waiting = [ask_for(app, pooled, ONE_SITE) for _ in range(3)]
    with tenant_of_job(app, pooled.id):
        claimed = claim(KINDS, 2, SECONDS).job
    assert claimed is not None
    assert claimed.id == first
    before = _wakings(app, pooled)

    with access_of(app).administer(pooled.placement.database) as raw:
        raw.autocommit = False
        execute(raw, LOCK_OF_CLAIMS, str(pooled.id))
        table = f"{pooled.placement.schema}.job"
        execute(raw, f"UPDATE {table} SET state = 'running' WHERE id = %s", str(second))
        ended = run_job(app, Attempt(claimed, ONE_SITE), Heart(app, SECONDS))
        raw.commit()

    assert ended == "done"
    assert _wakings(app, pooled) == before + 1


@contextmanager
def _working(app: Flask) -> Iterator[None]:
    worker = Worker(app, threads=3)
    thread = Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def _wakings(app: Flask, tenant: Tenant) -> int:
    with app.app_context(), control_engine().connect() as catalog:
        query = text("SELECT generation FROM job_wakeup WHERE tenant_id = :id")
        return int(catalog.execute(query, {"id": tenant.id}).scalar_one())


def _wait_for(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends_at, "The jobs did not end."
        time.sleep(0.05)
