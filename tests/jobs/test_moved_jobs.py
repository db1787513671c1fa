"""A job goes on where its tenant is placed now: the same attempt, and each effect once."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from job_kinds import PARTS, SITES, STEPS, ask_for, effects_of, hooks, job_of
from members import AsMember, MakeTenant, Member
from moves import during_a_move, moving_after_each_commit, switch, switch_to_copy
from tenant_databases import ask_in

from trially.auth.roles import Role
from trially.jobs import running
from trially.jobs.attempts import Attempt, Heart
from trially.jobs.claiming import claim
from trially.jobs.kinds import KINDS, Turn
from trially.jobs.running import run_job
from trially.jobs.worker import Worker
from trially.recruiting.imports.writing import batches
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

RunJobs = Callable[[], int]
PATIENTS = 12
BODY = b"".join(
    b'{"resourceType": "Patient", "id": "p%d", "gender": "female", "birthDate": "1961-07-23"}\n'
    % number
    for number in range(PATIENTS)
)
ASYNC = {"Prefer": "respond-async", "Content-Type": "application/ndjson"}


@pytest.fixture(scope="module")
def owner(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> Member:
    return as_member(make_tenant(tier), Role.OWNER)


@pytest.fixture
def moving(owner: Member) -> Tenant:
    return owner.tenant


def test_a_job_of_a_tenant_that_moves_after_each_commit(
    app: Flask, moving: Tenant, run_jobs: RunJobs
) -> None:
    steps, parts = ask_for(app, moving), ask_for(app, moving, PARTS)

    with moving_after_each_commit(app, moving) as moves:
        run_jobs()

    assert len(moves) >= len(STEPS) + 3
    for job_id, effects in ((steps, list(STEPS)), (parts, [f"part {n}" for n in range(3)])):
        job = job_of(app, moving, job_id)
        assert (job["state"], job["attempts"], job["error"]) == ("done", 1, None)
        assert effects_of(app, moving, job_id) == effects


def test_a_step_that_waits_during_the_move(app: Flask, moving: Tenant) -> None:
    job_id = ask_for(app, moving)
    with app.app_context(), tenant_context(str(moving.id)):
        job = claim(KINDS, 2, 30).job
    assert job is not None
    assert job.id == job_id

    states = during_a_move(app, moving, lambda: run_job(app, Attempt(job, SITES), Heart(app, 30)))

    assert states == ["done"]
    assert job_of(app, moving, job_id)["attempts"] == 1
    assert effects_of(app, moving, job_id) == list(STEPS)


def test_a_step_whose_first_statement_is_refused_begins_again(
    app: Flask, moving: Tenant, run_jobs: RunJobs
) -> None:
    begun: list[UUID] = []

    def move_once(turn: Turn) -> None:
        if not begun:
            switch(app, moving)
        begun.append(turn.job_id)

    hooks["move"] = move_once
    job_id = ask_for(app, moving, second="move")

    run_jobs()

    assert begun == [job_id, job_id]
    job = job_of(app, moving, job_id)
    assert (job["state"], job["attempts"], job["error"]) == ("done", 1, None)
    assert effects_of(app, moving, job_id) == list(STEPS)


def test_a_heartbeat_follows_the_tenant(app: Flask, moving: Tenant) -> None:
    job_id = ask_for(app, moving)
    with app.app_context(), tenant_context(str(moving.id)):
        job = claim(KINDS, 2, 30).job
    assert job is not None
    due_at = job_of(app, moving, job_id)["due_at"]
    attempt, heart = Attempt(job, SITES), Heart(app, 600)
    switch(app, moving)

    heart._renew(attempt)

    renewed = job_of(app, moving, job_id)
    assert renewed["due_at"] > due_at
    assert run_job(app, attempt, heart) == "done"


def test_jobs_that_wait_are_run_and_cancelled_at_the_new_place(
    app: Flask, owner: Member, run_jobs: RunJobs
) -> None:
    tenant = owner.tenant
    runs, cancelled = ask_for(app, tenant), ask_for(app, tenant)
    stream = owner.post("/imports?source=queued", data=BODY, headers=ASYNC)
    switch(app, tenant)

    answer = owner.post(f"/jobs/{cancelled}/cancel")
    assert (answer.status_code, answer.json["state"]) == (200, "cancelled"), answer.json
    run_jobs()

    assert job_of(app, tenant, runs)["state"] == "done"
    assert effects_of(app, tenant, cancelled) == []
    imported = owner.get(stream.headers["Location"]).json
    assert (imported["state"], imported["error"]) == ("done", None)


def test_a_running_job_is_cancelled_at_the_new_place(
    app: Flask, owner: Member, run_jobs: RunJobs
) -> None:
    def move_and_cancel(turn: Turn) -> None:
        switch(app, owner.tenant)
        assert owner.through(app).post(f"/jobs/{turn.job_id}/cancel").status_code == 200

    hooks["cancel"] = move_and_cancel
    # The hook runs before the first statement of the step, whose transaction is then refused.
    job_id = ask_for(app, owner.tenant, second="cancel")

    run_jobs()

    assert job_of(app, owner.tenant, job_id)["state"] == "cancelled"


def test_an_import_of_a_tenant_that_moves_after_each_commit(
    app: Flask, owner: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 3)
    sent = owner.post("/imports?source=often", data=BODY, headers=ASYNC)

    with moving_after_each_commit(app, owner.tenant) as moves:
        run_jobs()

    assert len(moves) > PATIENTS / 3
    job = job_of(app, owner.tenant, UUID(sent.json["id"]))
    assert (job["state"], job["attempts"], job["error"]) == ("done", 1, None)
    imported = owner.get(f"/imports/{job['result']['import_id']}").json
    assert imported["counts"]["Patient"]["new"] == PATIENTS


def test_a_job_goes_on_in_another_database(
    app: Flask, make_tenant: MakeTenant, run_jobs: RunJobs
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    job_id = ask_for(app, tenant)
    with app.app_context(), tenant_context(str(tenant.id)):
        job = claim(KINDS, 2, 30).job
    assert job is not None
    attempt = Attempt(job, SITES)
    first = running._run_next_step(app, attempt, job)
    assert not isinstance(first, str)
    switch_to_copy(app, tenant)

    attempt.job = first
    assert run_job(app, attempt, Heart(app, 30)) == "done"

    assert job_of(app, tenant, job_id)["attempts"] == 1
    assert effects_of(app, tenant, job_id) == list(STEPS)
    # The place of before has the effects of before.
    [(number,)] = ask_in(app, tenant, "SELECT count(*) FROM tenant.site")
    assert number == 1


def test_an_attempt_of_an_interrupted_move_does_not_count(
    app: Flask, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog names a place that refuses the tenant, until the move goes on."""
    tenant = make_tenant(Tier.POOLED_ROWS)
    job_id = ask_for(app, tenant)
    with app.app_context(), tenant_context(str(tenant.id)):
        job = claim(KINDS, 2, 30).job
    assert job is not None
    switch(app, tenant)

    with monkeypatch.context() as patched:
        patched.setattr(running, "_forget_placement", lambda *_arguments: None)
        outcome = run_job(app, Attempt(job, SITES), Heart(app, 30))

    assert outcome == running.RELEASED
    released = job_of(app, tenant, job_id)
    assert (released["state"], released["attempts"], released["error"]) == ("queued", 0, None)
    assert Worker(app, threads=1).run_due() >= 1
    assert job_of(app, tenant, job_id)["state"] == "done"


def test_a_visit_waits_during_the_move(app: Flask, make_tenant: MakeTenant) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    job_id = ask_for(app, tenant)

    during_a_move(app, tenant, Worker(app, threads=1).run_due)
    Worker(app, threads=1).run_due()

    assert job_of(app, tenant, job_id)["state"] == "done"
    assert effects_of(app, tenant, job_id) == list(STEPS)


def test_events_of_a_job_go_on_at_the_new_place(
    app: Flask, owner: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trially.jobs.events.LOOK_SECONDS", 0.05)
    job_id = ask_for(app, owner.tenant)
    answer = owner.through(app).get(
        f"/jobs/{job_id}", headers={"Accept": "text/event-stream"}, buffered=False
    )
    events = iter(answer.response)
    begun = next(events) + next(events)
    switch(app, owner.tenant)
    run_jobs()
    rest = b"".join(events)

    assert b'"state":"queued"' in begun
    assert b"event: end" in rest
    assert b'"state":"done"' in rest
