"""Each limit of an import: what ends, with which reason, and what stays."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from tests.conftest import MakeTenant, Member
from tests.recruiting.imports.fhir_examples import OBSERVATION, make_observation, make_patient
from tests.recruiting.imports.importing import NDJSON, Importer, upload, write_ndjson
from trially.recruiting.imports import limits
from trially.recruiting.imports.limits import ImportLimits, ImportTimeError
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.running import ImportStoppedError
from trially.recruiting.imports.waiting import queries, waiting_facts
from trially.recruiting.imports.writing import batches
from trially.recruiting.imports.writing.patient_keys import WAITS_FOR_PATIENT
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

BAD = b"{}"
NOT_A_RESOURCE = "resourceType is missing."
Change = Callable[..., None]


@pytest.fixture(scope="module")
def tenant(make_tenant: MakeTenant, tier: Tier) -> Tenant:
    """A tenant with a neighbour in the same tier."""
    make_tenant(tier)
    return make_tenant(tier)


@pytest.fixture
def source() -> str:
    """A source of the test's own, because the tests of a tier share their tenant."""
    return uuid4().hex


@pytest.fixture
def change_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Change:
    """Change settings of the app until the test ends."""

    def change(**values: Any) -> None:
        monkeypatch.setattr(state_of(app), "settings", replace(state_of(app).settings, **values))

    return change


def without_patients(first: int, last: int) -> list[dict[str, Any]]:
    return [make_observation(number, 10**9 + number) for number in range(first, last)]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 10)
    monkeypatch.setattr(queries, "BATCH_LINES", 10)
    monkeypatch.setattr(limits, "FEWEST_FAULTS", 20)


def test_the_first_faults_have_a_row_and_all_are_counted_by_reason(
    member: Member, change_settings: Change, source: str
) -> None:
    change_settings(max_import_stored_faults=3)
    body = write_ndjson(*[BAD] * 2, b"[", make_patient(1), *[BAD] * 4, *without_patients(1, 3))

    job = upload(member, body, query=f"?source={source}").json

    listed = member.get(f"/imports/{job['id']}/errors").json["data"]
    assert sorted(error["line"] for error in listed) == [1, 2, 3, 5, 9, 10]
    assert job["error_counts"] == {
        NOT_A_RESOURCE: 6,
        "The content is not valid JSON.": 1,
        WAITS_FOR_PATIENT: 2,
    }
    assert job["error_count"] == sum(job["error_counts"].values()) == 9
    assert member.get(f"/imports/{job['id']}").json == job


def test_reasons_that_differ_by_a_position_are_one_count(member: Member, source: str) -> None:
    component = {"code": {"coding": [{"code": "1"}]}}
    lines = [{**OBSERVATION, "component": [component] * number + [{}]} for number in range(5)]

    job = upload(member, write_ndjson(make_patient(1), *lines), query=f"?source={source}").json

    assert job["error_counts"] == {"Observation.component[*].code is missing.": 5}


@pytest.mark.usefixtures("small_batches")
def test_counts_of_faults_survive_an_interruption(importer: Importer, source: str) -> None:
    content = write_ndjson(*[BAD] * 12, *(make_patient(number) for number in range(30)))

    def fail(_done: int) -> None:
        raise ConnectionError

    few = ImportLimits(most_stored_faults=11)
    with pytest.raises(ConnectionError):
        importer.read(content, source=source, limits=few, progress=fail)
    job = importer.read(content, source=source, limits=few)

    assert job["error_counts"] == {NOT_A_RESOURCE: 12}
    assert (
        importer.value("SELECT count(*) FROM import_fault WHERE import_id = :id", id=job["id"])
        == 11
    )


