"""Uploads with `Prefer: respond-async`: stored encrypted, imported by a worker, and removed."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from job_kinds import change_job, job_of
from members import AsMember, MakeTenant, Member
from sqlalchemy import func
from tenant_databases import ask_in

from trially.auth.roles import PhiLevel, Role
from trially.jobs import running, wakeups
from trially.jobs.kinds import KINDS
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier

RunJobs = Callable[[], int]
FAMILY = "Lindqvist-Unencrypted"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": FAMILY, "given": ["Mei"]}],
    "gender": "female",
    "birthDate": "1961-07-23",
}
BODY = json.dumps(PATIENT).encode() + b"\n"
ASYNC = {"Prefer": "respond-async, wait=10", "Content-Type": "application/ndjson"}


@pytest.fixture
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER)


def send(member: Member, body: bytes = BODY, **query: Any) -> Any:
    query_string = {"source": "epic", **query}
    return member.post("/imports", data=body, headers=ASYNC, query_string=query_string)


def test_an_upload_is_imported_by_a_worker(app: Flask, member: Member, run_jobs: RunJobs) -> None:
    answer = send(member)

    assert answer.status_code == 202, answer.json
    assert answer.headers["Preference-Applied"] == "respond-async"
    job_id = UUID(answer.json["id"])
    assert answer.headers["Location"] == f"/api/v1/jobs/{job_id}"
    assert member.get("/patients").json["data"] == []
    run_jobs()

    job = member.get(answer.headers["Location"]).json
    assert (job["state"], job["error"]) == ("done", None)
    imported = member.get(f"/imports/{job['result']['import_id']}").json
    assert (imported["state"], imported["started_by"]) == ("done", member.subject)
    assert [each["family_name"] for each in member.get("/patients").json["data"]] == [FAMILY]
    records = member.get("/audit?limit=100").json["data"]
    [written] = [each for each in records if each["details"].get("counts")]
    assert (written["route"], written["action"]) == ("job import", "import")
    assert written["request_id"] == job_id.hex
    assert written["member"]["id"] == job["member_id"]


def test_the_stored_file_is_encrypted_bound_to_its_job_and_removed(
    app: Flask, member: Member, run_jobs: RunJobs
) -> None:
    first, second = (UUID(send(member).json["id"]) for _ in range(2))
    parts = "SELECT sealed, job_id FROM tenant.job_file_part WHERE tenant_id = %s"
    stored = ask_in(app, member.tenant, parts, str(member.tenant.id))
    rows = "SELECT job::text FROM tenant.job WHERE tenant_id = %s"
    jobs = ask_in(app, member.tenant, rows, str(member.tenant.id))
    assert {job_id for _, job_id in stored} == {str(first), str(second)}
    assert all(b"Lindqvist" not in bytes(sealed) for sealed, _ in stored)
    assert "Lindqvist" not in str(jobs)
    ask_in(
        app,
        member.tenant,
        "UPDATE tenant.job_file_part SET sealed = (SELECT sealed FROM tenant.job_file_part"
        " WHERE tenant_id = %s AND job_id = %s) WHERE tenant_id = %s AND job_id = %s"
        " RETURNING 1",
        *(str(member.tenant.id), str(first), str(member.tenant.id), str(second)),
    )

    run_jobs()

    assert job_of(app, member.tenant, first)["state"] == "done"
    swapped = job_of(app, member.tenant, second)
    assert (swapped["state"], "decrypted" in swapped["error"]) == ("failed", True)
    assert ask_in(app, member.tenant, parts, str(member.tenant.id)) == []


def test_an_import_that_is_not_recorded_as_completed_is_not_repeated(
    app: Flask, member: Member, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies after the last commit of the import, and before that of the job."""
    job_id = UUID(send(member).json["id"])

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "_complete", die)
        with pytest.raises(KeyboardInterrupt):
            run_jobs()
    assert job_of(app, member.tenant, job_id)["state"] == "running"
    change_job(app, member.tenant, job_id, due_at=func.now())
    with app.app_context():
        wakeups.wake(member.tenant.id)
    run_jobs()

    assert job_of(app, member.tenant, job_id)["state"] == "done"
    assert len(member.get("/imports").json["data"]) == 1


def test_an_upload_that_cannot_be_imported(app: Flask, member: Member, run_jobs: RunJobs) -> None:
    job_id = send(member, b'{"resourceType": "Patient", "id": }\n', strict="true").json["id"]

    run_jobs()

    job = member.get(f"/jobs/{job_id}").json
    assert (job["state"], job["error"]) == ("failed", "The import failed. Read its errors.")
    assert member.get(f"/imports/{job['result']['import_id']}").json["state"] == "failed"


def test_what_a_request_can_refuse_it_refuses(
    app: Flask, member: Member, as_member: AsMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(state_of(app).settings, queued_imports_per_tenant=1)
    monkeypatch.setattr(state_of(app), "settings", settings)
    viewer = as_member(member.tenant, Role.VIEWER)
    coordinator = as_member(member.tenant, Role.COORDINATOR, phi_level=PhiLevel.NONE)
    refused_table = member.post(
        "/imports",
        data=b"a;b\n1;2\n",
        headers=ASYNC | {"Content-Type": "text/csv"},
        query_string={"source": "epic"},
    )

    assert refused_table.status_code == 422
    assert send(viewer).status_code == 403
    assert send(coordinator).status_code == 202
    many = send(member)
    assert (many.status_code, many.json["code"]) == (429, "too_many_imports")
    assert "import" in KINDS
