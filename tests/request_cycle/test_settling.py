"""Settling: a success is committed, an error is rolled back, and no transaction waits."""

import io
import logging
from typing import Any

import pytest
from cycle_views import CANARY, ReplaceView, sites
from flask import Flask, Response, abort
from members import Member
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from trially.auth.permissions import public
from trially.database.rows import insert_item
from trially.database.session import db
from trially.recruiting.sites.model import Site
from trially.request_state import request_state


def test_a_success_is_committed(member: Member, answer_me_with: ReplaceView) -> None:
    def add() -> Response:
        insert_item(Site, {"name": "kept"}, ["id"])
        return Response(status=204)

    answer_me_with(add)

    assert member.get("/me").status_code == 204
    assert sites(member) == ["kept"]


@pytest.mark.parametrize("ending", ["abort", "response", "crash"])
def test_an_error_is_rolled_back(member: Member, answer_me_with: ReplaceView, ending: str) -> None:
    def add() -> Response:
        insert_item(Site, {"name": "lost"}, ["id"])
        if ending == "abort":
            abort(409)
        if ending == "crash":
            raise RuntimeError(CANARY)
        return Response(status=422)

    answer_me_with(add)

    assert member.get("/me").status_code >= 400
    assert sites(member) == []


def test_a_crash_discloses_nothing(
    member: Member, answer_me_with: ReplaceView, caplog: pytest.LogCaptureFixture
) -> None:
    def crash() -> None:
        raise ValueError(CANARY)

    answer_me_with(crash)

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


def test_a_failed_commit_is_an_internal_error(
    member: Member, answer_me_with: ReplaceView, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poison() -> Response:
        try:
            db.session.execute(text("SELECT 1/0"))
        except DBAPIError:
            return Response("all is well")
        raise AssertionError

    answer_me_with(poison)

    answer = member.get("/me")
    assert answer.status_code == 500
    assert "well" not in answer.text
    assert member.get("/sites").status_code == 200


class SlowBody(io.BytesIO):
    """A body that is read byte by byte, and records at each read whether a transaction is open."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.was_in_transaction: list[bool] = []

    def readinto(self, room: Any) -> int:
        self.was_in_transaction.append(db.session.registry().in_transaction())
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
    assert len(body.was_in_transaction) >= 16
    assert not any(body.was_in_transaction)


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
