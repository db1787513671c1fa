"""`/imports` over HTTP."""

import gzip
import http.client
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import orjson
import pytest
from flask import Flask
from gunicorn.http.errors import InvalidChunkSize
from werkzeug.serving import make_server

from tests.conftest import AsMember, Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import Importer, write_ndjson
from tests.recruiting.imports.reading.files import bundle
from trially.auth.permissions import Role
from trially.database.session import db
from trially.recruiting.imports import routes
from trially.recruiting.imports.import_run import ImportTakenOverError
from trially.state import state_of
from trially.tenancy.lifecycle.status import suspend_tenant

NDJSON = write_ndjson(make_patient(1), make_observation(1, 1))
BUNDLE = orjson.dumps(bundle({"resource": make_patient(1)}, {"resource": make_observation(1, 1)}))
ENDLESS = gzip.compress(NDJSON + b"\n" * (64 << 20))


def send(
    member: Member, body: bytes, kind: str = "application/fhir+ndjson", query: str = ""
) -> Any:
    return member.post(f"/imports{query}", data=body, content_type=kind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/fhir+json", BUNDLE),
        ("application/json", BUNDLE),
        ("application/fhir+ndjson", NDJSON),
        ("application/x-ndjson", NDJSON),
        ("application/gzip", gzip.compress(NDJSON)),
        ("application/octet-stream", gzip.compress(BUNDLE)),
        ("application/fhir+json; charset=utf-8", BUNDLE),
    ],
)
def test_an_upload_is_imported(member: Member, kind: str, body: bytes) -> None:
    response = send(member, body, kind)

    job = response.get_json()
    assert response.status_code == 201
    for name in ("id", "created_at", "updated_at", "ended_at"):
        assert job.pop(name)
    assert job == {
        "source": "fhir",
        "state": "done",
        "strict": False,
        "counts": {
            "Patient": {"read": 1, "new": 1, "changed": 0, "entered_in_error": 0},
            "Observation": {"read": 1, "new": 1, "changed": 0, "entered_in_error": 0},
        },
        "passed_over": {},
        "error_count": 0,
        "failure": None,
        "started_by": member.subject,
    }


def test_a_content_encoding_is_what_the_bytes_are(member: Member) -> None:
    response = member.post(
        "/imports",
        data=gzip.compress(BUNDLE),
        content_type="application/fhir+json",
        headers={"Content-Encoding": "gzip"},
    )

    assert response.get_json()["counts"]["Patient"]["new"] == 1


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
def test_a_body_of_the_wrong_kind(
    member: Member, kind: str, body: bytes, status: int, detail: str
) -> None:
    response = send(member, body, kind)

    assert response.status_code == status
    assert response.get_json()["detail"].startswith(detail)


@pytest.fixture
def limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = state_of(app).settings
    smaller = replace(settings, max_import_bytes=100_000, max_import_expanded_bytes=4_000_000)
    monkeypatch.setattr(state_of(app), "settings", smaller)


@pytest.mark.usefixtures("limit")
def test_a_body_that_is_too_large(member: Member) -> None:
    response = send(member, b"x" * 100_001)

    assert response.status_code == 413
    assert response.get_json()["detail"] == "The body must not be larger than 100000 bytes."


@pytest.mark.usefixtures("limit")
def test_a_bomb_is_not_unpacked_to_its_end(member: Member) -> None:
    job = send(member, ENDLESS).get_json()

    errors = member.get(f"/imports/{job['id']}/errors").get_json()["data"]
    assert job["counts"]["Observation"]["new"] == 1
    assert [error["reason"] for error in errors] == [
        "The file is larger than 4,000,000 bytes when unpacked. The rest was not imported."
    ]


def test_strict_answers_with_the_failed_import(member: Member) -> None:
    response = send(member, write_ndjson(make_patient(1), b"{"), query="?strict=true&source=north")

    job = response.get_json()
    assert response.status_code == 201
    assert (job["state"], job["source"]) == ("failed", "north")
    assert job["failure"] == "upload, line 2: The content is not valid JSON."
    assert member.get("/patients").get_json()["data"] == []


