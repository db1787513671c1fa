"""Imports that are cancelled, or whose worker ends, between two of their batches."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from job_kinds import change_job, job_of
from members import AsMember, MakeTenant, Member
from sqlalchemy import func

from trially.auth.roles import Role
from trially.database.placement import current_placement
from trially.jobs import wakeups
from trially.jobs.files import has_file
from trially.jobs.kinds import Turn
from trially.jobs.worker import Worker
from trially.recruiting.imports.uploads import jobs as import_jobs
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

RunJobs = Callable[[], int]
PATIENTS = 6
BODY = b"".join(
    json.dumps(
        {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"family": f"Family{number}", "given": ["Mei"]}],
            "birthDate": f"196{number}-07-23",
        }
    ).encode()
    + b"\n"
    for number in range(PATIENTS)
)
ASYNC = {"Prefer": "respond-async", "Content-Type": "application/ndjson"}


@pytest.fixture(autouse=True)
def _one_patient_in_a_batch(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(state_of(app).settings, max_import_batch_rows=1)
    monkeypatch.setattr(state_of(app), "settings", settings)


@contextmanager
def after_first_batch(
    member: Member, monkeypatch: pytest.MonkeyPatch, do: Callable[[Turn], None]
) -> Iterator[None]:
    """Do something once, when the first batch of an import of the member's tenant is committed."""
    caller_of, left = import_jobs._caller_of, [do]

    def caller(turn: Turn) -> Any:
        silent = caller_of(turn)

        def progress(done: int) -> None:
            silent.progress(done)
            if left and current_placement().tenant_id == member.tenant.id:
                left.pop()(turn)

        return replace(silent, progress=progress)

    with monkeypatch.context() as patch:
        patch.setattr(import_jobs, "_caller_of", caller)
        yield
    assert not left


def send(member: Member) -> str:
    answer = member.post("/imports", data=BODY, headers=ASYNC, query_string={"source": "epic"})
    assert answer.status_code == 202, answer.json
    return str(answer.json["id"])


def cancel(member: Member, job_id: str) -> Any:
    answer = member.post(f"/jobs/{job_id}/cancel")
    assert answer.status_code == 200, answer.json
    return answer.json


def import_of(member: Member, job_id: str) -> Any:
    job = member.get(f"/jobs/{job_id}").json
    return member.get(f"/imports/{job['result']['import_id']}").json


def families(member: Member) -> list[str]:
    return sorted(each["family_name"] for each in member.get("/patients").json["data"])


ALL = [f"Family{number}" for number in range(PATIENTS)]


def test_a_running_import_is_cancelled_after_its_batch_on_every_tier(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tier: Tier,
    run_jobs: RunJobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    member = as_member(make_tenant(tier), Role.OWNER)
    other = as_member(make_tenant(tier), Role.OWNER)
    job_id = send(member)

    def cancel_it(turn: Turn) -> None:
        running = member.get(f"/jobs/{job_id}").json
        assert running["state"] == "running"
        assert import_of(member, job_id)["state"] == "running"
        assert cancel(member, job_id)["is_cancelled"] is True
        assert turn.must_end.wait(20), "the heartbeat hears of it"

    with after_first_batch(member, monkeypatch, cancel_it):
        run_jobs()

    job, cancelled = member.get(f"/jobs/{job_id}").json, import_of(member, job_id)
    assert (job["state"], cancelled["state"], cancelled["failure"]) == (
        "cancelled",
        "cancelled",
        None,
    )
    assert cancelled["counts"]["Patient"]["new"] == len(families(member)) == 1
    assert cancelled["ended_at"] is not None
    with app.app_context(), tenant_context(member.tenant.slug):
        assert not has_file(UUID(job_id))

    repeated, of_other = send(member), send(other)
    run_jobs()

    again = import_of(member, repeated)
    assert (again["state"], again["id"] != cancelled["id"]) == ("done", True)
    assert (again["counts"]["Patient"]["read"], again["counts"]["Patient"]["new"]) == (PATIENTS, 5)
    assert families(member) == families(other) == ALL
    assert import_of(other, of_other)["counts"]["Patient"]["new"] == PATIENTS


def test_a_worker_that_ends_leaves_the_import_to_the_next_one_on_every_tier(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tier: Tier,
    run_jobs: RunJobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    member = as_member(make_tenant(tier), Role.OWNER)
    job_id, worker = send(member), Worker(app, threads=1)

    with after_first_batch(member, monkeypatch, lambda _turn: worker.stop()):
        worker.run_due()

    job, stopped = member.get(f"/jobs/{job_id}").json, import_of(member, job_id)
    assert (job["state"], job["attempts"], stopped["state"]) == ("queued", 0, "stopped")
    assert stopped["failure"] == import_jobs.INTERRUPTED
    assert stopped["counts"]["Patient"]["new"] == 1
    run_jobs()

    done = import_of(member, job_id)
    assert (done["id"], done["state"], done["failure"]) == (stopped["id"], "done", None)
    assert done["counts"]["Patient"]["new"] == PATIENTS
    assert families(member) == ALL


@pytest.fixture
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER)


def test_an_import_that_waits_for_another_worker_is_cancelled(
    app: Flask, member: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, worker = send(member), Worker(app, threads=1)
    with after_first_batch(member, monkeypatch, lambda _turn: worker.stop()):
        worker.run_due()

    waiting = cancel(member, job_id)
    assert (waiting["state"], waiting["is_cancelled"]) == ("queued", True)
    run_jobs()

    assert member.get(f"/jobs/{job_id}").json["state"] == "cancelled"
    assert import_of(member, job_id)["state"] == "cancelled"
    assert families(member) == ALL[:1]


def test_a_cancelled_import_of_a_killed_worker_is_ended_by_the_next_one(
    app: Flask, member: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = send(member)

    def die(_turn: Turn) -> None:
        raise KeyboardInterrupt

    with after_first_batch(member, monkeypatch, die), pytest.raises(KeyboardInterrupt):
        run_jobs()
    assert cancel(member, job_id)["state"] == "running"
    change_job(app, member.tenant, UUID(job_id), due_at=func.now())
    with app.app_context():
        wakeups.wake(member.tenant.id)
    run_jobs()

    assert member.get(f"/jobs/{job_id}").json["state"] == "cancelled"
    assert import_of(member, job_id)["state"] == "cancelled"
    assert families(member) == ALL[:1]


def test_an_import_whose_worker_lost_its_lease_belongs_to_the_next_one(
    app: Flask, member: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker pauses after a batch, until the second one has done all of the import."""
    job_id = send(member)

    def pause(_turn: Turn) -> None:
        change_job(app, member.tenant, UUID(job_id), due_at=func.now())
        with app.app_context():
            wakeups.wake(member.tenant.id)
        run_jobs()

    with after_first_batch(member, monkeypatch, pause):
        run_jobs()

    assert job_of(app, member.tenant, UUID(job_id))["attempts"] == 1
    done = import_of(member, job_id)
    assert (done["state"], done["counts"]["Patient"]["new"]) == ("done", PATIENTS)
    assert len(member.get("/imports").json["data"]) == 1
    assert families(member) == ALL


def test_a_cancelled_import_cannot_be_tried_again(
    app: Flask, member: Member, run_jobs: RunJobs
) -> None:
    job_id = send(member)
    assert cancel(member, job_id)["state"] == "cancelled"

    retried = app.test_cli_runner().invoke(args=["jobs", "retry", member.tenant.slug, job_id])

    assert retried.exit_code == 1
    assert "Send the file again" in retried.output
    assert (run_jobs(), families(member)) == (0, [])
