"""All Synthea patients go into the database, out as FHIR NDJSON, and in again with equal rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from members import MakeTenant

from tests.exports.test_export_command import PATIENTS, export
from tests.recruiting.imports.importing import Importer
from trially.database.rows import Item
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.running import fingerprint_of, run_import
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context

SOURCE = "synthea"
FACTS = """
SELECT f.source_type, f.source_id, f.component, p.source_id, md5((to_jsonb(f) - ARRAY['id',
    'tenant_id', 'patient_id', 'created_at', 'updated_at', 'content_hash', 'zone', 'zoned_times',
    'recorded_patient_id'])::text)
FROM clinical_fact f JOIN patient p ON p.id = f.patient_id
ORDER BY 1, 2, 3
"""


def import_folder(importer: Importer, folder: Path) -> Item:
    files = find_source_files([folder])
    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        return run_import(files, source=SOURCE, fingerprint=fingerprint_of(files))


def test_all_patients_of_synthea_are_equal_after_a_round_trip(
    app: Flask,
    make_tenant: MakeTenant,
    run_command: Callable[..., Any],
    shared_data: Path,
    tmp_path: Path,
) -> None:
    before = Importer(app, make_tenant(Tier.POOLED_ROWS))
    after = Importer(app, make_tenant(Tier.DEDICATED_DATABASE))
    imported = import_folder(before, shared_data / "fhir" / "synthea_615_ndjson")

    manifest = export(run_command, before.tenant, tmp_path / "out", "--format", "fhir")
    assert manifest["sources"] == {"fhir/1": SOURCE}
    again = import_folder(after, tmp_path / "out" / "fhir" / "1")

    read = {kind: counts["read"] for kind, counts in imported["counts"].items()}
    assert {kind: counts["new"] for kind, counts in again["counts"].items()} == read
    assert read["Patient"] == 615
    assert (again["error_count"], after.faults()) == (0, [])
    assert after.query(PATIENTS) == before.query(PATIENTS)
    facts = before.query(FACTS)
    assert len(facts) > 138_000 - 615
    assert after.query(FACTS) == facts
