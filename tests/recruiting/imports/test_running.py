"""Imports that are interrupted, started twice or strict end with the right rows and counts."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.fhir_examples import (
    OBSERVATION,
    PATIENT,
    REQUEST,
    make_observation,
    make_patient,
)
from tests.recruiting.imports.importing import Importer, write_ndjson
from trially.config import ROOT, Settings
from trially.database.placement import TenantSuspendedError
from trially.recruiting.imports import running
from trially.recruiting.imports.import_run import ImportTakenOverError
from trially.recruiting.imports.waiting import queries
from trially.recruiting.imports.writing import batches
from trially.recruiting.imports.writing.patient_keys import WAITS_FOR_PATIENT
from trially.tenancy.lifecycle.status import suspend_tenant

BAD = b'{"resourceType":'
WAITING = "SELECT count(*) FROM waiting_fact"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 10)
    monkeypatch.setattr(queries, "BATCH_LINES", 10)


def test_a_fact_is_deferred_if_its_patient_is_in_a_later_file(importer: Importer) -> None:
    raw = {**OBSERVATION, "note": [{"text": "nul \0 here"}], "valueString": "a\0b"}
    raw.pop("valueQuantity")

    job = importer.read(write_ndjson(raw, REQUEST), write_ndjson(PATIENT))

    assert job["error_count"] == 0
    assert importer.query("SELECT source_id, value_text FROM clinical_fact ORDER BY 1") == [
        ("m1", None),
        ("o1", "ab"),
    ]
    assert importer.value(WAITING) == 0


def test_deferred_facts_do_not_change_when_they_are_imported_again(importer: Importer) -> None:
    values = [1e16, 1e300, 7.0, 5e-324, 2**62, 1.25]
    facts = [
        make_observation(number, 1, valueQuantity={"value": value})
        for number, value in enumerate(values)
    ]
    importer.read(write_ndjson(*facts), write_ndjson(make_patient(1)))
    before = importer.snapshot()

    importer(make_patient(1), *facts)

    assert importer.snapshot() == before


@pytest.mark.usefixtures("small_batches")
def test_a_deferred_record_does_not_overwrite_a_later_version(importer: Importer) -> None:
    versions = [make_observation(1, 1, valueQuantity={"value": value}) for value in (1, 2, 3)]
    deferred = [make_observation(number, 1) for number in range(2, 32)]

    importer.read(
        write_ndjson(versions[0], *deferred[:15], versions[1], *deferred[15:]),
        write_ndjson(make_patient(1)),
    )
    first = importer.query("SELECT value_number::text FROM clinical_fact WHERE source_id = 'o1'")
    importer.query("DELETE FROM patient")
    importer.read(
        write_ndjson(versions[0]), write_ndjson(make_patient(1)), write_ndjson(versions[2])
    )

    assert first == [("2",)]
    assert importer.query("SELECT value_number::text FROM clinical_fact") == [("3",)]


@pytest.mark.usefixtures("small_batches")
def test_strict_stops_at_the_first_bad_line_and_keeps_the_batches_before_it(
    importer: Importer,
) -> None:
    patients = [make_patient(number) for number in range(40)]

    job = importer(make_observation(1, 99), *patients[:24], BAD, *patients[24:], strict=True)

    assert (job["state"], job["error_count"]) == ("failed", 1)
    assert job["failure"] == "1.ndjson, line 26: The content is not valid JSON."
    assert job["ended_at"] is not None
    assert importer.value("SELECT count(*) FROM patient") == job["counts"]["Patient"]["new"] == 19
    assert importer.faults() == [("1.ndjson", 26, "The content is not valid JSON.", None)]
    assert importer.value(WAITING) == 1


@pytest.mark.usefixtures("small_batches")
def test_strict_stops_at_a_fact_without_a_patient(importer: Importer) -> None:
    job = importer(make_patient(1), make_observation(1, 1), make_observation(2, 9), strict=True)

    assert job["failure"] == f"1.ndjson, line 3: {WAITS_FOR_PATIENT}"
    assert importer.query("SELECT source_id FROM clinical_fact") == [("o1",)]
    assert importer.value(WAITING) == 1


def stop_after(batches_done: int) -> Callable[[int], None]:
    """Return a progress function that raises an error after some batches, as a lost server does."""
    remaining = iter(range(batches_done))

    def progress(_done: int) -> None:
        if next(remaining, None) is None:
            raise ConnectionError

    return progress


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("batches_done", [0, 1, 3, 4])
def test_an_interrupted_import_continues_after_its_last_batch(
    importer: Importer, batches_done: int
) -> None:
    first = write_ndjson(
        *(make_observation(number, number) for number in range(15)),
        BAD,
        *(make_patient(number) for number in range(15)),
    )
    second = write_ndjson(*(make_observation(number, number) for number in range(15, 30)))
    third = write_ndjson(*(make_patient(number) for number in range(15, 30)))
    with pytest.raises(ConnectionError):
        importer.read(first, second, third, progress=stop_after(batches_done))
    assert importer.query("SELECT state FROM import_job") == [("running",)]

    job = importer.read(first, second, third)

    assert job["state"] == "done"
    assert job["error_count"] == 1
    assert {kind: (n["read"], n["new"], n["changed"]) for kind, n in job["counts"].items()} == {
        "Patient": (30, 30, 0),
        "Observation": (30, 30, 0),
    }
    assert importer.query("SELECT id FROM import_job") == [(job["id"],)]


def test_the_process_that_started_an_import_first_stops(
    importer: Importer, small_batches: None
) -> None:
    content = write_ndjson(*(make_patient(number) for number in range(60)))
    answers: list[Any] = []

    def start_again(_done: int) -> None:
        if not answers:
            with ThreadPoolExecutor(1) as elsewhere:
                answers.append(elsewhere.submit(_read_elsewhere, importer, content).result())

    with pytest.raises(ImportTakenOverError):
        importer.read(content, progress=start_again)

    counts = answers[0]["counts"]["Patient"]
    assert counts == dict.fromkeys(counts, 0) | {"read": 60, "new": 60}
    assert importer.query("SELECT state FROM import_job") == [("done",)]


def _read_elsewhere(importer: Importer, content: bytes) -> Any:
    with importer.app.app_context():
        return importer.read(content)


@pytest.mark.usefixtures("small_batches")
def test_two_imports_of_the_same_resources_take_turns(importer: Importer) -> None:
    forward = [make_patient(number) for number in range(50)]
    facts = [make_observation(number, number % 50) for number in range(150)]
    contents = [
        write_ndjson(*forward, *facts),
        write_ndjson(*reversed(forward), *reversed(facts)),
    ]

    with ThreadPoolExecutor(2) as pool:
        jobs = list(pool.map(lambda content: _read_elsewhere(importer, content), contents))

    assert [job["state"] for job in jobs] == ["done", "done"]
    assert sum(job["counts"]["Patient"]["new"] for job in jobs) == 50
    assert sum(job["counts"]["Observation"]["new"] for job in jobs) == 150
    assert sum(job["counts"]["Observation"]["changed"] for job in jobs) == 0


@pytest.mark.usefixtures("small_batches")
def test_an_import_stops_when_its_tenant_is_suspended(importer: Importer) -> None:
    content = write_ndjson(*(make_patient(number) for number in range(60)))

    def suspend(_done: int) -> None:
        with importer.app.app_context():
            suspend_tenant(importer.tenant.slug)

    with pytest.raises(TenantSuspendedError):
        importer.read(content, progress=suspend)


@pytest.fixture
def start_command(settings: Settings) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `flask …` as a process of its own, on the same server."""
    environment = {
        **os.environ,
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_DEVELOPMENT": "1",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_command_continues_when_it_is_run_again(
    importer: Importer, start_command: Callable[..., Any], tmp_path: Path
) -> None:
    number = 24_000
    (tmp_path / "Patient.ndjson").write_bytes(
        write_ndjson(*(make_patient(patient) for patient in range(500)))
    )
    (tmp_path / "Observation.ndjson").write_bytes(
        write_ndjson(*(make_observation(each, each % 500) for each in range(number)))
    )
    command = ("imports", "fhir", importer.tenant.slug, tmp_path, "--json", "--source", "fhir")
    process = start_command(*command)
    deadline = time.monotonic() + 60
    while not importer.query("SELECT 1 FROM import_job WHERE next_part = 1 AND next_line > 1000"):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    cut_off, next_line, held = importer.query(
        "SELECT id::text, next_line, (SELECT count(*) FROM clinical_fact) FROM import_job"
    )[0]

    again = start_command(*command)
    answer, _ = again.communicate(timeout=60)

    job = orjson.loads(answer)
    assert again.returncode == 0
    assert held < number
    assert (cut_off, next_line) == (job["id"], held)
    assert job["state"] == "done"
    assert {kind: (n["read"], n["new"], n["changed"]) for kind, n in job["counts"].items()} == {
        "Patient": (500, 500, 0),
        "Observation": (number, number, 0),
    }
    assert importer.value("SELECT count(*) FROM clinical_fact") == number


def test_an_import_succeeds_without_statistics(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        running, "_ANALYZE", "SELECT set_config('statement_timeout', '1', true), pg_sleep(1)"
    )

    assert importer(PATIENT)["state"] == "done"
