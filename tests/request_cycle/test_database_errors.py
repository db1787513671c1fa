"""Errors of the database: each has its status, and no response or log line contains a value."""

import logging
from uuid import UUID

import psycopg2
import pytest
from cycle_views import CANARY, ReplaceView, sites
from flask import Flask, Response
from members import Member
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, OperationalError

from trially.database.rows import insert_item
from trially.database.session import db
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.sites.model import Site
from trially.request_cycle import database_errors
from trially.tenancy.context import current_tenant
from trially.tenancy.directory import directory
from trially.tenancy.servers.access import server_access


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("SELECT 1/0", 500),
        ("SELECT * FROM nowhere_at_all", 503),
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
        ("CREATE TABLE mine (a int)", 503),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("DO $$ BEGIN RAISE EXCEPTION 'Ada Canary 4711' USING ERRCODE = '40001'; END $$", 503),
    ],
)
def test_errors_in_sql_disclose_nothing(
    shared_member: Member,
    answer_me_with: ReplaceView,
    caplog: pytest.LogCaptureFixture,
    sql: str,
    status: int,
) -> None:
    def ask() -> Response:
        insert_item(Site, {"name": "lost"}, ["id"])
        db.session.execute(text("SET LOCAL statement_timeout = 100"))
        db.session.execute(text(sql))
        return Response(status=204)

    answer_me_with(ask)

    with caplog.at_level(logging.DEBUG):
        answer = shared_member.get("/me")

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    for leaked in (CANARY, "SELECT", "site", "member", "psycopg", "t_", "pk_"):
        assert leaked not in answer.json["detail"]
    assert CANARY not in answer.text + caplog.text
    assert sites(shared_member) == []


def test_a_missing_patient_is_a_conflict(member: Member, answer_me_with: ReplaceView) -> None:
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

    answer_me_with(add)

    answer = member.get("/me")
    assert answer.status_code == 409
    assert answer.json["detail"] == "Other records still reference this one."


def test_errors_without_a_database_are_unavailable(app: Flask) -> None:
    for driver_error in (psycopg2.OperationalError(CANARY), psycopg2.InterfaceError(CANARY)):
        error = DBAPIError.instance("SELECT 1", {}, driver_error, psycopg2.Error)
        assert isinstance(error, DBAPIError)
        with app.test_request_context():
            answer = database_errors._render_database_error(error)
        assert answer.status_code == 503
        assert CANARY not in answer.get_data(as_text=True)


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


def test_an_unavailable_catalog_is_a_503(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("SELECT", {}, psycopg2.OperationalError(CANARY))

    monkeypatch.setattr("trially.tenancy.directory.reader_engine", away)
    with app.app_context():
        directory().forget(member.tenant.id)

    answer = member.get("/me")

    assert answer.status_code == 503
    assert answer.json["code"] == "control_plane_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1
    assert CANARY not in answer.text
    monkeypatch.undo()
    assert member.get("/me").status_code == 200
