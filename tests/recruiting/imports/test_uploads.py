"""Uploads: their media types, their sizes, and what happens while they arrive."""

import gzip
import http.client
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flask import Flask
from gunicorn.http.errors import InvalidChunkSize
from werkzeug.serving import make_server

from tests.conftest import Member
from tests.recruiting.imports.importing import BUNDLE, NDJSON, upload
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.lifecycle.status import suspend_tenant

ENDLESS = gzip.compress(NDJSON + b"\n" * (64 << 20))


@pytest.mark.parametrize(
    ("kind", "body", "status", "detail"),
    [
        ("application/fhir+ndjson", b"", 400, "The body is empty."),
        (
            "application/x-www-form-urlencoded",
            NDJSON,
            415,
            "The media type must be one of application/",
        ),
        (
            "multipart/form-data; boundary=x",
            NDJSON,
            415,
            "The media type must be one of application/",
        ),
        ("", NDJSON, 415, "The media type must be one of application/"),
    ],
)
def test_a_body_of_the_wrong_type(
    member: Member, kind: str, body: bytes, status: int, detail: str
) -> None:
    response = upload(member, body, kind)

    assert response.status_code == status
    assert response.get_json()["detail"].startswith(detail)


@pytest.fixture
def limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = state_of(app).settings
    smaller = replace(settings, max_import_bytes=100_000, max_import_expanded_bytes=4_000_000)
    monkeypatch.setattr(state_of(app), "settings", smaller)


@pytest.mark.usefixtures("limit")
def test_a_body_that_is_too_large(member: Member) -> None:
    response = upload(member, b"x" * 100_001)

    assert response.status_code == 413
    assert response.get_json()["detail"] == "The body must not be larger than 100000 bytes."


@pytest.mark.usefixtures("limit")
def test_a_body_that_is_too_large_when_unpacked(member: Member) -> None:
    answer = upload(member, ENDLESS)

    job = member.get(answer.headers["Location"]).json
    assert (answer.status_code, answer.json["code"]) == (422, "import_limit_exceeded")
    assert job["failure"] == answer.json["detail"]
    assert job["failure"].startswith("The input is larger than 4,000,000 bytes when unpacked.")
    assert job["state"] == "failed"


class Upload(io.BytesIO):
    """A body that calls a function while the server reads it."""

    def __init__(self, on_read: Callable[[], object]) -> None:
        super().__init__(NDJSON)
        self._on_read = on_read

    def readinto(self, *arguments: Any) -> int:
        self._on_read()
        return super().readinto(*arguments)

    def send(self, member: Member) -> Any:
        return member.post(
            "/imports?source=fhir",
            input_stream=self,
            content_length=len(NDJSON),
            content_type="application/fhir+ndjson",
        )


def test_no_transaction_is_open_during_the_upload(member: Member) -> None:
    seen: list[bool] = []

    response = Upload(lambda: seen.append(db.session.registry().in_transaction())).send(member)

    assert response.status_code == 201
    assert set(seen) == {False}


def test_a_tenant_suspended_during_the_upload_is_rejected(member: Member, app: Flask) -> None:
    def suspend() -> None:
        with app.app_context():
            if not suspended:
                suspended.append(suspend_tenant(member.tenant.slug))

    suspended: list[object] = []

    assert Upload(suspend).send(member).status_code == 403


def test_an_upload_that_cannot_be_read_is_a_bad_request(member: Member) -> None:
    def break_off() -> None:
        raise InvalidChunkSize(b"zz")

    assert Upload(break_off).send(member).status_code == 400
    assert member.get("/imports").json["data"] == []


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """The port of a live server."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("limit")
@pytest.mark.parametrize(("chunks", "status"), [(1, 201), (200, 413)])
def test_an_upload_in_chunks(member: Member, port: int, chunks: int, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    connection.request(
        "POST",
        "/api/v1/imports?source=fhir",
        body=iter([NDJSON] * chunks),
        headers={
            "Authorization": f"Bearer {member.token}",
            "Content-Type": "application/fhir+ndjson",
        },
        encode_chunked=True,
    )
    answer = connection.getresponse()
    answered = orjson.loads(answer.read())
    connection.close()

    assert answer.status == status
    assert "counts" in answered or answered["type"] == "/problems/content-too-large"


def test_a_body_shorter_than_its_content_length_is_rejected(member: Member) -> None:
    environ = {"CONTENT_LENGTH": str(len(BUNDLE) + 1), "wsgi.input_terminated": True}
    before = member.get("/imports").json["data"]

    response = member.post(
        "/imports?source=fhir",
        input_stream=io.BytesIO(BUNDLE),
        content_type="application/fhir+json",
        environ_overrides=environ,
    )

    assert (response.status_code, response.json["detail"]) == (
        400,
        "The body is shorter than its Content-Length.",
    )
    assert member.get("/imports").json["data"] == before
