"""Who sees which jobs, how they are cancelled, followed and recorded."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from job_kinds import SITES, ask_for, change_job, effects_of, job_of
from members import AsMember, MakeTenant, Member

from trially.auth.members import identities
from trially.auth.roles import Role
from trially.jobs.events import EVENT_STREAM
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

RunJobs = Callable[[], int]


@pytest.fixture
def ask_as(app: Flask) -> Callable[..., UUID]:
    """Ask for a job in the name of a member."""

    def ask(member: Member, **parameters: Any) -> UUID:
        me = member.get("/me").json
        assert me is not None
        job_id = ask_for(app, member.tenant, SITES, **parameters)
        change_job(
            app,
            member.tenant,
            job_id,
            member_id=UUID(me["member"]["id"]) if "member" in me else UUID(me["id"]),
            issuer=state_of(app).token_verifier.first_issuer(),
            subject=member.subject,
            operator=None,
        )
        return job_id

    return ask


def test_members_see_their_own_jobs_and_managers_all(
    make_tenant: MakeTenant, as_member: AsMember, ask_as: Callable[..., UUID]
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    one, other = as_member(tenant, Role.COORDINATOR), as_member(tenant, Role.COORDINATOR)
    viewer, manager = as_member(tenant, Role.VIEWER), as_member(tenant, Role.ADMIN)
    foreign = as_member(make_tenant(Tier.POOLED_ROWS))
    job_id = ask_as(one)

    assert [each["id"] for each in one.get("/jobs").json["data"]] == [str(job_id)]
    assert [each["id"] for each in manager.get("/jobs").json["data"]] == [str(job_id)]
    missing = one.get(f"/jobs/{uuid4()}").json
    for stranger in (other, viewer, foreign):
        assert stranger.get("/jobs").json["data"] == []
        answer = stranger.get(f"/jobs/{job_id}")
        assert (answer.status_code, answer.json["detail"]) == (404, missing["detail"])
        for method, path in (("GET", ""), ("POST", "/cancel")):
            status = stranger.request(method, f"/jobs/{job_id}{path}").status_code
            assert status == (403 if stranger is viewer and method == "POST" else 404)
    assert one.post(f"/jobs/{job_id}/cancel").json["state"] == "cancelled"
    again = manager.post(f"/jobs/{job_id}/cancel")
    assert (again.status_code, again.json["code"]) == (409, "job_ended")


def test_a_job_acts_for_the_member_who_asked(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    ask_as: Callable[..., UUID],
    run_jobs: RunJobs,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    member, owner = as_member(tenant, Role.COORDINATOR), as_member(tenant, Role.OWNER)
    job_id = ask_as(member)

    run_jobs()

    records = owner.get("/audit?limit=50").json["data"]
    [first] = [each for each in records if each["details"].get("step") == "first"]
    assert first["route"] == "job test_sites"
    assert first["request_id"] == job_id.hex
    assert first["member"]["id"] == str(job_of(app, tenant, job_id)["member_id"])
    assert [change["table"] for change in first["changes"]] == ["site"]
    [asked] = [each for each in records if each["details"].get("enqueues") == "test_sites"]
    assert asked["details"]["job_id"] == str(job_id)


def test_a_job_of_a_removed_member_fails(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    ask_as: Callable[..., UUID],
    run_jobs: RunJobs,
    run_command: Callable[..., Any],
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    removed, demoted = as_member(tenant, Role.COORDINATOR), as_member(tenant, Role.COORDINATOR)
    jobs = ask_as(removed), ask_as(demoted)
    run_command("tenants", "members", "remove", tenant.slug, "--subject", removed.subject, "--yes")
    run_command(
        *("tenants", "members", "change", tenant.slug, "--subject", demoted.subject),
        *("--role", "viewer"),
    )
    identities.init_app(app, max_age_seconds=5)  # forgets the members

    run_jobs()

    for job_id, reason in zip(jobs, ("no access", "sites:write"), strict=True):
        job = job_of(app, tenant, job_id)
        assert job["state"] == "failed"
        assert reason in job["error"]
        assert effects_of(app, tenant, job_id) == []


def test_progress_as_events(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    ask_as: Callable[..., UUID],
    run_jobs: RunJobs,
) -> None:
    member = as_member(make_tenant(Tier.POOLED_ROWS))
    job_id = ask_as(member)
    streaming = {"headers": {"Accept": EVENT_STREAM}, "buffered": False}

    answer = member.get(f"/jobs/{job_id}", **streaming)
    assert answer.mimetype == EVENT_STREAM
    events = _events(answer.response)
    name, job = next(events)
    assert (name, job["state"], job["etag"]) == ("progress", "queued", '"2"')
    refused = member.get(f"/jobs/{job_id}", **streaming)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_streams")
    run_jobs()
    name, job = next(events)
    assert (name, job["state"], job["progress_done"]) == ("end", "done", 3)
    assert list(events) == []
    answer.close()

    ended = member.get(f"/jobs/{job_id}", **streaming)
    assert [name for name, _ in _events(ended.response)] == ["end"]
    ended.close()
    assert not state_of(app).event_streams


def test_a_stream_ends_with_the_access(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    ask_as: Callable[..., UUID],
    run_command: Callable[..., Any],
) -> None:
    tenant: Tenant = make_tenant(Tier.POOLED_ROWS)
    member = as_member(tenant)
    job_id = ask_as(member)
    answer = member.get(f"/jobs/{job_id}", headers={"Accept": EVENT_STREAM}, buffered=False)
    events = _events(answer.response)
    next(events)

    run_command("tenants", "suspend", tenant.slug, "--yes")

    assert list(events) == []
    answer.close()


def _events(parts: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and data of server-sent events."""
    for part in parts:
        lines = dict(line.split(": ", 1) for line in part.decode().splitlines() if ": " in line)
        if "event" in lines:
            yield lines["event"], json.loads(lines["data"])
