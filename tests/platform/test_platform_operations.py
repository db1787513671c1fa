"""Operations of the platform API: once for each key, recorded, cancelled, resumed after a crash."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from operator_records import Records
from platform_clients import Operator, never
from sqlalchemy import select, text, update

from trially.auth.platform.commands import mint_token
from trially.auth.platform.permissions import PlatformPermission
from trially.platform import kinds
from trially.platform.carrying_out import carry_out
from trially.platform.kinds import Kind, Outcome
from trially.state import state_of
from trially.tenancy.catalog import Operation, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.lifecycle import operations, provisioning
from trially.tenancy.operators.managing import add_operator
from trially.tenancy.operators.model import PlatformRole
from trially.tenancy.tasks import asking
from trially.tenancy.tasks.claiming import (
    KEPT_DAYS,
    MOST_ATTEMPTS,
    Claim,
    LeaseLostError,
    end_task,
    longest_wait,
    prune_tasks,
    renew_lease,
)
from trially.tenancy.tasks.lane import TaskLane
from trially.tenancy.tasks.model import PlatformTask, TaskState

Work = Callable[[], int]
ClaimNext = Callable[[], Claim | None]


def expire_lease(claim: Claim) -> None:
    with control_engine().begin() as catalog:
        past = text("UPDATE platform_task SET leased_until = now() - interval '1s' WHERE id = :id")
        catalog.execute(past, {"id": claim.task_id})


def keyed(key: str) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": key}}


def test_a_key_has_one_operation(admin: Operator, work: Work) -> None:
    body = {"slug": "keyed-one", "name": "Keyed", "tier": "pooled_rows"}

    first = admin.post("/tenants", json=body, **keyed("k1"))
    again = admin.post("/tenants", json=body, **keyed("k1"))

    assert first.json["id"] == again.json["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == again.headers["Location"]
    assert work() == 1
    # The slug is taken now. The same request is still answered with its operation.
    done = admin.post("/tenants", json=body, **keyed("k1"))
    assert (done.status_code, done.json["state"]) == (202, "done")
    assert admin.post("/tenants", json=body, **keyed("k2")).json["code"] == "already_exists"
    other = admin.post("/tenants", json={**body, "name": "Other"}, **keyed("k1"))
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert admin.post("/tenants", json=body, **keyed("no spaces")).status_code == 400


def test_operators_keys_are_their_own(
    operator_of: Callable[[PlatformRole], Operator], tenant: Tenant, work: Work
) -> None:
    ids = {
        operator_of(role).post(f"/tenants/{tenant.slug}/resume", **keyed("same")).json["id"]
        for role in (PlatformRole.ADMIN, PlatformRole.OPERATOR)
    }

    assert len(ids) == 2
    assert work() == 2


def test_what_is_asked_for_and_done_is_recorded_with_the_operator(
    app: Flask, admin: Operator, tenant: Tenant, work: Work, records: Records
) -> None:
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    name = f"platform_admin of {issuer.recorded_as}"

    answer = admin.post(f"/tenants/{tenant.slug}/suspend")
    work()

    noted = [each for each in records() if "sign-in" not in each["action"]]
    asked, start, *changes, end = [each for each in noted if each["actor"] == name]
    assert (asked["action"], asked["target"]) == ("ask for tenant.suspend", tenant.slug)
    assert asked["tenant_id"] == str(tenant.id)
    assert asked["written_by"].endswith("_reader")
    assert asked["details"]["issuer"] == issuer.recorded_as
    assert asked["details"]["subject"] == "platform_admin"
    assert asked["details"]["task"] == answer.json["id"]
    assert (start["stage"], start["action"]) == ("started", "platform tenant.suspend")
    assert (end["stage"], end["outcome"], end["started"]) == ("finished", "done", start["id"])
    assert {each["started"] for each in changes} == {start["id"]}
    [suspended] = [each for each in changes if each["action"] == "tenant update"]
    assert suspended["details"]["new"] == {"status": "suspended"}


def test_a_sign_in_is_recorded_once(app: Flask, records: Records, admin: Operator) -> None:
    state_of(app).sign_ins.forget(lambda _: True)

    for _ in range(3):
        admin.get("/me")

    deadline = time.monotonic() + 10
    while not records() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [each["action"] for each in records()] == ["platform sign-in"]


def test_what_waits_is_cancelled(admin: Operator, tenant: Tenant, work: Work) -> None:
    asked = admin.post(f"/tenants/{tenant.slug}/suspend")

    cancelled = admin.post(f"/operations/{asked.json['id']}/cancel")

    assert (cancelled.status_code, cancelled.json["is_cancelled"]) == (202, True)
    assert admin.post(f"/operations/{asked.json['id']}/cancel").status_code == 202
    assert work() == 0
    assert admin.operation(asked)["state"] == "cancelled"
    assert admin.get(f"/tenants/{tenant.slug}").json["status"] == "active"
    again = admin.post(f"/operations/{asked.json['id']}/cancel")
    assert (again.status_code, again.json["code"]) == (409, "operation_ended")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt`, whatever commands in this process have set."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture
def slow_suspension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a suspension take half a minute."""

    def sleep(*_: Any) -> Outcome:
        time.sleep(30)
        return Outcome({})

    slow = Kind("tenant.suspend", PlatformPermission.TENANTS_CHANGE, sleep)
    monkeypatch.setitem(kinds.KINDS, "tenant.suspend", slow)


