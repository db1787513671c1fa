"""CSV files and HL7 v2 messages are imported by commands and over HTTP, and only once."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.conftest import Member
from tests.recruiting.imports.formats.reading_messages import PID, message
from tests.recruiting.imports.formats.reading_tables import zipped
from tests.recruiting.imports.importing import Importer
from trially.recruiting.imports.writing.patient_keys import WAITS_FOR_PATIENT

RunCommand = Callable[..., Any]

PATIENTS = "MRN;Nachname;Geburtsdatum\n00123;Müller;23.07.1961\n00124;Öz;3/4/1970\n"
LABS = (
    "MRN;LOINC;Wert;Einheit;Datum\n00123;718-7;13.5;g/dL;04.03.2024\n00999;718-7;<9.1;g/dL;2024\n"
)
OBR = "OBR|1||F1|24323-8^Panel^LN|||20240304080000"
MESSAGES = (
    message(PID, "PV1|1|I" + "|" * 17 + "V1" + "|" * 25 + "20240304", "DG1|1||E11.9^Diabetes^I10")
    + message(PID, OBR, "OBX|1|NM|718-7^Hb^LN||13.5|g/dL|12-16|N|||F", kind="ORU^R01")
    + message("PID|1")
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "patients.csv").write_text(PATIENTS, encoding="cp1252")
    (tmp_path / "labs.csv").write_text(LABS)
    (tmp_path / "adt.hl7").write_text(MESSAGES)
    return tmp_path


def test_csv_files_are_imported_once(
    importer: Importer, run_command: RunCommand, files: Path
) -> None:
    def run(kind: str) -> dict[str, Any]:
        result = run_command(
            *("imports", "csv", importer.tenant.slug, files / f"{kind}.csv", "--json"),
            *("--source", "kis", "--kind", kind),
        )
        assert result.exit_code == 0, result.stderr
        report: dict[str, Any] = orjson.loads(result.stdout)
        return report

    first = run("patients"), run("labs")
    rows = importer.snapshot()
    again = run("patients"), run("labs")

    assert [report["state"] for report in first] == ["done", "done"]
    assert first[0]["counts"]["Patient"]["new"] == 2
    assert [(each["line"], each["reason"].partition(" is")[0]) for each in first[0]["errors"]] == [
        (3, "Cell 3 (birth_date)")
    ]
    assert first[1]["counts"]["Observation"]["new"] == 1
    assert [(each["line"], each["code"], each["missing_id"]) for each in first[1]["errors"]] == [
        (3, "patient_missing", "Patient/00999")
    ]
    assert importer.snapshot() == rows
    assert again[0]["counts"]["Patient"]["changed"] == 0
    assert importer.query(
        "SELECT family_name, mrn, birth_date::text FROM patient ORDER BY mrn"
    ) == [
        ("Müller", "00123", "1961-07-23"),
        ("Öz", "00124", None),
    ]
    assert importer.query(
        "SELECT code, value_number, unit, start_at::date::text FROM clinical_fact"
    ) == [("718-7", 13.5, "g/dL", "2024-03-04")]


def test_a_dry_run_shows_columns_rows_and_faults_and_changes_nothing(
    importer: Importer, run_command: RunCommand, files: Path
) -> None:
    command = ("imports", "csv", importer.tenant.slug, files / "labs.csv", "--source", "kis")
    result = run_command(*command, "--kind", "labs", "--dry-run")

    assert result.exit_code == 0
    shown = re.sub(r"/lab-\w+", "/…", result.stdout)
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[:7] == [
        "labs.csv: utf-8-sig, semicolon, decimal mark dot, undeclared.",
        "number header field reason",
        "1 MRN patient header",
        "2 LOINC loinc header",
        "3 Wert value header",
        "4 Einheit unit header",
        "5 Datum date header",
    ]
    assert '"value_number":13.5' in lines[7]
    assert lines[-5:] == [
        "2 errors, 0 of them a line or record that was not imported.",
        "patient_missing (Observation): 2",
        f"labs.csv, line 2, Observation/…: {WAITS_FOR_PATIENT} Missing: Patient/00123.",
        f"labs.csv, line 3, Observation/…: {WAITS_FOR_PATIENT} Missing: Patient/00999.",
        "Nothing was imported.",
    ]


def test_a_dry_run_of_columns_that_are_not_certain_fails_and_shows_them(
    importer: Importer, run_command: RunCommand, tmp_path: Path
) -> None:
    table, mapping = tmp_path / "table.csv", tmp_path / "mapping.json"
    table.write_text("Fall,Test,Wert\n1,Hb,13\n")
    mapping.write_text('{"labs": {"columns": {"patient": "Fall"}}}')
    command = ("imports", "csv", importer.tenant.slug, table, "--source", "kis", "--kind", "labs")

    refused = run_command(*command, "--dry-run")
    imported = run_command(*command)
    mapped = run_command(*command, "--dry-run", "--mapping", mapping)

    assert refused.exit_code == imported.exit_code == 1
    assert "No column holds patient. Name one in the mapping." in refused.stdout
    assert imported.stderr == (
        "Error: table.csv cannot be imported. No column holds patient. Name one in the mapping.\n"
    )
    assert mapped.exit_code == 0


def test_a_mapping_is_stored_with_the_source(
    importer: Importer, run_command: RunCommand, member: Member, tmp_path: Path
) -> None:
    table, mapping = tmp_path / "table.csv", tmp_path / "mapping.json"
    table.write_text("No,Born\n7,3/4/1970\n")
    columns = {"patient": "No", "birth_date": "Born"}
    mapping.write_text(json.dumps({"columns": columns, "dates": "DD/MM/YYYY"}))
    command = ("imports", "csv", importer.tenant.slug, table, "--source", "kis", "--kind")

    run_command(*command, "patients", "--mapping", mapping)
    again = run_command(*command, "patients", "--json")
    other = run_command(*command, "labs")

    assert orjson.loads(again.stdout)["error_count"] == 0
    assert importer.value("SELECT birth_date::text FROM patient") == "1970-04-03"
    assert other.exit_code == 1
    [source] = member.get("/sources?name=kis").get_json()["data"]
    assert source["column_mapping"] == {"patients": {"columns": columns, "dates": "DD/MM/YYYY"}}


def test_messages_are_imported_once(
    importer: Importer, run_command: RunCommand, files: Path
) -> None:
    command = ("imports", "hl7v2", importer.tenant.slug, files / "adt.hl7", "--source", "adt")
    first = orjson.loads(run_command(*command, "--json").stdout)
    rows = importer.snapshot()
    again = orjson.loads(run_command(*command, "--json").stdout)

    assert {kind: counts["new"] for kind, counts in first["counts"].items()} == {
        "Condition": 1,
        "Encounter": 1,
        "Observation": 1,
        "Patient": 1,
    }
    assert [(each["line"], each["reason"]) for each in first["errors"]] == [
        (10, "PID has no number of a patient.")
    ]
    assert sum(counts["changed"] for counts in again["counts"].values()) == 0
    assert importer.snapshot() == rows
    assert importer.query("SELECT mrn, family_name FROM patient") == [("123", "Müller")]


def test_messages_in_any_order_give_the_newest_record_and_merges(
    importer: Importer, run_command: RunCommand, tmp_path: Path
) -> None:
    sparse = "PID|1||123^^^HOSP&1.2.3&ISO^MR||Mueller^J"
    old = PID.replace("Müller", "Meyer").replace("|123^", "|9^")
    result = "OBX|1|NM|718-7^Hb^LN||{}|g/dL|||||{}"
    steps = [
        message(PID, time="20240304100000+0100"),
        message(PID.replace("Müller", "Older"), kind="ADT^A08", time="20240101100000+0100"),
        message(sparse, OBR, result.format(71, "F"), kind="ORU^R01", time="20240305100000+0100"),
        message(sparse, OBR, result.format(7.1, "C"), kind="ORU^R01", time="20240306100000+0100"),
        message(sparse, OBR, result.format(71, "F"), kind="ORU^R01", time="20240305100000+0100"),
        message(old, OBR, result.format(9, "F"), kind="ORU^R01"),
        message(sparse, "MRG|9^^^HOSP&1.2.3&ISO^MR", kind="ADT^A40", time="20240307100000+0100"),
    ]
    for number, content in enumerate(steps):
        path = tmp_path / f"{number}.hl7"
        path.write_text(content)
        command = ("imports", "hl7v2", importer.tenant.slug, path, "--source", "adt")
        assert run_command(*command).exit_code == 0

    patients = importer.query(
        "SELECT mrn, family_name, birth_date::text, replaced_by_id IS NULL FROM patient"
        " ORDER BY mrn"
    )
    values = importer.query(
        "SELECT value_number::float, status, mrn FROM clinical_fact JOIN patient"
        " ON patient.id = patient_id ORDER BY 1"
    )
    assert patients[0] == ("123", "Müller", "1961-07-23", True)
    assert patients[1][0] == "9"
    assert patients[1][3] is False
    assert values == [(7.1, "corrected", "123"), (9.0, "final", "123")]


def test_merges_cancellations_and_deletions_hold_until_a_newer_message(
    importer: Importer, run_command: RunCommand, tmp_path: Path
) -> None:
    old, result = PID.replace("|123^", "|9^"), "OBX|1|NM|718-7^Hb^LN||7|g/dL|||||F"
    visit = "PV1|1|I" + "|" * 17 + "V1" + "|" * 25 + "20240304|"
    ended = visit + "20240306"
    people = "SELECT record_status, coalesce(withdrawn_reason, '') FROM patient ORDER BY mrn"
    visits = (
        "SELECT status, end_at IS NULL, withdrawn_at IS NULL FROM clinical_fact"
        " WHERE type = 'encounter'"
    )
    moved = (
        "SELECT mrn FROM clinical_fact JOIN patient ON patient.id = patient_id WHERE code = '718-7'"
    )

    def send(event: str, day: int, *segments: str) -> None:
        path = tmp_path / f"{event}-{day}.hl7"
        path.write_text(message(*segments, kind=event, time=f"202403{day:02}"))
        command = ("imports", "hl7v2", importer.tenant.slug, path, "--source", "adt")
        finished = run_command(*command)
        assert finished.exit_code == 0, finished.stderr

    def states() -> list[Any]:
        return importer.query(people)

    send("ADT^A01", 4, PID, visit)
    send("ORU^R01", 4, old, OBR, result)
    send("ADT^A40", 5, PID, "MRG|9^^^HOSP&1.2.3&ISO^MR")
    assert states() == [("current", ""), ("replaced", "")]
    send("ADT^A08", 4, old)  # older than the merge
    assert states() == [("current", ""), ("replaced", "")]
    assert importer.query(moved) == [("123",)]
    send("ADT^A08", 6, old)  # the merge is undone
    assert states() == [("current", ""), ("current", "")]
    assert importer.query(moved) == [("9",)]

    seen = []
    for event, day, segment in (
        ("A03", 6, ended),
        ("A13", 7, ended),
        ("A11", 8, visit),
        ("A08", 5, ended),  # older
        ("A23", 9, visit),
        ("A08", 8, ended),  # older
        ("A08", 10, ended),
    ):
        send(f"ADT^{event}", day, PID, segment)
        seen += importer.query(visits)
    assert seen == [
        ("finished", False, True),
        ("in-progress", True, True),
        ("cancelled", True, True),
        ("cancelled", True, True),
        ("cancelled", True, False),
        ("cancelled", True, False),
        ("finished", False, True),
    ]
    send("ADT^A29", 11, old)
    assert states() == [("current", ""), ("withdrawn", "deleted")]
    send("ADT^A28", 10, old)  # older
    assert states() == [("current", ""), ("withdrawn", "deleted")]
    send("ADT^A28", 12, old)
    assert states() == [("current", ""), ("current", "")]


@pytest.mark.parametrize(
    ("kind", "body", "query", "expected"),
    [
        ("text/csv", PATIENTS, {"kind": "patients"}, 2),
        ("text/csv; charset=utf-8", PATIENTS, {"kind": "patients", "delimiter": "semicolon"}, 2),
        (
            "text/csv; charset=utf-8",
            PATIENTS.encode("cp1252"),
            {"kind": "patients", "encoding": "windows-1252"},
            2,
        ),
        (
            "text/csv",
            "No;G\n1;2/3/1961\n",
            {
                "kind": "patients",
                "mapping": '{"columns": {"patient": "No", "birth_date": 2}, "dates": "DD/MM/YYYY"}',
            },
            1,
        ),
        ("application/hl7-v2", MESSAGES, {"time_zone": "Europe/Berlin"}, 1),
    ],
)
def test_an_upload_in_another_format(
    member: Member, kind: str, body: str | bytes, query: dict[str, str], expected: int
) -> None:
    url = f"/imports?{urlencode({'source': 'kis', **query})}"
    content = body if isinstance(body, bytes) else body.encode()

    job = member.post(url, data=content, content_type=kind).get_json()
    again = member.post(url, data=content, content_type=kind).get_json()

    assert job["counts"]["Patient"]["new"] == expected
    assert again["counts"]["Patient"]["new"] == again["counts"]["Patient"]["changed"] == 0


@pytest.mark.parametrize(
    ("kind", "body", "query", "reason"),
    [
        ("text/csv", PATIENTS, "source=k", "needs the parameter kind"),
        ("text/csv", "a,b\n1,2\n", "source=k&kind=labs", "No column holds patient"),
        ("text/csv", PATIENTS, "source=k&kind=patients&mapping=%7B", "not valid JSON"),
        ("text/csv", PATIENTS, "source=k&kind=patients&mapping=%5B%5D", "not a JSON object"),
        ("text/csv", "\n\n", "source=k&kind=patients", "is empty"),
        ("text/csv; charset=klingon", PATIENTS, "source=k&kind=patients", "charset"),
        ("text/csv", zipped("xl/workbook.xml"), "source=k&kind=patients", "of a workbook, export"),
        ("application/hl7-v2", MESSAGES, "source=k&time_zone=Mars", "time zone 'Mars' is unknown"),
    ],
)
def test_an_upload_that_is_not_certain_is_refused(
    member: Member, kind: str, body: str | bytes, query: str, reason: str
) -> None:
    content = body if isinstance(body, bytes) else body.encode()
    response = member.post(f"/imports?{query}", data=content, content_type=kind)

    assert response.status_code == 422
    assert response.get_json()["code"] == "validation_failed"
    assert reason in response.get_json()["detail"]
    assert member.get("/imports").get_json()["data"] == []
