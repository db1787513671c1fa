"""An import goes on where its tenant is placed now, and nothing is written twice or lost."""

import gzip
import io
from typing import Any

import pytest
from flask import Flask
from moves import during_a_move, moving_after_each_commit, switch, switch_to_copy
from tenant_databases import ask, ask_in, placement_of
from werkzeug.test import TestResponse

from tests.conftest import AsMember, MakeTenant, Member
from tests.recruiting.imports.fhir_examples import make_patient
from tests.recruiting.imports.importing import upload, write_ndjson
from trially.recruiting.imports.running import ImportRun
from trially.recruiting.imports.writing import batches
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier

PATIENTS = 25
BODY = write_ndjson(*(make_patient(number) for number in range(PATIENTS)))
TYPE = "application/fhir+ndjson"
TABLE = b"patient;loinc;value;unit;date\n" + b"".join(
    b"p%d;718-7;13.5;g/dL;2024-03-04\n" % number for number in range(PATIENTS)
)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 5)


@pytest.fixture(scope="module")
def member(make_tenant: MakeTenant, as_member: AsMember, tier: Tier) -> Member:
    return as_member(make_tenant(tier))


def check_import(member: Member, answer: TestResponse) -> None:
    assert answer.status_code == 201, answer.json
    job = member.get(answer.headers["Location"]).json
    assert (job["state"], job["error_count"]) == ("done", 0)
    assert job["counts"]["Patient"]["new"] == PATIENTS
    place = placement_of(member.app, member.tenant)
    count = f"SELECT count(*) FROM {place.schema}.patient WHERE tenant_id = %s AND source = %s"
    [(stored,)] = ask(
        member.app, count, str(member.tenant.id), job["source"], database=place.url.database
    )
    assert stored == PATIENTS


def test_an_upload_of_a_tenant_that_moves_after_each_commit(app: Flask, member: Member) -> None:
    with moving_after_each_commit(app, member.tenant) as moves:
        answer = upload(member, BODY, query="?source=often")

    assert len(moves) > PATIENTS / 5
    check_import(member, answer)


def test_an_upload_that_waits_during_the_move(app: Flask, member: Member) -> None:
    def send() -> TestResponse:
        return upload(member.through(app), BODY, query="?source=waits")

    [answer] = during_a_move(app, member.tenant, send)

    check_import(member, answer)


class Body(io.BytesIO):
    """A body during which the tenant moves."""

    def __init__(self, content: bytes, app: Flask, member: Member) -> None:
        super().__init__(content)
        self._app, self._member, self.has_moved = app, member, False

    def readinto(self, *arguments: Any) -> int:
        if not self.has_moved:
            self.has_moved = True
            switch(self._app, self._member.tenant)
        return super().readinto(*arguments)


@pytest.mark.parametrize(
    ("path", "content", "kind", "headers", "status"),
    [
        ("/imports?source=a", BODY, TYPE, {}, 201),
        ("/imports?source=b", gzip.compress(BODY), "application/gzip", {}, 201),
        ("/imports?source=c&kind=labs", TABLE, "text/csv", {}, 201),
        ("/imports?source=d", BODY, TYPE, {"Prefer": "respond-async"}, 202),
        ("/imports/dry-run?source=e", BODY, TYPE, {}, 200),
    ],
    ids=["upload", "compressed", "table", "job", "dry run"],
)
def test_a_tenant_that_moves_while_the_body_arrives(
    app: Flask,
    member: Member,
    path: str,
    content: bytes,
    kind: str,
    headers: dict[str, str],
    status: int,
) -> None:
    body = Body(content, app, member)

    answer = member.post(
        path,
        input_stream=body,
        content_length=len(content),
        content_type=kind,
        headers=headers,
    )

    assert body.has_moved
    assert answer.status_code == status, answer.json


def test_a_place_that_stays_stale_is_unavailable_and_the_upload_continues(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a move is interrupted, the catalog names a place whose guard refuses."""
    query = "?source=interrupted"
    with monkeypatch.context() as patched:
        patched.setattr(state_of(app), "follow_tenant", lambda: None)
        with moving_after_each_commit(app, member.tenant):
            answer = upload(member, BODY, query=query)

    assert (answer.status_code, answer.json["code"]) == (503, "placement_changed")
    check_import(member, upload(member, BODY, query=query))


def test_an_upload_goes_on_in_another_database(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = as_member(make_tenant(Tier.DEDICATED_DATABASE))
    count, copies = ImportRun.refuse_share, []

    def move_once(run: ImportRun) -> None:
        count(run)
        if not copies:
            copies.append(switch_to_copy(app, member.tenant))

    monkeypatch.setattr(ImportRun, "refuse_share", move_once)
    answer = upload(member, BODY)

    check_import(member, answer)
    left = ask_in(app, member.tenant, "SELECT count(*) FROM tenant.patient")
    assert left == [(5,)]  # those of the batch before the move


def test_a_withdrawal_and_a_deletion_of_a_tenant_that_moves_after_each_commit(
    app: Flask, member: Member
) -> None:
    upload(member, BODY, query="?source=full&complete=true")
    part = BODY.splitlines(keepends=True)[0]
    job = upload(member, part, query="?source=full&complete=true").json
    assert job["missing"]["Patient"] == PATIENTS - 1

    path = f"/imports/{job['id']}"
    with moving_after_each_commit(app, member.tenant) as moves:
        withdrawn = member.post(f"{path}/withdrawal")
        deleted = member.delete(path)

    assert len(moves) > 4
    assert (withdrawn.status_code, withdrawn.json["completeness"]) == (200, "withdrawn")
    assert deleted.status_code == 204
    assert member.get(path).status_code == 404
