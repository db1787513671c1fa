"""`flask tenants export` writes a whole tenant, or nothing."""

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member

from tests.recruiting.imports.importing import Importer
from trially.config import ROOT
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

RunCommand = Callable[..., Any]
FACTS = """
SELECT to_jsonb(f) - ARRAY['id', 'tenant_id', 'patient_id', 'created_at', 'updated_at',
    'content_hash', 'zone', 'zoned_times', 'recorded_patient_id']
FROM clinical_fact f ORDER BY source_type, source_id, component
"""
PATIENTS = """
SELECT to_jsonb(p) - ARRAY['id', 'tenant_id', 'created_at', 'updated_at', 'content_hash',
    'audit_number', 'audit_key', 'version', 'clinical_version', 'deceased_zone', 'deceased_at',
    'replaced_by_id'] FROM patient p ORDER BY source_id
"""
DOCUMENTS = """
SELECT source_type, source_id, title, author, type_code, at, status, (SELECT
    string_agg(content, E'\\n\\n' ORDER BY number) FROM document_page WHERE document_id = d.id)
FROM document d ORDER BY source_id
"""


def export(run_command: RunCommand, tenant: Tenant, directory: Path, *options: str) -> Any:
    result = run_command("tenants", "export", tenant.slug, "--to", directory, *options)
    assert result.exit_code == 0, result.output
    return json.loads((directory / "manifest.json").read_text())


def test_an_import_of_an_export_has_the_same_rows(
    app: Flask,
    make_tenant: MakeTenant,
    run_command: RunCommand,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    before, after = (Importer(app, make_tenant(Tier.POOLED_ROWS)) for _ in range(2))
    paths = sorted((shared_data / "fhir" / "smart_bulk_10").glob("[A-Z]*.ndjson.gz"))
    before.read(*(gzip.decompress(path.read_bytes()) for path in paths), source="hospital")

    manifest = export(run_command, before.tenant, tmp_path / "out", "--format", "fhir")
    files = [each["path"] for each in manifest["files"]]
    assert manifest["sources"] == {"fhir/1": "hospital"}
    after.read(*((tmp_path / "out" / path).read_bytes() for path in files), source="hospital")

    for statement in (PATIENTS, FACTS, DOCUMENTS):
        rows = before.query(statement)
        assert len(rows) > 5
        assert after.query(statement) == rows
    assert after.faults() == []


def test_an_export_is_private_and_complete(
    tenant: Tenant,
    member: Member,
    make_patient: MakePatient,
    run_command: RunCommand,
    tmp_path: Path,
) -> None:
    make_patient(member, family_name="Quillfeather")
    directory = tmp_path / "out"

    manifest = export(run_command, tenant, directory)

    assert {each["path"].split("/")[0] for each in manifest["files"]} == {
        *("fhir", "csv", "audit", "files")
    }
    for each in manifest["files"]:
        content = (directory / each["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
        assert len(content) == each["bytes"]
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in directory.rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert "Quillfeather" not in " ".join(map(str, directory.rglob("*")))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_directory_with_files_is_left_alone(
    tenant: Tenant, run_command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("kept")

    result = run_command("tenants", "export", tenant.slug, "--to", tmp_path)

    assert result.exit_code == 1
    assert "is not empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failed_export_leaves_nothing(
    tenant: Tenant, run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("trially.exports.contents.write_audit", fail)

    result = run_command("tenants", "export", tenant.slug, "--to", tmp_path / "out")

    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_the_audit_log_can_be_verified_elsewhere(
    app: Flask,
    tenant: Tenant,
    member: Member,
    make_patient: MakePatient,
    run_command: RunCommand,
    tmp_path: Path,
) -> None:
    make_patient(member)
    with app.app_context():
        run_command("audit", "seal", tenant.slug)
    export(run_command, tenant, tmp_path / "out", "--format", "audit")

    verifier = [sys.executable, "-I", ROOT / "tools" / "verify_audit.py", str(tenant.id)]
    done = subprocess.run(
        verifier, cwd=tmp_path / "out" / "audit", capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "intact" in done.stdout


def test_no_cell_is_a_formula_and_each_column_is_described(
    tenant: Tenant,
    member: Member,
    make_patient: MakePatient,
    run_command: RunCommand,
    tmp_path: Path,
) -> None:
    for beginning in "=+-@":
        make_patient(member, family_name=f"{beginning}SUM(A1)")
    export(run_command, tenant, tmp_path / "out", "--format", "csv")

    folder = tmp_path / "out" / "csv"
    with (folder / "patient.csv").open(newline="") as file:
        patients = list(csv.DictReader(file))
    with (folder / "dictionary.csv").open(newline="") as file:
        described = {(row["table"], row["column"]): row for row in csv.DictReader(file)}
    assert sorted(row["family_name"] for row in patients) == [
        f"'{beginning}SUM(A1)" for beginning in "+-=@"
    ]
    assert "audit_key" not in patients[0]
    for path in folder.glob("*.csv"):
        if path.name != "dictionary.csv":
            with path.open(newline="") as file:
                names = next(csv.reader(file))
            assert all((path.stem, name) in described for name in names)
    replaced = described["patient", "replaced_by_id"]["description"]
    assert replaced.startswith("The record that replaces this one")


def test_an_export_is_recorded_and_names_of_parts_are_checked(
    tenant: Tenant, as_member: AsMember, run_command: RunCommand, tmp_path: Path
) -> None:
    export(run_command, tenant, tmp_path / "out", "--format", "csv")
    wrong = run_command(
        "tenants", "export", tenant.slug, "--to", tmp_path / "no", "--format", "xml"
    )

    records = as_member(tenant).get("/audit").json["data"]
    assert [each["action"] for each in records if "tenants export" in each["route"]] == ["export"]
    assert wrong.exit_code == 1
    assert "'xml' is no part of an export" in wrong.output
    assert not (tmp_path / "no").exists()


def test_an_export_to_a_url_is_not_mixed_with_others(
    tenant: Tenant, run_command: RunCommand, tmp_path: Path
) -> None:
    url = (tmp_path / "store").as_uri()

    first = run_command("tenants", "export", tenant.slug, "--to", url, "--format", "csv")
    second = run_command("tenants", "export", tenant.slug, "--to", url, "--format", "csv")

    assert first.exit_code == 0, first.output
    assert (tmp_path / "store" / "manifest.json").is_file()
    assert second.exit_code == 1
    assert "is not empty" in second.output
