"""What a tenant was told before a real move stays true, and what it does meanwhile goes on."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from moved_tenants import at, left_behind, placements_of, writable_sides
from poolers import Pooler

from trially.auth.roles import Role
from trially.http.read_after import HEADER as READ_AFTER
from trially.jobs.worker import Worker
from trially.recruiting.imports.writing import batches
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant

OPTIONS = MoveOptions(max_pause=5, give_up_seconds=60)
POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA
PAIRS = ((POOLED, DEDICATED), (DEDICATED, SCHEMA), (SCHEMA, POOLED))
MOST_SECONDS = 60.0
NDJSON = {"Content-Type": "application/ndjson"}
LINES_OF_A_JOB = 60
SECONDS_OF_A_LINE = 0.02

pytestmark = pytest.mark.parametrize(("here", "there"), PAIRS)


@pytest.fixture
def owner(make_tenant: MakeTenant, as_member: AsMember, here: Tier) -> Member:
    return as_member(make_tenant(here), Role.OWNER)


def patient(number: int) -> bytes:
    """Return a line of an import."""
    resource = {"resourceType": "Patient", "id": f"p{number}", "gender": "female"}
    return json.dumps({**resource, "birthDate": "1961-07-23"}).encode() + b"\n"


def assert_moved(app: Flask, member: Member, there: Tier) -> None:
    active = placements_of(app, member.tenant.id)[0]
    assert active.tier == there
    assert [each.id for each in writable_sides(app, member.tenant.id)] == [active.id]
    assert left_behind(app, member.tenant.id) == []


def test_answers_of_before_are_valid_after_the_move(app: Flask, owner: Member, there: Tier) -> None:
    key = {"Idempotency-Key": "before-the-move"}
    created = owner.post("/sites", json={"name": "one"}, headers=key)
    owner.post("/sites", json={"name": "two"})
    path = created.headers["Location"]
    shown, page = owner.get(path), owner.get("/sites?limit=1")

    with app.app_context():
        move_tenant(owner.tenant.slug, there, None, OPTIONS)

    assert_moved(app, owner, there)
    replayed = owner.post("/sites", json={"name": "one"}, headers=key)
    assert (replayed.status_code, replayed.data) == (201, created.data)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    other = owner.post("/sites", json={"name": "other"}, headers=key)
    assert other.json["code"] == "idempotency_key_reused"
    following = owner.get(f"/sites?limit=1&cursor={page.json['page']['next']}")
    assert following.status_code == 200
    assert {each["name"] for each in (*page.json["data"], *following.json["data"])} == {
        "one",
        "two",
    }
    same = owner.get(path, headers={"If-None-Match": shown.headers["ETag"]})
    assert same.status_code == 304
    if READ_AFTER in created.headers:
        after = owner.get(path, headers={READ_AFTER: created.headers[READ_AFTER]})
        assert after.status_code == 200


class SlowUpload:
    """A body of an upload that its client sends line by line until `stop` is called."""

    def __init__(self) -> None:
        self.lines = 0
        self._is_over = False
        self._body = self._make()
        self._left = b""

    def stop(self) -> None:
        """Let the upload end after some more lines."""
        self._is_over = True

    def read(self, size: int = -1) -> bytes:
        """Return at most one line, or nothing at the end."""
        chunk = self._left or next(self._body, b"")
        if size < 0:
            return chunk + b"".join(self._body)
        self._left = chunk[size:]
        return chunk[:size]

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)

    def _make(self) -> Iterator[bytes]:
        for after in itertools.count():
            if self._is_over and after % 5 == 0:
                return
            self.lines += 1
            time.sleep(SECONDS_OF_A_LINE)
            yield patient(self.lines)


def test_an_upload_that_streams_during_the_switch_is_imported_once(
    app: Flask, owner: Member, there: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 3)
    upload = SlowUpload()

    def send() -> Any:
        return owner.through(app).request(
            "POST",
            "/imports?source=stream",
            headers={**NDJSON, "Transfer-Encoding": "chunked"},
            environ_overrides={
                "wsgi.input": upload,
                "wsgi.input_terminated": True,
                "CONTENT_LENGTH": "",
            },
        )

    with ThreadPoolExecutor(1) as threads, app.app_context():
        sending: list[Future[Any]] = []
        try:
            with at("copy", lambda: sending.append(threads.submit(send))):
                move_tenant(owner.tenant.slug, there, None, OPTIONS)
        finally:
            upload.stop()
        answer = sending[0].result(MOST_SECONDS)

    assert answer.status_code in (200, 201), answer.json
    assert answer.json["counts"]["Patient"]["new"] == upload.lines
    assert owner.get("/patients/count").json["count"] == upload.lines
    assert_moved(app, owner, there)


def test_jobs_of_each_kind_go_on_after_the_switch(
    app: Flask, owner: Member, there: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 3)
    body = b"".join(map(patient, range(LINES_OF_A_JOB)))
    sent = owner.post(
        "/imports?source=job", data=body, headers={**NDJSON, "Prefer": "respond-async"}
    )
    export = owner.post("/exports", json={"parts": ["csv"]})
    assert (sent.status_code, export.status_code) == (202, 201)
    worker = Worker(app, threads=1)

    with ThreadPoolExecutor(1) as threads, app.app_context():
        running: list[Future[int]] = []
        with at("copy", lambda: running.append(threads.submit(worker.run_due))):
            move_tenant(owner.tenant.slug, there, None, OPTIONS)
        running[0].result(MOST_SECONDS)
        worker.run_due()

    assert_moved(app, owner, there)
    for asked in (sent, export):
        job = owner.get(f"/jobs/{asked.json['id']}").json
        assert (job["state"], job["error"]) == ("done", None)
    assert owner.get("/patients/count").json["count"] == LINES_OF_A_JOB
    archive = owner.get(export.headers["Location"], headers={"Accept": "application/zip"})
    assert archive.headers["Content-Disposition"] == "attachment"


def test_a_tenant_moves_while_its_requests_go_through_a_pooler(
    app: Flask,
    pooled_app: Flask,
    pooler: Pooler,
    owner: Member,
    there: Tier,
) -> None:
    pooler.learn_roles()
    member = owner.through(pooled_app)
    key = {"Idempotency-Key": "through-the-pooler"}
    assert member.post("/sites", json={"name": "before"}, headers=key).status_code == 201
    is_over: list[bool] = []

    def write() -> list[int]:
        statuses: list[int] = []
        while not (statuses and is_over):
            name = f"site {len(statuses)}"
            statuses.append(member.post("/sites", json={"name": name}).status_code)
        return statuses

    with ThreadPoolExecutor(1) as threads, app.app_context():
        writing: list[Future[list[int]]] = []

        def begin() -> None:
            pooler.learn_roles()
            writing.append(threads.submit(write))

        try:
            with at("copy", begin):
                move_tenant(owner.tenant.slug, there, None, OPTIONS)
        finally:
            is_over.append(True)
        statuses = writing[0].result(MOST_SECONDS)

    assert set(statuses) == {201}
    assert len(member.get("/sites?limit=100").json["data"]) >= min(100, len(statuses) + 1)
    replayed = member.post("/sites", json={"name": "before"}, headers=key)
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert_moved(app, owner, there)
