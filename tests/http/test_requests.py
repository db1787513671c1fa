"""The names of requests."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from trially.http import problems, request_ids


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("tiny", static_folder=None)
    request_ids.init_app(app)
    problems.init_app(app)
    app.get("/")(lambda: "here")
    return app.test_client()


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "0" * 64])
def test_a_usable_name_is_sent_back(client: FlaskClient, name: str) -> None:
    assert client.get("/", headers={"X-Request-ID": name}).headers["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", " ", "a b", "<script>", "0" * 65, "é", "a,b", 'a"b'])
def test_an_unusable_name_is_replaced(client: FlaskClient, name: str) -> None:
    sent_back = client.get("/", headers={"X-Request-ID": name}).headers["X-Request-ID"]

    assert sent_back != name
    assert len(sent_back) == 32


def test_names_are_not_given_twice(client: FlaskClient) -> None:
    assert len({client.get("/").headers["X-Request-ID"] for _ in range(50)}) == 50


def test_answers_are_neither_stored_nor_sniffed(client: FlaskClient) -> None:
    for path in ("/", "/nowhere"):
        headers = client.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
