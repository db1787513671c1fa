"""A request whose connection is lost before COMMIT is answered on another one."""

import pytest
from cycle_views import ReplaceView, sites
from flask import Flask, Response
from members import Member
from sqlalchemy import text
from tenant_databases import ask

from trially.auth.permissions import Permission, requires
from trially.database.rows import insert_item
from trially.database.session import db
from trially.recruiting.sites.model import Site


@pytest.fixture
def calls() -> list[int]:
    return []


def _terminate() -> None:
    db.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.parametrize("losses", [0, 1])
def test_a_lost_connection_is_replaced_once(
    member: Member, answer_me_with: ReplaceView, calls: list[int], losses: int
) -> None:
    def view() -> Response:
        calls.append(1)
        insert_item(Site, {"name": "once"}, ["id"])
        if len(calls) <= losses:
            _terminate()
        return Response(status=204)

    answer_me_with(view)

    assert member.get("/me").status_code == 204
    assert len(calls) == losses + 1
    assert sites(member) == ["once"]


def test_two_losses_are_a_503_that_names_the_cause(
    member: Member,
    answer_me_with: ReplaceView,
    calls: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def view() -> Response:
        calls.append(1)
        insert_item(Site, {"name": "never"}, ["id"])
        _terminate()
        raise AssertionError

    answer_me_with(view)

    answer = member.get("/me")

    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert len(calls) == 2
    (record,) = [each for each in caplog.records if hasattr(each, "bind_key")]
    assert record.code == "database_unavailable"
    assert record.bind_key.endswith(member.tenant.placement.database)
    assert sites(member) == []


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("POST", 1)])
def test_only_a_read_is_retried_if_its_connection_is_lost_at_commit(
    app: Flask,
    member: Member,
    calls: list[int],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    attempts: int,
) -> None:
    @requires(Permission.ME_READ)
    def view() -> Response:
        calls.append(1)
        if len(calls) > 1:
            return Response(status=204)
        insert_item(Site, {"name": "unknown"}, ["id"])
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
        ask(app, "SELECT pg_terminate_backend(%s, 5000)", pid)
        return Response(status=204)

    monkeypatch.setitem(app.view_functions, "me.show_me", view)
    monkeypatch.setitem(app.view_functions, "sites.create_site", view)

    answer = member.get("/me") if method == "GET" else member.post("/sites", json={"name": "a"})

    assert answer.status_code == (204 if attempts > 1 else 503)
    assert len(calls) == attempts
