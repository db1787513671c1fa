"""The keys of stored files: the tenant's data key, or the secret key for a tenant without one."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from job_kinds import job_of
from members import AsMember, MakeTenant, Member
from tenant_databases import TIERS, ask_in

from trially.auth.roles import Role
from trially.jobs.files import DATA_KEY_MARK
from trially.keys.providers import ProviderUnavailableError
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import destroy_data_keys, rotate_data_key
from trially.tenancy.data_keys.model import TenantKey

RunJobs = Callable[[], int]
BODY = json.dumps({"resourceType": "Patient", "id": "p1", "gender": "female"}).encode() + b"\n"
ASYNC = {"Prefer": "respond-async, wait=10", "Content-Type": "application/ndjson"}
PARTS = "SELECT sealed FROM {}.job_file_part WHERE tenant_id = %s"


@pytest.fixture
def member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER)


def send(member: Member) -> Any:
    return member.post("/imports", data=BODY, headers=ASYNC, query_string={"source": "epic"})


def stored_parts(app: Flask, member: Member) -> list[bytes]:
    rows = ask_in(
        app,
        member.tenant,
        PARTS.format(member.tenant.placement.schema),
        str(member.tenant.id),
    )
    return [bytes(part) for (part,) in rows]


@pytest.mark.parametrize("tier", TIERS)
def test_a_file_is_read_after_a_rotation(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, run_jobs: RunJobs, tier: Tier
) -> None:
    member = as_member(make_tenant(tier), Role.OWNER)
    job_id = UUID(send(member).json["id"])
    [part] = stored_parts(app, member)
    assert part.startswith(DATA_KEY_MARK + b"\0\0\0\1")
    with app.app_context():
        rotate_data_key(member.tenant.id)

    run_jobs()

    assert job_of(app, member.tenant, job_id)["state"] == "done"


def test_a_file_cannot_be_read_once_the_key_is_destroyed(
    app: Flask, member: Member, run_jobs: RunJobs
) -> None:
    job_id = UUID(send(member).json["id"])
    with app.app_context():
        destroy_data_keys(member.tenant.id)

    run_jobs()

    job = job_of(app, member.tenant, job_id)
    assert (job["state"], "key was changed or destroyed" in job["error"]) == ("failed", True)


def test_a_tenant_without_a_data_key_can_send_files(
    app: Flask, member: Member, run_jobs: RunJobs
) -> None:
    with app.app_context():
        with catalog_transaction() as session:
            session.delete(session.get_one(TenantKey, (member.tenant.id, 1)))
        state_of(app).data_keys.forget(member.tenant.id)
    job_id = UUID(send(member).json["id"])
    [part] = stored_parts(app, member)
    assert not part.startswith(DATA_KEY_MARK)
    with app.app_context():
        rotate_data_key(member.tenant.id)

    run_jobs()

    assert job_of(app, member.tenant, job_id)["state"] == "done"


def test_a_file_is_refused_while_the_key_cannot_be_unwrapped(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ProviderUnavailableError("It does not answer.")

    keys = state_of(app).data_keys
    keys.forget(member.tenant.id)
    monkeypatch.setattr(keys.masters, "unwrap", fail)

    answer = send(member)

    assert (answer.status_code, answer.json["code"]) == (503, "data_key_unavailable")
    assert stored_parts(app, member) == []
    monkeypatch.undo()
    assert send(member).status_code == 202
