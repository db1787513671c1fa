"""`flask imports …` says what it did, in a table, in JSON, or in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.recruiting.imports.importing import Importer, write_ndjson
from tests.recruiting.imports.test_batches import make_observation, make_patient

RunCommand = Callable[..., Any]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder as a bulk export leaves it."""
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


def test_the_report_names_all_that_was_left_out(
    take_in: Importer, run_command: RunCommand, export: Path
) -> None:
    result = run_command("imports", "fhir", take_in.tenant.slug, export)

    assert result.exit_code == 0
    assert result.stderr == ""
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "resource read new changed entered_in_error",
        "Observation 2 1 0 0",
        "Patient 2 2 0 0",
        "Passed over, as recruiting has no use for them: Device 1.",
        "Not read, by their names: log.ndjson, manifest.json.",
        "2 lines could not be taken in:",
        "Patient.ndjson, line 2: This is not valid JSON.",
        "Observation.ndjson, line 2: The patient it is about is not there.",
    ]


def test_the_report_in_json(take_in: Importer, run_command: RunCommand, export: Path) -> None:
    result = run_command("imports", "fhir", take_in.tenant.slug, export, "--json")

    report = orjson.loads(result.stdout)
    assert result.exit_code == 0
    assert report["state"] == "done"
    assert report["passed_over"] == {"Device": 1}
    assert report["passed_over_files"] == ["log.ndjson", "manifest.json"]
    assert report["errors"][0] == {
        "file": "Patient.ndjson",
        "line": 2,
        "reason": "This is not valid JSON.",
        "pointer": None,
    }


def test_a_strict_import_fails_with_a_sentence(
    take_in: Importer, run_command: RunCommand, export: Path
) -> None:
    result = run_command("imports", "fhir", take_in.tenant.slug, export, "--strict")
    listed = run_command("imports", "list", take_in.tenant.slug, "--json")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The import stopped at Patient.ndjson, line 2: This is not valid JSON.\n"
    )
    assert [job["state"] for job in orjson.loads(listed.stdout)] == ["failed"]


@pytest.mark.parametrize(
    ("slug", "path", "sentence"),
    [
        (None, "nowhere", "nowhere cannot be found."),
        (None, "empty", "empty holds no FHIR files."),
        (
            "no-such-tenant",
            "export",
            "The tenant 'no-such-tenant' does not exist. `flask tenants list` shows all tenants.",
        ),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_sentence(
    take_in: Importer,
    run_command: RunCommand,
    export: Path,
    slug: str | None,
    path: str,
    sentence: str,
) -> None:
    (export.parent / "empty").mkdir()

    result = run_command("imports", "fhir", slug or take_in.tenant.slug, export.parent / path)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith(sentence + "\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "must have 1 to 64 characters"),
        ("s" * 65, "must have 1 to 64 characters"),
        ("manual", "must not be the source of patients entered by hand"),
    ],
)
def test_a_source_must_have_a_usable_name(
    take_in: Importer, run_command: RunCommand, export: Path, source: str, reason: str
) -> None:
    result = run_command("imports", "fhir", take_in.tenant.slug, export, "--source", source)

    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_file_that_changed_is_another_import(
    take_in: Importer, run_command: RunCommand, export: Path
) -> None:
    command = ("imports", "fhir", take_in.tenant.slug, export / "Patient.ndjson")
    run_command(*command)
    take_in.query("UPDATE import_job SET state = 'running'")
    (export / "Patient.ndjson").write_bytes(write_ndjson(make_patient(1), b"{", make_patient(3)))

    run_command(*command)

    assert set(take_in.versions()) == {"p1", "p2", "p3"}