def test_an_import_of_rubbish_stops_after_its_first_batch(
    member: Member, importer: Importer, source: str
) -> None:
    answer = upload(member, gzip.compress((BAD + b"\n") * 250_000), query=f"?source={source}")

    job = member.get(answer.headers["Location"]).json
    assert answer.status_code == 422
    assert answer.json["code"] == "import_limit_exceeded"
    assert answer.json["detail"] == job["failure"]
    assert job["failure"].startswith("2,000 of the first 2,000 lines cannot be imported")
    assert (job["state"], job["error_count"]) == ("failed", 2_000)
    assert (
        importer.value("SELECT count(*) FROM import_fault WHERE import_id = :id", id=job["id"])
        == 1_000
    )


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(("bad", "is_stopped"), [(4, False), (6, True)])
def test_the_share_of_faults(
    importer: Importer, source: str, *, bad: int, is_stopped: bool
) -> None:
    lines = ([BAD] * bad + [{"resourceType": "Basic"}] * (10 - bad)) * 10
    half = ImportLimits(most_fault_share=0.5)

    if is_stopped:
        with pytest.raises(ImportStoppedError, match="24 of the first 40 lines"):
            importer(*lines, source=source, limits=half)
    else:
        assert importer(*lines, source=source, limits=half)["state"] == "done"


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_what_expands_too_much_is_not_unpacked_to_its_end(
    member: Member, source: str, pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(NDJSON + b"\n" * (32 << 20))

    answer = upload(member, bomb, query=f"?source={source}")

    assert (answer.status_code, answer.json["code"]) == (422, "import_limit_exceeded")
    assert "expands to more than 100 times" in answer.json["detail"]


def test_too_many_lines(member: Member, change_settings: Change, source: str) -> None:
    change_settings(max_import_lines=1_500)
    body = write_ndjson(*(make_patient(number) for number in range(1_001))) + b"\n" * 500

    answer = upload(member, body, query=f"?source={source}")

    job = member.get(answer.headers["Location"]).json
    assert (answer.status_code, answer.json["code"]) == (422, "import_limit_exceeded")
    assert job["failure"] == "The input has more than 1,500 lines. Split it, and import each part."
    assert (job["state"], job["counts"]["Patient"]["new"]) == ("failed", 100)


@pytest.mark.usefixtures("small_batches")
def test_waiting_facts_are_written_in_batches_of_bounded_size(
    importer: Importer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "BATCH_BYTES", 3_000)
    sizes: list[int] = []
    write_batch = waiting_facts.write_batch
    monkeypatch.setattr(
        waiting_facts,
        "write_batch",
        lambda batch, source: sizes.append(len(batch.resources)) or write_batch(batch, source),
    )

    job = importer(
        *(make_observation(number, 1) for number in range(30)), make_patient(1), source=source
    )

    assert job["counts"]["Observation"]["new"] == 30
    assert sum(sizes) >= 30
    assert max(sizes[4:]) < 10  # the first four batches are those of the lines


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("is_early", [False, True])
def test_an_import_out_of_time_continues_when_it_is_sent_again(
    member: Member, source: str, monkeypatch: pytest.MonkeyPatch, *, is_early: bool
) -> None:
    patients = [make_patient(number) for number in range(30)]
    facts = [make_observation(number, number) for number in range(30)]
    body = write_ndjson(*(facts + patients if is_early else patients + facts))
    # One check for each line, and one before each batch of waiting facts.
    checks = iter(range(61 if is_early else 25))
    check_time = InputMeter.check_time

    def run_out(meter: InputMeter) -> None:
        if next(checks, None) is None:
            raise ImportTimeError("The import ran longer than it may.")
        check_time(meter)

    with monkeypatch.context() as patch:
        patch.setattr(InputMeter, "check_time", run_out)
        stopped = upload(member, body, query=f"?source={source}")
    between = member.get(stopped.headers["Location"]).json
    done = upload(member, body, query=f"?source={source}").json

    assert (stopped.status_code, stopped.json["code"]) == (503, "import_stopped")
    assert int(stopped.headers["Retry-After"]) >= 1
    assert between["state"] == "stopped"
    assert between["counts"]["Patient"]["new"] == (30 if is_early else 20)
    assert (done["id"], done["state"], done["failure"]) == (between["id"], "done", None)
    assert {kind: counts["new"] for kind, counts in done["counts"].items()} == {
        "Patient": 30,
        "Observation": 30,
    }


@pytest.mark.usefixtures("small_batches")
def test_a_failed_import_keeps_its_batches_and_its_waiting_facts(
    importer: Importer, source: str
) -> None:
    patients = [make_patient(number) for number in range(15)]
    lines = [*without_patients(0, 15), *patients, *[b"\n"] * 100]

    with pytest.raises(ImportStoppedError) as stopped:
        importer(*lines, source=source, limits=ImportLimits(most_lines=60))

    job = stopped.value.job
    assert (job["state"], job["failure"]) == ("failed", str(stopped.value))
    assert job["counts"]["Patient"]["new"] == 15
    written = "SELECT count(*) FROM patient WHERE source = :source"
    assert importer.value(written, source=source) == 15
    kept = "SELECT count(*) FROM waiting_fact WHERE import_id = :id"
    assert importer.value(kept, id=job["id"]) == 15
    lease = "SELECT lease_until FROM import_job WHERE id = :id"
    assert importer.value(lease, id=job["id"]) is None