@pytest.mark.usefixtures("slow_suspension", "interruptible")
def test_what_runs_is_interrupted(
    app: Flask, admin: Operator, tenant: Tenant, claim: ClaimNext
) -> None:
    asked = admin.post(f"/tenants/{tenant.slug}/suspend")
    claimed = claim()
    assert claimed is not None
    assert admin.operation(asked)["state"] == "running"
    admin.post(f"/operations/{asked.json['id']}/cancel")

    with app.app_context():
        ended = carry_out(claimed, partial(os.kill, os.getpid(), signal.SIGINT))

    assert ended is TaskState.CANCELLED
    assert admin.operation(asked)["state"] == "cancelled"


def test_who_may_no_longer_do_it_does_it_no_more(
    app: Flask, operator_of: Callable[[PlatformRole], Operator], tenant: Tenant, work: Work
) -> None:
    operator = operator_of(PlatformRole.OPERATOR)
    asked = operator.post(f"/tenants/{tenant.slug}/suspend")
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    with app.app_context():
        add_operator(issuer.recorded_as, PlatformRole.OPERATOR, PlatformRole.VIEWER)

    work()

    failed = operator.operation(asked)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "not_permitted")
    with app.app_context():
        mint_token(PlatformRole.OPERATOR)


def test_the_tasks_of_a_tenant_are_done_in_turn(
    admin: Operator, tenant: Tenant, claim: ClaimNext, app: Flask, work: Work
) -> None:
    first = admin.post(f"/tenants/{tenant.slug}/suspend")
    admin.post(f"/tenants/{tenant.slug}/resume")

    claimed = claim()

    assert claimed is not None
    assert str(claimed.task_id) == first.json["id"]
    assert claim() is None
    with app.app_context():
        carry_out(claimed, never)
    assert work() == 1
    assert admin.get(f"/tenants/{tenant.slug}").json["status"] == "active"


def test_a_worker_that_was_taken_for_dead_writes_nothing(
    app: Flask, admin: Operator, tenant: Tenant, claim: ClaimNext
) -> None:
    asked = admin.post(f"/tenants/{tenant.slug}/suspend")
    first = claim()
    assert first is not None
    with app.app_context():
        expire_lease(first)
    second = claim()
    assert second == Claim(first.task_id, 2)

    with app.app_context():
        end_task(first, TaskState.FAILED, error={"code": "late", "detail": "Too late."})
        with pytest.raises(LeaseLostError):
            renew_lease(first, None)
        assert admin.operation(asked)["state"] == "running"
        carry_out(second, never)

    assert (admin.operation(asked)["state"], admin.operation(asked)["attempts"]) == ("done", 2)


def test_what_no_process_ends_fails(
    app: Flask, admin: Operator, tenant: Tenant, claim: ClaimNext
) -> None:
    asked = admin.post(f"/tenants/{tenant.slug}/suspend")
    for _ in range(MOST_ATTEMPTS):
        claimed = claim()
        assert claimed is not None
        with app.app_context():
            expire_lease(claimed)

    assert claim() is None
    failed = admin.operation(asked)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "abandoned")


class Killed(BaseException):
    """In place of a signal that ends the process."""


