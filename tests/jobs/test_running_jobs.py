"""Jobs take effect exactly once, in turn, and only where and for as long as they may."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from job_kinds import (
    ONE_SITE,
    PARTS,
    SECRET,
    SITES,
    STEPS,
    ask_for,
    change_job,
    effects_of,
    hooks,
    job_of,
)
from members import MakeTenant
from sqlalchemy import func, text
from tenant_databases import ask

from trially.config import ROOT, Settings
from trially.database.session import transaction
from trially.jobs import claiming, wakeups
from trially.jobs.attempts import Attempt, Heart
from trially.jobs.cancelling import cancel
from trially.jobs.kinds import KINDS, Turn
from trially.jobs.running import LOST, pause_after, run_job
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context

RunJobs = Callable[[], int]


def test_tenants_with_the_same_job_id_on_every_tier(
    app: Flask, make_tenant: MakeTenant, tier: Tier, run_jobs: RunJobs
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    job_id = uuid4()
    ask_for(app, one, job_id=job_id)
    ask_for(app, other, job_id=job_id, second="refuse")

    run_jobs()

    assert job_of(app, one, job_id)["state"] == "done"
    assert effects_of(app, one, job_id) == list(STEPS)
    assert job_of(app, one, job_id)["result"] == dict.fromkeys(STEPS, True)
    assert job_of(app, other, job_id)["state"] == "failed"
    assert effects_of(app, other, job_id) == ["first"]


def test_a_worker_that_is_killed_at_any_point_has_each_effect_once(
    app: Flask, settings: Settings, pooled: Tenant, run_jobs: RunJobs
) -> None:
    url = state_of(app).servers["default"].admin_url
    environment = {name: value for name, value in os.environ.items() if "TRIALLY" not in name}
    environment |= {
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
    }
    points = ["claimed", *(f"{step} {end}" for step in STEPS for end in ("begins", "ends"))]
    job_id = ask_for(app, pooled)

    program = Path(__file__).with_name("killed_worker.py")
    killed = subprocess.run(
        [sys.executable, program, *points],
        env=environment,
        timeout=120,
        capture_output=True,
        text=True,
        check=True,
    )

    assert killed.stdout.splitlines() == [f"{point}: -9" for point in points]
    job = job_of(app, pooled, job_id)
    assert (job["state"], job["step"]) == ("running", "second")
    change_job(app, pooled, job_id, due_at=func.now())
    _wake(app, pooled)
    run_jobs()
    assert job_of(app, pooled, job_id)["state"] == "done"
    assert effects_of(app, pooled, job_id) == list(STEPS)


def test_a_worker_that_lost_its_lease_has_no_effect(
    app: Flask, pooled: Tenant, run_jobs: RunJobs
) -> None:
    job_id = ask_for(app, pooled)
    with app.app_context(), tenant_context(str(pooled.id)):
        slow = claiming.claim(KINDS, 2, 30).job
    assert slow is not None
    run_jobs()
    assert effects_of(app, pooled, job_id) == []
    change_job(app, pooled, job_id, due_at=func.now())
    _wake(app, pooled)
    run_jobs()

    assert run_job(app, Attempt(slow, SITES), Heart(app, 30)) == LOST
    assert job_of(app, pooled, job_id)["state"] == "done"
    assert effects_of(app, pooled, job_id) == list(STEPS)


def test_a_tenant_with_many_jobs_delays_another_tenant_by_two_jobs(
    app: Flask, make_tenant: MakeTenant, run_jobs: RunJobs
) -> None:
    busy, quiet = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)
    order: list[str] = []

    def note_busy(_turn: Turn) -> None:
        order.append("busy")
        if len(order) == 3:
            ask_for(app, quiet, ONE_SITE, first="quiet")

    hooks["busy"], hooks["quiet"] = note_busy, lambda _turn: order.append("quiet")
    for _ in range(10):
        ask_for(app, busy, ONE_SITE, first="busy")

    run_jobs()

    assert order.count("busy") == 10
    assert order.index("quiet") - 3 <= 2


def test_a_step_continues_after_each_part(app: Flask, pooled: Tenant, run_jobs: RunJobs) -> None:
    job_id = ask_for(app, pooled, PARTS)

    run_jobs()

    job = job_of(app, pooled, job_id)
    assert effects_of(app, pooled, job_id) == ["part 0", "part 1", "part 2"]
    assert (job["state"], job["progress_done"], job["progress_total"]) == ("done", 3, 3)


def test_jobs_of_a_suspended_tenant_wait(
    app: Flask, pooled: Tenant, run_jobs: RunJobs, run_command: Callable[..., Any]
) -> None:
    job_id = ask_for(app, pooled)
    run_command("tenants", "suspend", pooled.slug, "--yes")
    run_jobs()
    listed = run_command("jobs", "show", pooled.slug, job_id, "--json")
    assert '"state": "queued"' in listed.output
    run_command("tenants", "resume", pooled.slug)

    run_jobs()

    assert job_of(app, pooled, job_id)["state"] == "done"


def test_a_database_that_is_down_delays_only_its_tenant(
    app: Flask, make_tenant: MakeTenant, run_jobs: RunJobs
) -> None:
    down, up = make_tenant(), make_tenant(Tier.POOLED_ROWS)
    waiting, served = ask_for(app, down), ask_for(app, up)
    database = down.placement.database
    ask(app, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    ask(app, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", database)
    try:
        run_jobs()
    finally:
        ask(app, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")

    assert job_of(app, up, served)["state"] == "done"
    assert job_of(app, down, waiting)["state"] == "queued"
    _wake(app, down)
    run_jobs()
    assert job_of(app, down, waiting)["state"] == "done"


def test_a_job_is_tried_again_later_and_then_fails_without_quoting_values(
    app: Flask, pooled: Tenant, run_jobs: RunJobs, run_command: Callable[..., Any]
) -> None:
    job_id = ask_for(app, pooled, ONE_SITE, first="fail")

    run_jobs()
    job = job_of(app, pooled, job_id)
    assert (job["state"], job["error"], job["attempts"]) == ("queued", "ValueError", 1)
    assert job["due_at"] > job["started_at"]
    change_job(app, pooled, job_id, due_at=func.now())
    _wake(app, pooled)
    run_jobs()

    job = job_of(app, pooled, job_id)
    assert (job["state"], job["error"], job["attempts"]) == ("failed", "ValueError", 2)
    assert SECRET not in str(job)
    tried = run_command("jobs", "retry", pooled.slug, job_id, "--dry-run", "--json")
    assert '"state": "queued"' in tried.output
    assert job_of(app, pooled, job_id)["state"] == "failed"
    hooks["fail"] = lambda _turn: None
    assert run_command("jobs", "retry", pooled.slug, job_id).exit_code == 0
    run_jobs()
    assert job_of(app, pooled, job_id)["state"] == "done"


def test_pauses_grow_and_differ() -> None:
    pauses = [[pause_after(attempts) for _ in range(50)] for attempts in (1, 4, 30)]

    assert [1 <= min(each) <= max(each) <= 2 for each in pauses[:1]] == [True]
    assert 8 <= min(pauses[1]) < max(pauses[1]) <= 16
    assert 300 <= min(pauses[2]) < max(pauses[2]) <= 600


def test_a_job_that_kills_its_workers_fails(app: Flask, pooled: Tenant, run_jobs: RunJobs) -> None:
    job_id = ask_for(app, pooled, ONE_SITE)
    for _ in range(ONE_SITE.most_attempts):
        with app.app_context(), tenant_context(str(pooled.id)):
            assert claiming.claim(KINDS, 2, 30).job is not None
        change_job(app, pooled, job_id, due_at=func.now())

    run_jobs()

    job = job_of(app, pooled, job_id)
    assert job["state"] == "failed"
    assert "worker stopped" in job["error"]
    assert effects_of(app, pooled, job_id) == []


def test_no_more_jobs_of_a_tenant_run_at_once_than_may(app: Flask, pooled: Tenant) -> None:
    for _ in range(3):
        ask_for(app, pooled)
    with app.app_context(), tenant_context(str(pooled.id)):
        visits = [claiming.claim(KINDS, 2, 30) for _ in range(3)]

    assert [each.job is None for each in visits] == [False, False, True]
    assert visits[2].next_seconds is not None
    assert 20 < visits[2].next_seconds <= 30


def test_a_running_job_is_cancelled_between_its_steps(
    app: Flask, pooled: Tenant, run_jobs: RunJobs
) -> None:
    def cancel_it(turn: Turn) -> None:
        # Another connection than that of the step's transaction.
        with app.app_context(), tenant_context(str(pooled.id)), transaction():
            cancel(turn.job_id, ("id",))

    hooks["cancel"] = cancel_it
    job_id = ask_for(app, pooled, second="cancel")

    run_jobs()

    assert job_of(app, pooled, job_id)["state"] == "cancelled"
    assert effects_of(app, pooled, job_id) == ["first", "second"]


def test_a_lost_wake_up_delays_a_job_by_a_sweep_at_most(
    app: Flask, pooled: Tenant, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups, "wake", lambda _tenant_id: None)
    job_id = ask_for(app, pooled)
    sweep = state_of(app).settings.job_sweep_seconds

    with app.app_context():
        wakeups.add_tenants(sweep)
        with control_engine().begin() as catalog:
            seconds = catalog.execute(
                text(
                    "SELECT extract(epoch FROM due_at - now()) FROM job_wakeup"
                    " WHERE tenant_id = :id"
                ),
                {"id": pooled.id},
            ).scalar_one()
            assert seconds <= sweep
            catalog.execute(
                text("UPDATE job_wakeup SET due_at = now() WHERE tenant_id = :id"),
                {"id": pooled.id},
            )
    run_jobs()

    assert job_of(app, pooled, job_id)["state"] == "done"


def test_request_handling_may_wake_workers_and_not_write_their_table(app: Flask) -> None:
    reader = f"{state_of(app).settings.catalog_database}_reader"
    rights = (
        "SELECT has_table_privilege(%s, 'catalog.job_wakeup', 'INSERT, UPDATE, DELETE'),"
        " has_function_privilege(%s, 'catalog.wake_worker(uuid)', 'EXECUTE')"
    )

    catalog = state_of(app).settings.catalog_database
    assert ask(app, rights, reader, reader, database=catalog) == [(False, True)]


def _wake(app: Flask, tenant: Tenant) -> None:
    with app.app_context():
        wakeups.wake(tenant.id)


def test_workers_take_different_turns_and_leave_half_to_the_others(
    app: Flask, make_tenant: MakeTenant
) -> None:
    tenants = [make_tenant(Tier.POOLED_ROWS) for _ in range(4)]
    for tenant in tenants:
        ask_for(app, tenant)
    with app.app_context():
        with control_engine().begin() as catalog:
            # They have waited longest. One of them is known to have several jobs.
            catalog.execute(
                text(
                    "UPDATE job_wakeup SET due_at = now() - interval '1 day', queued = 0"
                    " WHERE tenant_id = ANY(:ids)"
                ),
                {"ids": [tenant.id for tenant in tenants]},
            )
            catalog.execute(
                text("UPDATE job_wakeup SET queued = 5 WHERE tenant_id = :id"),
                {"id": tenants[0].id},
            )
            # Another one has several jobs too, but its last visit failed.
            catalog.execute(
                text("UPDATE job_wakeup SET queued = 5 WHERE tenant_id = :id"),
                {"id": tenants[1].id},
            )
        failing = [tenants[1].id]
        one, other = wakeups.Queue(), wakeups.Queue()
        first, second = one.take_turns(failing), other.take_turns(failing)
        one.close()
        other.close()

    taken = [turn.tenant_id for turn in (*first, *second)]
    assert len(set(taken)) == len(taken)
    assert 2 <= len(first) <= wakeups.MOST_TURNS
    assert {turn.tenant_id for turn in first} & {tenant.id for tenant in tenants}
    stay = {turn.tenant_id for turn in (*first, *second) if turn.stays_due}
    assert stay & {tenant.id for tenant in tenants} <= {tenants[0].id}
