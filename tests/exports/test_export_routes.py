"""An owner exports the tenant by the API; nobody else can."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from sqlalchemy import text
from tenant_databases import ask_in

from trially.auth.roles import PhiLevel, Role
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine

RunJobs = Callable[[], int]
ZIP = {"Accept": "application/zip"}


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@pytest.fixture
def owner(tenant: Tenant, as_member: AsMember) -> Member:
    return as_member(tenant, Role.OWNER)


def opened(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def exported(owner: Member, run_jobs: RunJobs, **body: Any) -> str:
    answer = owner.post("/exports", json=body)
    assert answer.status_code == 201, answer.json
    run_jobs()
    return str(answer.headers["Location"])


def test_an_owner_exports_the_tenant(
    app: Flask, tenant: Tenant, owner: Member, make_patient: MakePatient, run_jobs: RunJobs
) -> None:
    make_patient(owner, family_name="Quillfeather")

    location = exported(owner, run_jobs)
    shown = owner.get(location).json
    archive = owner.get(location, headers=ZIP)

    assert (shown["state"], shown["is_stored"]) == ("done", True)
    assert shown["bytes"] == len(archive.data) == archive.content_length
    assert archive.headers["Content-Disposition"] == "attachment"
    files = opened(archive.data)
    manifest = json.loads(files["manifest.json"])
    assert manifest["tenant"]["slug"] == tenant.slug
    assert b"Quillfeather" in files["fhir/1/Patient.ndjson"]
    assert b"Quillfeather" in files["csv/patient.csv"]
    assert "Quillfeather" not in " ".join(files)
    stored = ask_in(
        app,
        tenant,
        f"SELECT sealed FROM {tenant.placement.schema}.job_file_part WHERE tenant_id = %s",
        str(tenant.id),
    )
    assert stored
    assert not any(b"PK\x03\x04" in bytes(sealed) for (sealed,) in stored)
    records = owner.get("/audit?action=export").json["data"]
    routes = [each["route"] for each in records]
    assert {route for route in routes if "export" in route} == {
        "GET /api/v1/exports/{export_id}",
        "job export",
    }


@pytest.mark.parametrize(
    ("role", "options"),
    [
        (Role.COORDINATOR, {}),
        (Role.VIEWER, {}),
        (Role.AUDITOR, {}),
        (Role.OWNER, {"phi_level": PhiLevel.LIMITED}),
        (Role.OWNER, {"phi_level": PhiLevel.NONE}),
        (Role.OWNER, {"site_ids": []}),
    ],
)
def test_nobody_else_exports(
    tenant: Tenant,
    owner: Member,
    as_member: AsMember,
    run_jobs: RunJobs,
    role: Role,
    options: dict[str, Any],
) -> None:
    location = exported(owner, run_jobs, parts=["csv"])
    other = as_member(tenant, role, **options)

    answers = [
        other.post("/exports", json={}),
        other.get(location),
        other.get(location, headers=ZIP),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_an_owner_of_another_tenant_finds_no_export(
    owner: Member, make_tenant: MakeTenant, as_member: AsMember, tier: Tier, run_jobs: RunJobs
) -> None:
    location = exported(owner, run_jobs, parts=["csv"])
    stranger = as_member(make_tenant(tier), Role.OWNER)

    assert stranger.get(location, headers=ZIP).status_code == 404


def test_one_export_runs_at_a_time(owner: Member, run_jobs: RunJobs) -> None:
    first = owner.post("/exports", json={"parts": ["csv"]})
    second = owner.post("/exports", json={"parts": ["csv"]})
    run_jobs()
    third = owner.post("/exports", json={"parts": ["csv"]})
    run_jobs()

    assert (first.status_code, second.status_code, third.status_code) == (201, 409, 201)
    assert second.json["code"] == "export_running"


def test_an_archive_is_deleted_after_a_day(
    app: Flask, tenant: Tenant, owner: Member, run_jobs: RunJobs
) -> None:
    location = exported(owner, run_jobs, parts=["csv"])
    schema = tenant.placement.schema
    ask_in(
        app,
        tenant,
        f"UPDATE {schema}.job SET ended_at = now() - interval '25 hours' WHERE tenant_id = %s",
        str(tenant.id),
    )

    gone = owner.get(location, headers=ZIP)
    with app.app_context(), control_engine().begin() as catalog:
        catalog.execute(text("UPDATE job_wakeup SET due_at = now(), generation = generation + 1"))
    run_jobs()

    assert gone.status_code == 404
    jobs = ask_in(
        app,
        tenant,
        f"SELECT DISTINCT job_id::text FROM {schema}.job_file_part WHERE tenant_id = %s",
        str(tenant.id),
    )
    assert location.rpartition("/")[2] not in {job for (job,) in jobs}


def test_a_member_who_lost_the_right_gets_no_archive(
    tenant: Tenant, as_member: AsMember, run_jobs: RunJobs, run_command: Callable[..., Any]
) -> None:
    member = as_member(tenant, Role.ADMIN)
    location = member.post("/exports", json={"parts": ["csv"]}).headers["Location"]
    changed = run_command(
        *("tenants", "members", "change", tenant.slug, "--subject", member.subject),
        *("--phi-level", "limited"),
    )
    assert changed.exit_code == 0, changed.output
    state_of(member.app).identities.forget(
        lambda _: True
    )  # otherwise the worker's is some seconds old
    run_jobs()

    owner = as_member(tenant, Role.OWNER)
    shown = owner.get(location).json
    assert shown["state"] == "failed"
    assert "exports:write" in shown["error"]
    assert not shown["is_stored"]