def test_a_creation_that_was_interrupted_is_finished_and_not_begun_again(
    app: Flask, admin: Operator, claim: ClaimNext, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    body = {"slug": "interrupted", "name": "Interrupted", "tier": "own_schema", "owner": "ida"}
    asked = admin.post("/tenants", json=body)
    claimed = claim()
    assert claimed is not None
    with app.app_context(), monkeypatch.context() as patch:
        patch.setattr(operations, "_run", die)
        with pytest.raises(Killed):
            carry_out(claimed, never)
        expire_lease(claimed)
    lifecycle = admin.operation(asked)["lifecycle"]
    assert (lifecycle["kind"], lifecycle["state"]) == ("provision", "running")

    assert work() == 1

    done = admin.operation(asked)
    assert (done["state"], done["result"]["slug"], done["attempts"]) == ("done", "interrupted", 2)
    assert done["lifecycle"] == {**lifecycle, "state": "done", "step": "activate"}
    assert admin.get("/tenants/interrupted").json["status"] == "active"
    with app.app_context(), catalog_transaction() as session:
        tasks = session.scalars(
            select(Operation.task_id).where(Operation.tenant_slug == "interrupted")
        ).all()
    assert [str(each) for each in tasks] == [asked.json["id"]]


@pytest.fixture
def interrupted(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Let a command that creates a tenant die, and return the id of its operation."""

    def create(slug: str) -> str:
        def die(*_: object) -> None:
            raise Killed

        with app.app_context():
            options: Any = {"tier": Tier("own_schema"), "parameters": {"owner": "ida"}}
            with monkeypatch.context() as patch:
                patch.setattr(operations, "_run", die)
                with pytest.raises(Killed):
                    provisioning.create_tenant(slug, "Dead", **options)
            with catalog_transaction() as session:
                return str(
                    session.scalar(select(Operation.id).where(Operation.tenant_slug == slug))
                )

    return create


@pytest.mark.parametrize(("verb", "status"), [("resume", 200), ("cancel", 404)])
def test_an_operation_of_a_command_is_resumed_or_undone(
    admin: Operator, work: Work, interrupted: Callable[[str], str], verb: str, status: int
) -> None:
    slug = f"dead-{verb}"
    operation = interrupted(slug)
    shown = admin.get(f"/operations/{operation}").json
    assert (shown["origin"], shown["kind"], shown["state"]) == ("command", "provision", "running")

    answer = admin.post(f"/operations/{operation}/{verb}")
    work()

    assert answer.json["kind"] == {"resume": "operation.resume", "cancel": "operation.undo"}[verb]
    assert admin.operation(answer)["state"] == "done"
    assert admin.get(f"/tenants/{slug}").status_code == status
    ended = admin.post(f"/operations/{operation}/{verb}")
    assert (ended.status_code, ended.json["code"]) == (409, "operation_ended")


def test_a_change_of_what_has_changed_is_refused(
    admin: Operator, tenant: Tenant, work: Work
) -> None:
    path = f"/tenants/{tenant.slug}"
    etag = admin.get(path).headers["ETag"]
    seen = {"headers": {"If-Match": etag}}
    first = admin.patch(path, {"name": "First"}, **seen)
    second = admin.patch(path, {"name": "Second"}, **seen)
    work()

    assert admin.operation(first)["state"] == "done"
    failed = admin.operation(second)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "version_conflict")
    assert admin.get(path).json["name"] == "First"
    late = admin.patch(path, {"name": "Third"}, **seen)
    assert (late.status_code, late.json["code"]) == (412, "version_conflict")
    unnamed = admin.request(
        "PATCH", path, json={"name": "x"}, content_type="application/merge-patch+json"
    )
    assert (unnamed.status_code, unnamed.json["code"]) == (428, "if_match_required")
    unchanged = admin.get(path, headers={"If-None-Match": admin.get(path).headers["ETag"]})
    assert unchanged.status_code == 304


def test_old_operations_are_deleted(
    app: Flask, admin: Operator, tenant: Tenant, work: Work
) -> None:
    old = admin.post(f"/tenants/{tenant.slug}/resume")
    work()
    with app.app_context():
        with control_engine().begin() as catalog:
            ended = text(f"now() - interval '{KEPT_DAYS + 1} days'")
            catalog.execute(
                update(PlatformTask).where(PlatformTask.id == old.json["id"]).values(ended_at=ended)
            )
        prune_tasks()

    assert admin.get(f"/operations/{old.json['id']}").status_code == 404


def test_operations_are_listed_in_pages(admin: Operator, tenant: Tenant, work: Work) -> None:
    asked = [admin.post(f"/tenants/{tenant.slug}/resume").json["id"] for _ in range(3)]
    work()
    listed, query = [], f"tenant={tenant.slug}&kind=tenant.resume&limit=2"
    page = admin.get(f"/operations?{query}").json
    listed += page["data"]
    page = admin.get(f"/operations?{query}&cursor={page['page']['next']}").json
    listed += page["data"]

    assert [each["id"] for each in listed] == asked[::-1]
    assert page["page"] == {"next": None, "has_more": False}
    assert all("result" not in each for each in listed)
    assert admin.get("/operations?limit=201").status_code == 400
    assert admin.get("/operations?cursor=made.up").json["code"] == "invalid_cursor"


def test_a_process_of_its_own_carries_out_a_task(
    app: Flask, admin: Operator, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = state_of(app).settings
    url = state_of(app).servers["default"].administrator_url()
    for name, value in {
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DATABASE_URL": url.render_as_string(hide_password=False),
    }.items():
        monkeypatch.setenv(name, value)
    asked = admin.post(f"/tenants/{tenant.slug}/suspend")

    assert TaskLane(app).run_due() == 1

    assert admin.operation(asked)["state"] == "done", admin.operation(asked)
    assert admin.get(f"/tenants/{tenant.slug}").json["status"] == "suspended"


def test_no_more_wait_than_may(
    admin: Operator, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    monkeypatch.setattr(asking, "MOST_UNFINISHED", 1)
    path = f"/tenants/{tenant.slug}/resume"
    assert admin.post(path).status_code == 202

    refused = admin.post(path)

    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0
    assert work() == 1


def test_the_doctor_knows_what_waits_for_a_worker(app: Flask, admin: Operator, work: Work) -> None:
    work()
    with app.app_context():
        assert longest_wait() == 0
        asked = admin.post("/servers/default/resume")
        assert longest_wait() > 0
    work()
    assert admin.operation(asked)["state"] == "done"
