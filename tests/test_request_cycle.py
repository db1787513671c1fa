"""The request cycle: what is committed, what is rolled back, and what a fault is answered with."""

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from flask import Flask, Response, abort
from members import Member
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, OperationalError

from trially.auth.permissions import Permission, public, requires
from trially.database.rows import insert_item
from trially.database.session import db
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.sites.model import Site
from trially.request_cycle import database_errors
from trially.state import request_state, state_of
from trially.tenancy.context import current_tenant
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.servers.access import server_access

CANARY = "Ada Canary 4711"


@pytest.fixture
def as_me(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Answer GET /me with another view."""

    def replace_view(view: Callable[[], Any]) -> None:
        guarded = requires(Permission.ME_READ)(lambda: view())
        monkeypatch.setitem(app.view_functions, "me.show_me", guarded)

    return replace_view


def sites(member: Member) -> list[str]:
    return [site["name"] for site in member.get("/sites").json["data"]]


def test_what_a_view_did_is_committed(member: Member, as_me: Callable[..., None]) -> None:
    def add() -> Response:
        insert_item(Site, {"name": "kept"}, ["id"])
        return Response(status=204)

    as_me(add)

    assert member.get("/me").status_code == 204
    assert sites(member) == ["kept"]


@pytest.mark.parametrize("ending", ["abort", "response", "crash"])
def test_what_a_view_did_before_an_error_is_rolled_back(
    member: Member, as_me: Callable[..., None], ending: str
) -> None:
    def add() -> Response:
        insert_item(Site, {"name": "lost"}, ["id"])
        if ending == "abort":
            abort(409)
        if ending == "crash":
            raise RuntimeError(CANARY)
        return Response(status=422)

    as_me(add)

    assert member.get("/me").status_code >= 400
    assert sites(member) == []


def test_a_crash_is_a_problem_without_a_word_of_it(
    member: Member, as_me: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def crash() -> None:
        raise ValueError(CANARY)

    as_me(crash)

    with caplog.at_level(logging.DEBUG):
        answer = member.get("/me", headers={"X-Request-ID": "r-1"})

    assert answer.status_code == 500
    assert answer.json == {
        "type": "/problems/internal-error",
        "code": "internal_error",
        "title": "Internal error",
        "status": 500,
        "detail": "The server failed to answer this request.",
        "request_id": "r-1",
    }
    assert CANARY not in caplog.text
    assert "r-1" in caplog.text


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("SELECT 1/0", 500),
        ("SELECT * FROM nowhere_at_all", 500),
        ("SELECT 'Ada Canary 4711'::int", 422),
        ("SELECT '2024-13-01'::date", 422),
        ("SELECT 99999999999999::int", 422),
        ("INSERT INTO site (tenant_id, id) SELECT tenant_id, id FROM member", 422),
        (
            "UPDATE site SET status = 'Ada Canary 4711'",
            422,
        ),
        (
            "UPDATE site SET name = repeat('Ada Canary 4711', 99)",
            422,
        ),
        ("INSERT INTO member SELECT * FROM member", 409),
        ("SELECT 1 FROM pg_sleep(9)", 503),
        ("CREATE TABLE mine (a int)", 500),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("DO $$ BEGIN RAISE EXCEPTION 'Ada Canary 4711' USING ERRCODE = '40001'; END $$", 503),
    ],
)
def test_faults_in_sql_leak_nothing(
    shared_member: Member,
    as_me: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    sql: str,
    status: int,
) -> None:
    def ask() -> Response:
        insert_item(Site, {"name": "lost"}, ["id"])
        db.session.execute(text("SET LOCAL statement_timeout = 100"))
        db.session.execute(text(sql))
        return Response(status=204)

    as_me(ask)

    with caplog.at_level(logging.DEBUG):
        answer = shared_member.get("/me")

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    for leaked in (CANARY, "SELECT", "site", "member", "psycopg", "t_", "pk_"):
        assert leaked not in answer.json["detail"]
    assert CANARY not in answer.text + caplog.text
    assert sites(shared_member) == []


def test_a_commit_that_fails_is_answered_as_what_it_was(
    member: Member, as_me: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poison() -> Response:
        try:
            db.session.execute(text("SELECT 1/0"))
        except DBAPIError:
            return Response("all is well")
        raise AssertionError

    as_me(poison)

    answer = member.get("/me")
    assert answer.status_code == 500
    assert "well" not in answer.text
    assert member.get("/sites").status_code == 200


def test_a_record_needs_its_patient(member: Member, as_me: Callable[..., None]) -> None:
    def add() -> Response:
        values = {
            "tenant_id": current_tenant().tenant_id,
            "patient_id": UUID(int=1),
            "type": "observation",
            "source": CANARY,
            "source_type": "x",
            "source_id": "x",
            "content_hash": b"",
        }
        db.session.execute(insert(ClinicalFact).values(values))
        return Response(status=204)

    as_me(add)

    answer = member.get("/me")
    assert answer.status_code == 409
    assert answer.json["detail"] == "Other records still reference this one."


def test_a_stale_placement_is_looked_up_again(app: Flask, member: Member) -> None:
    assert member.get("/me").status_code == 200
    known = state_of(app).directory._known
    slug = member.tenant.slug
    before = known.get(slug)
    known.put(slug, replace(before, placement=replace(before.placement, epoch=-1)))

    assert member.post("/sites", json={"name": "once"}).status_code == 201

    assert known.get(slug).placement.epoch > 0
    assert sites(member) == ["once"]


def test_a_placement_that_stays_stale_is_unavailable(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        entry = directory().find(member.tenant.slug)
    stale = replace(entry, placement=replace(entry.placement, epoch=-1))
    monkeypatch.setattr("trially.tenancy.directory._look_up", lambda _reference: stale)
    with app.app_context():
        directory().forget(member.tenant.id)

    answer = member.get("/me")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    monkeypatch.undo()
    with app.app_context():
        directory().forget(member.tenant.id)
    assert member.get("/me").status_code == 200


class SlowBody(io.BytesIO):
    """A body that notes, whenever some of it is read, whether a transaction is open."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.waited: list[bool] = []

    def readinto(self, room: Any) -> int:
        self.waited.append(db.session.registry().in_transaction())
        return super().readinto(memoryview(room)[:1])


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}])
def test_no_transaction_waits_for_a_slow_body(member: Member, headers: dict[str, str]) -> None:
    body = SlowBody(b'{"name": "Main"}')

    answer = member.post(
        "/sites",
        input_stream=body,
        content_length=16,
        content_type="application/json",
        headers=headers,
    )

    assert answer.status_code == 201
    assert len(body.waited) >= 16
    assert not any(body.waited)


