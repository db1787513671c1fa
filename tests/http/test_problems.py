"""Problems, on an app that has nothing else."""

import logging

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from marshmallow import ValidationError

from trially.http import problems, request_ids
from trially.http.problems import Conflict, Problem, to_pointers

SECRET = "Ada Lovelace, MRN 4711"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("tiny", static_folder=None)
    request_ids.init_app(app)
    problems.init_app(app)

    @app.get("/conflict")
    def conflict() -> None:
        raise Conflict("Taken.", errors=[{"pointer": "/a", "detail": "Taken."}])

    @app.get("/invalid")
    def invalid() -> None:
        raise ValidationError({"a/b~c": {0: {"_schema": ["Bad."]}}})

    @app.get("/crash")
    def crash() -> None:
        raise ZeroDivisionError(SECRET)

    @app.get("/abort/<int:status>")
    def give_up(status: int) -> None:
        abort(status)

    return app.test_client()


def test_a_problem_has_the_members_of_rfc_9457(client: FlaskClient) -> None:
    answer = client.get("/conflict", headers={"X-Request-ID": "r-1"})

    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.json == {
        "type": "/problems/conflict",
        "code": "conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Taken.",
        "request_id": "r-1",
        "errors": [{"pointer": "/a", "detail": "Taken."}],
    }


def test_pointers_are_escaped(client: FlaskClient) -> None:
    answer = client.get("/invalid")

    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "/a~1b~0c/0", "detail": "Bad."}]


def test_a_crash_tells_nothing(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/crash")

    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == "/problems/internal-error"
    for told in (answer.text, caplog.text):
        assert SECRET not in told
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert "in crash" in caplog.text


@pytest.mark.parametrize(
    ("status", "kind", "title"),
    [
        (400, "bad-request", "Bad request"),
        (404, "not-found", "Not found"),
        (413, "content-too-large", "Content too large"),
        (418, "i'm-a-teapot", "I'm a teapot"),
        (500, "internal-error", "Internal error"),
        (503, "service-unavailable", "Service unavailable"),
    ],
)
def test_errors_of_the_framework_look_like_ours(
    client: FlaskClient, status: int, kind: str, title: str
) -> None:
    answer = client.get(f"/abort/{status}")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert (answer.json["type"], answer.json["title"]) == (f"/problems/{kind}", title)


def test_unknown_paths_and_wrong_methods_are_problems(client: FlaskClient) -> None:
    unknown, wrong = client.get("/nowhere"), client.post("/conflict")

    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")
    assert (wrong.status_code, wrong.content_type) == (405, "application/problem+json")
    assert "GET" in wrong.headers["Allow"]


def test_every_kind_of_problem_has_its_own_status_and_type() -> None:
    kinds = [Problem, *Problem.__subclasses__()]

    assert len({kind.status for kind in kinds}) == len(kinds)
    assert len({kind.kind for kind in kinds}) == len(kinds)


def test_messages_become_pointers() -> None:
    messages = {"a": ["One.", "Two."], "b": {"c": {1: ["Three."]}}, "_schema": ["Four."]}

    assert list(to_pointers(messages)) == [
        {"pointer": "/a", "detail": "One."},
        {"pointer": "/a", "detail": "Two."},
        {"pointer": "/b/c/1", "detail": "Three."},
        {"pointer": "", "detail": "Four."},
    ]
