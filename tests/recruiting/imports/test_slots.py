"""Imports that run at the same time are bounded: per tenant, and per process."""

import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from borrowed_tenants import BorrowTenant
from flask import Flask

from tests.conftest import MakeTenant, Member
from tests.recruiting.imports.fhir_examples import make_patient
from tests.recruiting.imports.importing import NDJSON, Importer, upload, write_ndjson
from trially.recruiting.imports import import_run
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.slots import TooManyImportsError
from trially.recruiting.imports.writing import batches
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

ONE = ImportLimits(most_of_tenant=1)


@pytest.fixture(scope="module")
def neighbour(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    return make_tenant(tier)


@pytest.fixture
def tenant(borrow_tenant: BorrowTenant, tier: Tier) -> Tenant:
    return borrow_tenant(tier)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 10)


def content(count: int = 30) -> bytes:
    return write_ndjson(*(make_patient(number) for number in range(count)))


class Killed(BaseException):
    """The process of an import ends, without any chance to clean up."""


@contextmanager
def killed_import(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave an import behind whose process was killed after its first batch."""

    def kill(_done: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(import_run.ImportRun, "release", lambda _run: None)
        with pytest.raises(Killed):
            importer.read(content(), source="killed", progress=kill)
    yield


def in_a_thread(work: Callable[[], Any]) -> Any:
    """Run something with an app context of its own, as another process would."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return outcome[0]


def test_a_tenant_runs_only_so_many_imports(
    importer: Importer, app: Flask, neighbour: Tenant
) -> None:
    answers: list[Any] = []

    def start_others(_done: int) -> None:
        if not answers:
            answers.extend(
                in_a_thread(partial(other.read, content(1), source="b", limits=ONE))
                for other in (importer, Importer(app, neighbour))
            )

    job = importer.read(content(), source="a", limits=ONE, progress=start_others)
    after = importer.read(content(1), source="b", limits=ONE)

    assert job["state"] == "done"
    assert isinstance(answers[0], TooManyImportsError)
    assert answers[1]["state"] == "done"
    assert after["state"] == "done"
    assert importer.query("SELECT count(*) FROM import_job WHERE source = 'b'") == [(1,)]


def test_only_one_of_many_starts_gets_the_last_slot(importer: Importer) -> None:
    gate = threading.Barrier(4)
    running = threading.Barrier(4)

    def begin(number: int) -> Any:
        def hold(_done: int) -> None:
            if held.acquire(blocking=False):
                running.wait(60)

        held = threading.Semaphore(1)
        gate.wait(60)
        try:
            return importer.read(content(), source=f"{number}", limits=ONE, progress=hold)
        except TooManyImportsError as error:
            running.wait(60)
            return error

    outcomes: list[Any] = []
    threads = [
        threading.Thread(target=lambda number=number: outcomes.append(begin(number)))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        *["TooManyImportsError"] * 3,
        "dict",
    ]


def test_a_killed_import_frees_its_slot_after_its_lease(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_import(importer, monkeypatch):
        with pytest.raises(TooManyImportsError, match="as many imports as it may"):
            importer.read(content(1), source="b", limits=ONE)
        importer.query("UPDATE import_job SET lease_until = lease_until - interval '61 seconds'")

        assert importer.read(content(1), source="b", limits=ONE)["state"] == "done"


def test_a_killed_import_continues_at_once(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_import(importer, monkeypatch):
        assert importer.read(content(), source="killed", limits=ONE)["state"] == "done"


def test_an_interrupted_import_frees_its_slot(importer: Importer) -> None:
    def fail(_done: int) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        importer.read(content(), source="a", progress=fail)

    assert importer.read(content(1), source="b", limits=ONE)["state"] == "done"


def test_an_import_that_paused_for_long_claims_its_slot_again(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause(_done: int) -> None:
        monkeypatch.setattr(import_run, "LEASE_SECONDS", -1)
        importer.query("UPDATE import_job SET lease_until = now() - interval '1 second'")
        importer.query(
            "INSERT INTO import_job (tenant_id, id, source, fingerprint, lease_until)"
            " VALUES (:tenant, :id, 'b', 'b', now() + interval '1 hour')",
            tenant=importer.tenant.id,
            id=uuid4(),
        )

    with pytest.raises(TooManyImportsError):
        importer.read(content(), source="a", limits=ONE, progress=pause)


def test_too_many_imports_are_answered_with_429(
    importer: Importer, member: Member, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(state_of(app).settings, imports_per_tenant=1)
    monkeypatch.setattr(state_of(app), "settings", settings)

    with killed_import(importer, monkeypatch):
        answer = upload(member, content(1), query="?source=b")

    assert (answer.status_code, answer.json["code"]) == (429, "too_many_imports")
    assert int(answer.headers["Retry-After"]) >= 1
    assert state_of(app).running_imports.total() == 0


@pytest.mark.parametrize(
    ("per_process", "per_tenant", "running", "status", "code"),
    [
        (2, 2, {"others": 2}, 503, "imports_busy"),
        (9, 2, {"own": 2}, 429, "too_many_imports"),
        (3, 2, {"own": 1, "others": 1}, 201, None),
    ],
)
def test_a_process_takes_only_so_many_uploads(
    member: Member,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    per_process: int,
    per_tenant: int,
    running: dict[str, int],
    status: int,
    code: str | None,
) -> None:
    state = state_of(app)
    limited = replace(
        state.settings, imports_per_process=per_process, imports_per_tenant=per_tenant
    )
    monkeypatch.setattr(state, "settings", limited)
    ids = {"own": member.tenant.id, "others": uuid4()}
    counts = Counter({ids[name]: number for name, number in running.items()})
    monkeypatch.setattr(state, "running_imports", counts)

    answer = upload(member, content(1))

    assert (answer.status_code, answer.json.get("code")) == (status, code)
    assert ("Retry-After" in answer.headers) == (status != 201)
    assert dict(counts) == {ids[name]: number for name, number in running.items()}


def test_uploads_leave_half_of_the_threads(
    member: Member, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(app)
    limited = replace(state.settings, imports_per_process=9, threads=5)
    monkeypatch.setattr(state, "settings", limited)

    statuses = []
    for others in (1, 2):
        monkeypatch.setattr(state, "running_imports", Counter({uuid4(): others}))
        statuses.append(upload(member, content(1)).status_code)

    assert statuses == [201, 503]


def test_a_batch_waits_for_another_of_its_source_longer_than_requests_wait_for_locks(
    importer: Importer, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = replace(state_of(app).settings, lock_timeout_ms=50)
    monkeypatch.setattr(state_of(app), "settings", impatient)
    hold = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0)), pg_sleep(1)"
    key = f"import {importer.tenant.id} a"
    holding = threading.Thread(target=partial(importer.query, hold, key=key))
    jobs: list[Any] = []

    holding.start()
    time.sleep(0.3)
    jobs.append(importer.read(content(1), source="a"))
    holding.join()

    assert jobs[0]["state"] == "done"


def test_an_upload_counts_while_it_arrives(member: Member, app: Flask) -> None:
    seen: list[int] = []

    class Body(io.BytesIO):
        def readinto(self, *arguments: Any) -> int:
            seen.append(state_of(app).running_imports[member.tenant.id])
            return super().readinto(*arguments)

    member.post(
        "/imports?source=fhir",
        input_stream=Body(NDJSON),
        content_length=len(NDJSON),
        content_type="application/json",
    )

    assert seen
    assert set(seen) == {1}
    assert state_of(app).running_imports.total() == 0