def test_a_suspended_tenant_is_refused_at_once(app: Flask, member: Member) -> None:
    assert member.get("/me").status_code == 200
    known = state_of(app).directory._known
    before = known.get(member.tenant.slug)
    with app.app_context():
        suspend_tenant(member.tenant.slug)
    # A worker that has not heard of it asks the guard.
    known.put(member.tenant.slug, before)

    answer = member.get("/me")

    assert answer.status_code == 403
    assert answer.json["detail"] == "You have no access to this tenant."
    with app.app_context():
        resume_tenant(member.tenant.slug)
        directory().forget(member.tenant.id)
    assert member.get("/me").status_code == 200


def test_a_lost_connection_costs_one_request_at_most(app: Flask, member: Member) -> None:
    assert member.get("/me").status_code == 200
    with app.app_context():
        database = directory().find(member.tenant.slug).placement.url.database
        with server_access().administer() as raw, raw.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name = 'trially'",
                [database],
            )
            assert cursor.fetchone()[0] > 0

    assert member.get("/me").status_code in {200, 503}
    assert member.get("/me").status_code == 200


def test_without_a_catalog_a_tenant_cannot_be_found_for_a_moment(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, psycopg2.OperationalError(CANARY))

    monkeypatch.setattr("trially.tenancy.directory.reader_engine", away)
    with app.app_context():
        directory().forget(member.tenant.id)

    answer = member.get("/me")

    assert answer.status_code == 503
    assert answer.json["detail"] == "The database is temporarily unavailable."
    assert CANARY not in answer.text
    monkeypatch.undo()
    assert member.get("/me").status_code == 200


def test_a_public_view_has_no_tenant(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look() -> Response:
        seen.append((request_state().identity, request_state().placement))
        return Response(status=204)

    monkeypatch.setitem(app.view_functions, "me.show_me", public(look))

    assert member.get("/me").status_code == 204
    assert seen == [(None, None)]


def test_errors_without_a_database_are_unavailable(app: Flask) -> None:
    for driver_error in (psycopg2.OperationalError(CANARY), psycopg2.InterfaceError(CANARY)):
        error = DBAPIError.instance("SELECT 1", {}, driver_error, psycopg2.Error)
        assert isinstance(error, DBAPIError)
        with app.test_request_context():
            answer = database_errors._render_database_error(error)
        assert answer.status_code == 503
        assert CANARY not in answer.get_data(as_text=True)
