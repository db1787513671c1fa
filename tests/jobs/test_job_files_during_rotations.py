"""Files are written while the data keys of all tenants are rotated, and read afterwards."""

import json
from collections.abc import Callable
from threading import Event, Thread
from typing import Any
from uuid import UUID

from flask import Flask
from job_kinds import job_of
from members import AsMember, MakeTenant, Member
from tenant_databases import TIERS, ask_in

from trially import create_app
from trially.auth.roles import Role
from trially.config import Settings
from trially.jobs.files import DATA_KEY_MARK
from trially.state import state_of

BODY = json.dumps({"resourceType": "Patient", "id": "p1", "gender": "female"}).encode() + b"\n"
ASYNC = {"Prefer": "respond-async, wait=10", "Content-Type": "application/ndjson"}


def send(member: Member) -> Any:
    return member.post("/imports", data=BODY, headers=ASYNC, query_string={"source": "epic"})


def versions_of_files(app: Flask, member: Member) -> set[int]:
    """Return the versions of the data key with which a tenant's stored files are encrypted."""
    place = member.tenant.placement.schema
    parts = ask_in(
        app,
        member.tenant,
        f"SELECT sealed FROM {place}.job_file_part WHERE tenant_id = %s",
        str(member.tenant.id),
    )
    return {int.from_bytes(bytes(part)[len(DATA_KEY_MARK) :][:4]) for (part,) in parts}


def test_files_that_are_written_during_rotations_are_read_after_them(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    run_jobs: Callable[[], int],
    settings: Settings,
) -> None:
    members = [as_member(make_tenant(tier), Role.OWNER) for tier in TIERS]
    sent = [(each, send(each)) for each in members]
    is_over = Event()

    def keep_sending(member: Member) -> None:
        while not is_over.is_set():
            sent.append((member, send(member)))

    threads = [Thread(target=keep_sending, args=(each,)) for each in members]
    for thread in threads:
        thread.start()
    other_process = create_app(settings).test_cli_runner()
    try:
        for _ in range(3):
            done = other_process.invoke(args=["keys", "rotate-data", "--all", "--older-than", "0"])
            assert done.exit_code == 0, done.output
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    for member in members:
        assert {1} <= versions_of_files(app, member) <= {1, 2, 3, 4}
        # This process reads the versions again, as it does within seconds.
        state_of(app).data_keys.forget(member.tenant.id)
    while run_jobs():
        pass
    later = [(each, send(each)) for each in members]
    assert [versions_of_files(app, each) for each in members] == [{4}] * len(members)
    while run_jobs():
        pass
    assert {answer.status_code for _, answer in sent} <= {202, 429}
    assert {answer.status_code for _, answer in later} == {202}
    for member, answer in [*sent, *later]:
        if answer.status_code == 202:
            job = job_of(app, member.tenant, UUID(answer.json["id"]))
            assert job["state"] == "done", job["error"]
