"""`flask imports …` reports in a table, in JSON, or in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.importing import NDJSON, Importer, write_ndjson
from trially.recruiting.imports.writing.patient_keys import WAITS_FOR_PATIENT

RunCommand = Callable[..., Any]

FROM = ("--source", "fhir")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder like a bulk export."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_bytes(write_ndjson(make_patient(1), b"{", make_patient(2)))
    (folder / "Observation.ndjson").write_bytes(
        write_ndjson(make_observation(1, 1), make_observation(2, 9))
    )
    (folder / "Device.ndjson").write_bytes(write_ndjson({"resourceType": "Device"}))
    (folder / "log.ndjson").write_bytes(b"{}")
    (folder / "manifest.json").write_bytes(b"{}")
    return folder


def test_the_report_names_ignored_resources_ignored_files_and_bad_lines(
    importer: Importer, run_command: RunCommand, export: Path
) -> None:
    result = run_command("imports", "fhir", importer.tenant.slug, export, "--source", "fhir")

    assert result.exit_code == 0
    assert result.stderr == ""
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "resource read new changed stale withdrawn erased entered_in_error waiting resolved",
        "Observation 2 1 0 0 0 0 0 1 0",
        "Patient 2 2 0 0 0 0 0 0 0",
        "Ignored resources, of types that are not imported: Device 1.",
        "Ignored files, because of their names: log.ndjson, manifest.json.",
        "2 errors, 1 of them a line or record that was not imported.",
        "invalid_json: 1",
        "Patient.ndjson, line 2: The content is not valid JSON.",
        "patient_missing (Observation): 1",
        f"Observation.ndjson, line 2, Observation/o2: {WAITS_FOR_PATIENT} Missing: Patient/p9.",
    ]


def test_the_report_in_json(importer: Importer, run_command: RunCommand, export: Path) -> None:
    result = run_command(
        "imports", "fhir", importer.tenant.slug, export, "--json", "--source", "fhir"
    )

    report = orjson.loads(result.stdout)
    assert result.exit_code == 0
    assert report["state"] == "done"
    assert report["passed_over"] == {"Device": 1}
    assert report["passed_over_files"] == ["log.ndjson", "manifest.json"]
    (error,) = report["groups"][0]["examples"]
    assert (error["code"], error["file"], error["line"]) == ("invalid_json", "Patient.ndjson", 2)
    assert [error["missing_id"] for error in report["errors"]] == [None, "Patient/p9"]


def test_a_strict_import_fails_with_a_sentence(
    importer: Importer, run_command: RunCommand, export: Path
) -> None:
    result = run_command(
        "imports", "fhir", importer.tenant.slug, export, "--strict", "--source", "fhir"
    )
    listed = run_command("imports", "list", importer.tenant.slug, "--json")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The import failed: Patient.ndjson, line 2: The content is not valid JSON."
        " Correct it, or import without --strict to skip it.\n"
    )
    assert [job["state"] for job in orjson.loads(listed.stdout)] == ["failed"]


@pytest.mark.parametrize(
    ("slug", "path", "sentence"),
    [
        (None, "nowhere", "nowhere cannot be read: No such file or directory."),
        (None, "empty", " end in .json, .ndjson, .jsonl or .tar, compressed or not."),
        (
            "no-such-tenant",
            "export",
            "The tenant 'no-such-tenant' does not exist. `flask tenants list` shows all tenants.",
        ),
    ],
)
def test_an_import_that_cannot_start_fails_with_a_sentence(
    importer: Importer,
    run_command: RunCommand,
    export: Path,
    slug: str | None,
    path: str,
    sentence: str,
) -> None:
    (export.parent / "empty").mkdir()

    result = run_command(
        "imports", "fhir", slug or importer.tenant.slug, export.parent / path, "--source", "fhir"
    )

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith(sentence + "\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "Enter a name of 1 to 64 characters"),
        ("s" * 65, "Enter a name of 1 to 64 characters"),
        ("manual", "'manual' is reserved for patients entered by hand"),
    ],
)
def test_an_invalid_source_is_rejected(
    importer: Importer, run_command: RunCommand, export: Path, source: str, reason: str
) -> None:
    result = run_command("imports", "fhir", importer.tenant.slug, export, "--source", source)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_file_that_changed_is_another_import(
    importer: Importer, run_command: RunCommand, export: Path
) -> None:
    command = (
        "imports",
        "fhir",
        importer.tenant.slug,
        export / "Patient.ndjson",
        "--source",
        "fhir",
    )
    run_command(*command)
    importer.query("UPDATE import_job SET state = 'running'")
    (export / "Patient.ndjson").write_bytes(write_ndjson(make_patient(1), b"{", make_patient(3)))

    run_command(*command)

    assert set(importer.versions()) == {"p1", "p2", "p3"}


def test_the_source_is_required_and_known_ones_are_named(
    importer: Importer, run_command: RunCommand, export: Path, as_member: Callable[..., Any]
) -> None:
    member = as_member(importer.tenant)

    def errors() -> list[str]:
        result = run_command("imports", "fhir", importer.tenant.slug, export)
        answer = member.post("/imports", data=NDJSON, content_type="application/fhir+ndjson")
        assert (result.exit_code, answer.status_code) == (1, 400)
        return [result.stderr, answer.json["errors"][0]["detail"]]

    assert all("has no source yet" in each for each in errors())
    importer(make_patient(1), source="epic")
    importer(make_patient(1), source="cerner")
    assert all("has the sources 'cerner', 'epic'." in each for each in errors())
    assert importer.value("SELECT count(*) FROM import_job") == 2


FULL = (make_patient(1), make_patient(2), make_observation(1, 1))


@pytest.fixture
def full_export(importer: Importer, tmp_path: Path) -> tuple[str, ...]:
    """A command that imports a full export, which lacks a patient and an observation."""
    importer(*FULL, make_observation(2, 2), source="epic")
    file = tmp_path / "all.ndjson"
    file.write_bytes(write_ndjson(make_patient(1), make_observation(1, 1)))
    return "imports", "fhir", importer.tenant.slug, str(file), "--source", "epic", "--complete"


WITHDRAWN = (
    "SELECT (SELECT count(*) FROM patient WHERE withdrawn_at IS NOT NULL),"
    " (SELECT count(*) FROM clinical_fact WHERE withdrawn_at IS NOT NULL)"
)


def test_a_full_export_withdraws_nothing_without_confirmation(
    importer: Importer, run_command: RunCommand, full_export: tuple[str, ...]
) -> None:
    result = run_command(*full_export)

    assert result.exit_code == 0
    assert "Missing from the full export: Observation 1: Observation/o2." in result.stdout
    assert "Missing from the full export: Patient 1: Patient/p2." in result.stdout
    assert "Nothing was withdrawn" in result.stdout
    assert importer.query(WITHDRAWN) == [(0, 0)]

    import_id = importer.value("SELECT id FROM import_job WHERE completeness IS NOT NULL")
    withdraw = ("imports", "withdraw", importer.tenant.slug, str(import_id))
    refused = run_command(*withdraw)
    assert refused.exit_code == 1
    assert "2 records" in refused.stderr
    assert "Observation 1, Patient 1" in refused.stderr
    assert importer.query(WITHDRAWN) == [(0, 0)]

    done = run_command(*withdraw, "--yes", "--json")
    assert orjson.loads(done.stdout) == {"id": str(import_id), "withdrawn": 2}
    assert importer.query(WITHDRAWN) == [(1, 1)]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_full_export_withdraws_with_yes(
    importer: Importer,
    run_command: RunCommand,
    full_export: tuple[str, ...],
    form: tuple[str, ...],
) -> None:
    result = run_command(*full_export, "--yes", *form)

    assert result.exit_code == 0
    assert importer.query(WITHDRAWN) == [(1, 1)]
    if form:
        report = orjson.loads(result.stdout)
        assert (report["completeness"], report["missing"]) == (
            "withdrawn",
            {"Observation": 1, "Patient": 1},
        )
        assert report["first_missing"]["Patient"] == [{"base_url": "", "source_id": "p2"}]


def test_an_incomplete_export_fails_and_withdraws_nothing(
    importer: Importer, run_command: RunCommand, full_export: tuple[str, ...]
) -> None:
    with Path(full_export[3]).open("ab") as file:
        file.write(b"{\n")

    result = run_command(*full_export, "--yes")

    assert result.exit_code == 1
    assert "could not read a part of its input" in result.stderr
    assert importer.query(WITHDRAWN) == [(0, 0)]
