"""A request that is sent again with its Idempotency-Key has no second effect."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from flask import Flask
from members import AsMember, Member
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tenant_databases import as_tenant, ask_in

from trially.auth.members.managing import change_member
from trially.auth.roles import Role
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.context import tenant_context

MADE = ("Content-Type", "ETag")


def post(member: Member, key: str, path: str = "/sites", **body: Any) -> Any:
    return member.post(path, json=body, headers={"Idempotency-Key": key})


def names(member: Member) -> list[str]:
    return [site["name"] for site in member.get("/sites").json["data"]]


def test_a_request_sent_again_is_answered_as_before(member: Member) -> None:
    first = post(member, "k-1", name="Main")
    member.patch(f"/sites/{first.json['id']}", json={"city": "Bern"})
    second = post(member, "k-1", name="Main")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.data == second.data
    assert [first.headers[name] for name in MADE] == [second.headers[name] for name in MADE]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert names(member) == ["Main"]


def test_a_key_belongs_to_one_request(member: Member) -> None:
    post(member, "k-1", name="Main")

    answer = post(member, "k-1", name="Other")

    assert (answer.status_code, answer.json["type"]) == (422, "/problems/unprocessable-content")
    assert names(member) == ["Main"]
    study = post(member, "k-1", "/studies", protocol_number="P", title="X")
    assert "Idempotency-Replayed" not in study.headers
    assert study.status_code == 201


def test_a_key_belongs_to_one_member(member: Member, as_member: AsMember) -> None:
    other = as_member(member.tenant)

    answers = [post(each, "k-1", name=each.subject) for each in (member, other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(names(member)) == 2


def test_a_key_shows_no_patient_of_sites_that_are_the_members_no_longer(
    app: Flask, member: Member, as_member: AsMember
) -> None:
    here, there = (
        member.post("/sites", json={"name": name}).json["id"] for name in ("Here", "There")
    )
    moved = as_member(member.tenant, Role.COORDINATOR, site_ids=[UUID(here)])
    patient = {"mrn": "M", "given_name": "Ada", "family_name": "Example", "sex": "female"}
    body = {**patient, "birth_date": "1960-05-17", "site_id": here}
    first = post(moved, "k-1", "/patients", **body)
    again = post(moved, "k-1", "/patients", **body)
    with app.app_context(), tenant_context(str(member.tenant.id)):
        change_member(moved.subject, site_ids=[UUID(there)])
    state_of(app).identities.forget(lambda _: True)

    answer = post(moved, "k-1", "/patients", **body)

    assert (first.status_code, again.data) == (201, first.data)
    assert moved.get(f"/patients/{first.json['id']}").status_code == 404
    assert answer.status_code == 422
    assert "Example" not in answer.text


def test_a_refusal_leaves_its_key_free(member: Member) -> None:
    assert post(member, "k-1", name="").status_code == 422
    post(member, "k-0", name="Main")
    assert post(member, "k-2", name="Main").status_code == 409

    assert post(member, "k-1", name="Other").status_code == 201
    assert post(member, "k-2", name="Third").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "\t"])
def test_an_unusable_key_is_refused(shared_member: Member, key: str) -> None:
    answer = post(shared_member, key, name="never kept")

    assert answer.status_code == 400
    assert "never kept" not in names(shared_member)


def test_a_lost_answer_is_given_again(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = db.session.commit

    def commit_and_die() -> None:
        commit()
        raise OperationalError("COMMIT", {}, psycopg2.OperationalError("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", commit_and_die)
        assert post(member, "k-1", name="Main").status_code == 503
    answer = post(member, "k-1", name="Main")

    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")
    assert names(member) == ["Main"]


def test_a_commit_that_never_came_leaves_nothing(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise OperationalError("COMMIT", {}, psycopg2.OperationalError("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", die)
        assert post(member, "k-1", name="Main").status_code == 503
    answer = post(member, "k-1", name="Main")

    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers
    assert names(member) == ["Main"]


def test_while_the_first_is_at_work_the_second_is_told_so(app: Flask, member: Member) -> None:
    with as_tenant(app, member.tenant) as raw, raw.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(concat_ws(' ', tenant_id, id,"
            " 'POST /api/v1/sites')), hashtext('k-1')) FROM tenant.member WHERE subject = %s",
            [member.subject],
        )
        answer = post(member, "k-1", name="Main")
        cursor.execute("ROLLBACK")

    assert answer.status_code == 409
    assert int(answer.headers["Retry-After"]) >= 1
    assert post(member, "k-1", name="Main").status_code == 201


def test_many_at_once_have_one_effect(member: Member) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(member, "k-1", name="Main"), range(16)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.data for answer in made}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in made) == 1
    assert names(member) == ["Main"]


def test_keys_expire_and_are_cleared_away(app: Flask, member: Member) -> None:
    for number in range(3):
        post(member, f"k-{number}", name=f"Site {number}")
    ask_in(
        app,
        member.tenant,
        "UPDATE tenant.idempotency_key SET created_at = now() - interval '2 days' RETURNING 1",
    )

    answer = post(member, "k-1", name="Again")

    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers
    kept = ask_in(app, member.tenant, "SELECT key, status FROM tenant.idempotency_key")
    assert kept == [("k-1", 201)]


def test_a_request_at_work_for_too_long_is_ended(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = app.view_functions["sites.create_site"]

    def sleep(**_: Any) -> None:
        db.session.execute(text("SELECT pg_sleep(5)"))

    sleep.__dict__.update(view.__dict__)
    monkeypatch.setitem(app.view_functions, "sites.create_site", sleep)
    short_timeout = replace(state_of(app).settings, request_timeout_ms=100)
    monkeypatch.setattr(state_of(app), "settings", short_timeout)

    answer = post(member, "k-1", name="Main")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["detail"] == "The request took longer than it may."