def test_imports_and_their_errors_are_listed_a_page_at_a_time(member: Member) -> None:
    first = send(member, NDJSON).get_json()
    second = send(member, write_ndjson(make_patient(2), *[b"{"] * 3)).get_json()

    listed = member.get("/imports").get_json()["data"]
    done = member.get("/imports?state=failed").get_json()["data"]
    page = member.get(f"/imports/{second['id']}/errors?limit=2").get_json()
    rest = member.get(f"/imports/{second['id']}/errors?limit=2&cursor={page['page']['next']}")

    assert listed == [second, first]
    assert done == []
    assert member.get(f"/imports/{first['id']}").get_json() == first
    assert [error["line"] for error in page["data"]] == [2, 3]
    errors = rest.get_json()["data"]
    assert errors[0].pop("id")
    assert errors == [
        {"file": "upload", "line": 4, "reason": "The content is not valid JSON.", "pointer": None}
    ]


def test_imports_of_another_tenant_are_not_there(
    member: Member, make_tenant: Any, as_member: AsMember
) -> None:
    job = send(member, NDJSON).get_json()
    other = as_member(make_tenant())

    assert other.get(f"/imports/{job['id']}").status_code == 404
    assert other.get(f"/imports/{job['id']}/errors").status_code == 404


def test_a_viewer_may_not_import(importer: Importer, as_member: AsMember) -> None:
    viewer = as_member(importer.tenant, Role.VIEWER)

    assert send(viewer, NDJSON).status_code == 403
    assert importer.query("SELECT 1 FROM import_job") == []


class Upload(io.BytesIO):
    """A body during whose arrival something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__(NDJSON)
        self._happens = happens

    def readinto(self, *arguments: Any) -> int:
        self._happens()
        return super().readinto(*arguments)

    def send(self, member: Member) -> Any:
        return member.post(
            "/imports",
            input_stream=self,
            content_length=len(NDJSON),
            content_type="application/fhir+ndjson",
        )


def test_no_transaction_waits_for_the_upload(member: Member) -> None:
    seen: list[bool] = []

    response = Upload(lambda: seen.append(db.session.registry().in_transaction())).send(member)

    assert response.status_code == 201
    assert set(seen) == {False}


def test_a_tenant_suspended_during_the_upload_is_refused(member: Member, app: Flask) -> None:
    def suspend() -> None:
        with app.app_context():
            if not suspended:
                suspended.append(suspend_tenant(member.tenant.slug))

    suspended: list[object] = []

    assert Upload(suspend).send(member).status_code == 403


def test_an_upload_that_cannot_be_read_is_the_clients_fault(member: Member) -> None:
    def break_off() -> None:
        raise InvalidChunkSize(b"zz")

    assert Upload(break_off).send(member).status_code == 400
    assert member.get("/imports").json["data"] == []


def test_an_import_cannot_change_patients_entered_by_hand(member: Member) -> None:
    name = {"given_name": "Ada", "family_name": "Example"}
    body = {"mrn": "M", "birth_date": "1960-05-17", "sex": "female", **name}
    patient = member.post("/patients", json=body).json
    line = {"resourceType": "Patient", "id": patient["id"], "name": [{"family": "Changed"}]}

    answer = send(member, orjson.dumps(line), query="?source=manual")

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json["errors"]] == ["/source"]
    assert member.get(f"/patients/{patient['id']}").json == patient


def test_an_import_that_another_process_continues_is_a_conflict(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_taken_over(*_arguments: Any, **_options: Any) -> None:
        raise ImportTakenOverError("This import was started again.")

    monkeypatch.setattr(routes, "run_import", be_taken_over)

    response = send(member, NDJSON)

    assert response.status_code == 409
    assert response.get_json()["detail"] == "This import was started again."


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
        "/api/v1/imports",
        body=iter([NDJSON] * chunks),
        headers={
            "Authorization": f"Bearer {member.token}",
            "Content-Type": "application/fhir+ndjson",
        },
        encode_chunked=True,
    )
    answer = connection.getresponse()
    found = orjson.loads(answer.read())
    connection.close()

    assert answer.status == status
    assert "counts" in found or found["type"] == "/problems/content-too-large"


def test_a_body_that_ends_too_soon_is_refused(member):
    environ = {"CONTENT_LENGTH": str(len(BUNDLE) + 1), "wsgi.input_terminated": True}
    before = member.get("/imports").json["data"]

    response = member.post(
        "/imports",
        input_stream=BytesIO(BUNDLE),
        content_type="application/fhir+json",
        environ_overrides=environ,
    )

    assert (response.status_code, response.json["detail"]) == (
        400,
        "The body is shorter than its Content-Length.",
    )
    assert member.get("/imports").json["data"] == before
