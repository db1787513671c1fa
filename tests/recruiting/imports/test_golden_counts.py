"""Real data gives the counts of an independent analysis, however often it is imported."""

import lzma
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import orjson
import pytest
from flask import Flask

from tests.recruiting.imports.importing import Importer
from trially.database.rows import Item
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.run_counts import COUNTED
from trially.recruiting.imports.running import fingerprint_of, run_import
from trially.recruiting.imports.writing.statements import (
    NAME_MEDICATIONS,
    REMOVE_COMPONENTS,
    UPSERT_FACTS,
)
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant

COUNTS = {
    "Patient": 615,
    "Condition": 4_546,
    "Observation": 88_674,
    "MedicationRequest": 4_712,
    "Procedure": 14_081,
    "AllergyIntolerance": 374,
    "Encounter": 18_098,
    "Immunization": 7_389,
}
# Of values with equal times, the one with the smallest id counts as the latest.
GOLDEN = """
WITH alive AS (SELECT * FROM patient WHERE NOT deceased),
valued AS (
    SELECT * FROM clinical_fact WHERE type = 'observation' AND value_number IS NOT NULL
    AND NOT entered_in_error AND start_at <= '2021-04-01Z'
),
latest AS (
    SELECT DISTINCT ON (patient_id, code) patient_id, code, value_number, start_at FROM valued
    ORDER BY patient_id, code, start_at DESC, recorded_at DESC, source_id COLLATE "C", component
),
of_alive AS (SELECT * FROM latest WHERE patient_id IN (SELECT id FROM alive)),
diagnosed AS (
    SELECT DISTINCT patient_id, code FROM clinical_fact
    WHERE type = 'condition' AND start_at <= '2021-04-01Z'
    AND patient_id IN (SELECT id FROM alive)
),
metformin AS (
    SELECT patient_id, status FROM clinical_fact
    WHERE type = 'medication' AND display ILIKE '%metformin%'
)
SELECT
    (SELECT count(*) FROM patient) AS "patients",
    (SELECT count(*) FROM alive) AS "alive",
    (SELECT count(*) FROM alive WHERE extract(year FROM age('2021-04-01', birth_date))
        BETWEEN 18 AND 75) AS "alive_age_18_75",
    (SELECT count(*) FROM alive WHERE sex = 'female') AS "alive_female",
    (SELECT count(*) FROM latest WHERE code = '4548-4') AS "have_hba1c_4548-4",
    (SELECT count(*) FROM latest WHERE code = '4548-4' AND value_number >= 6.5)
        AS "hba1c_latest_ge_6.5",
    (SELECT count(*) FROM of_alive WHERE code = '4548-4' AND value_number BETWEEN 7 AND 10)
        AS "hba1c_latest_7_to_10_alive",
    (SELECT count(*) FROM latest WHERE code = '4548-4' AND start_at >= '2020-04-01Z')
        AS "hba1c_in_last_365d",
    (SELECT count(*) FROM latest WHERE code = '8480-6') AS "have_sbp",
    (SELECT count(*) FROM of_alive WHERE code = '8480-6' AND value_number >= 140)
        AS "sbp_latest_ge_140_alive",
    (SELECT count(*) FROM latest WHERE code = '33914-3') AS "have_egfr_33914-3",
    (SELECT count(*) FROM of_alive WHERE code = '33914-3' AND value_number < 60)
        AS "egfr_latest_lt_60_alive",
    (SELECT count(*) FROM latest WHERE code = '39156-5') AS "have_bmi",
    (SELECT count(*) FROM of_alive WHERE code = '39156-5' AND value_number >= 30)
        AS "bmi_latest_ge_30_alive",
    (SELECT count(*) FROM diagnosed WHERE code = '44054006') AS "cond_diabetes_44054006_alive",
    (SELECT count(*) FROM diagnosed WHERE code = '38341003') AS "cond_hypertension_38341003_alive",
    (SELECT count(*) FROM diagnosed WHERE code = '15777000') AS "cond_prediabetes_15777000_alive",
    (SELECT count(*) FROM diagnosed WHERE code = '49436004') AS "cond_afib_49436004_alive",
    (SELECT count(*) FROM diagnosed WHERE code = '53741008') AS "cond_chd_53741008_alive",
    (SELECT count(DISTINCT patient_id) FROM metformin) AS "ever_metformin",
    (SELECT count(DISTINCT patient_id) FROM metformin WHERE status = 'active')
        AS "active_metformin"
"""
CONTENT = """
SELECT fact.source_type, fact.source_id, fact.component, fact.code, fact.value_number,
    fact.start_at, encode(fact.content_hash, 'hex'), patient.source_id
FROM clinical_fact fact JOIN patient ON patient.id = fact.patient_id
WHERE patient.source_id = ANY(:patients) ORDER BY 1, 2, 3
"""
BUNDLES_TRIED = 40


def import_paths(importer: Importer, *paths: Path) -> Item:
    source_files = find_source_files(paths)
    with importer.app.app_context(), tenant_context(importer.tenant.slug):
        return run_import(source_files, source="fhir", fingerprint=fingerprint_of(source_files))


@pytest.fixture(scope="module")
def synthea(app: Flask, shared_data: Path) -> tuple[Importer, Item]:
    """A tenant with the 615 patients, and their import."""
    with app.app_context():
        importer = Importer(app, create_tenant("golden", "Golden"))
    return importer, import_paths(importer, shared_data / "fhir/synthea_615_ndjson")


@pytest.fixture(scope="module")
def bundles(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some of the bundles of the same patients."""
    folder = tmp_path_factory.mktemp("bundles")
    with (
        lzma.open(shared_data / "fhir/synthea_bundles_617.tar.xz") as packed,
        tarfile.open(fileobj=packed, mode="r|") as archive,
    ):
        for number, member in enumerate(islice(_bundle_members(archive), BUNDLES_TRIED)):
            content = archive.extractfile(member)
            assert content is not None
            (folder / f"{number}.json").write_bytes(content.read())
    return folder


def _bundle_members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    return (member for member in archive if member.isfile())


def test_every_resource_is_imported(synthea: tuple[Importer, Item]) -> None:
    importer, job = synthea

    assert job["state"] == "done"
    assert (job["error_count"], importer.faults()) == (0, [])
    assert job["counts"] == {
        kind: dict.fromkeys(COUNTED, 0) | {"read": count, "new": count}
        for kind, count in COUNTS.items()
    }
    assert set(job["passed_over"]) == {
        "CarePlan",
        "DiagnosticReport",
        "Goal",
        "ImagingStudy",
        "Organization",
        "Practitioner",
    }
    assert dict(
        importer.query(
            "SELECT source_type, count(*) FROM clinical_fact WHERE component = 0 GROUP BY 1"
        )
    ) == {kind: count for kind, count in COUNTS.items() if kind != "Patient"}


def test_the_tables_give_the_counts_of_an_independent_pass(
    synthea: tuple[Importer, Item], shared_data: Path
) -> None:
    golden = orjson.loads((shared_data / "fhir/synthea_615_golden_counts.json").read_bytes())

    assert golden["counts"] == dict(zip(golden["counts"], synthea[0].query(GOLDEN)[0], strict=True))


def test_last_encounters_are_those_of_the_records(synthea: tuple[Importer, Item]) -> None:
    assert synthea[0].query(
        "SELECT count(*) FROM patient WHERE last_encounter_on IS DISTINCT FROM"
        " (SELECT max((start_at AT TIME ZONE 'UTC')::date) FROM clinical_fact"
        " WHERE patient_id = patient.id AND type = 'encounter')"
    ) == [(0,)]


def test_importing_again_changes_no_row(synthea: tuple[Importer, Item], shared_data: Path) -> None:
    importer, _ = synthea
    before = importer.snapshot()

    job = import_paths(importer, shared_data / "fhir/synthea_615_ndjson")

    assert importer.snapshot() == before
    assert {kind: (n["read"], n["new"], n["changed"]) for kind, n in job["counts"].items()} == {
        kind: (count, 0, 0) for kind, count in COUNTS.items()
    }


@pytest.mark.parametrize("shift", ["", "x"], ids=["known", "new"])
def test_no_batch_reads_a_whole_table(synthea: tuple[Importer, Item], shift: str) -> None:
    importer, _ = synthea
    rows = importer.query(
        "SELECT coalesce(json_agg(r), '[]')::text FROM (SELECT *, id::text || '' AS id,"
        " source_id || :shift AS source_id, '' AS content_hash FROM clinical_fact LIMIT 1000) r",
        shift=shift,
    )[0][0]

    for statement in (UPSERT_FACTS, REMOVE_COMPONENTS, NAME_MEDICATIONS):
        plan = importer.query(
            f"EXPLAIN {statement}",
            rows=rows,
            source="fhir",
            tenant_id=str(importer.tenant.id),
        )

        assert not [line for (line,) in plan if "Seq Scan on clinical_fact" in line]


def test_bundles_of_the_same_patients_change_no_row(
    synthea: tuple[Importer, Item], bundles: Path
) -> None:
    importer, _ = synthea
    before = importer.snapshot()

    job = import_paths(importer, bundles)

    assert importer.snapshot() == before
    assert job["error_count"] == 0
    assert job["counts"]["Patient"]["read"] >= BUNDLES_TRIED - 2
    assert sum(n["new"] + n["changed"] for n in job["counts"].values()) == 0


def test_bundles_give_another_tenant_the_same(
    app: Flask, synthea: tuple[Importer, Item], bundles: Path
) -> None:
    importer, _ = synthea
    with app.app_context():
        other = Importer(app, create_tenant("bundled", "Bundled"))

    import_paths(other, bundles)

    patients = [row[0] for row in other.query("SELECT source_id FROM patient")]
    content = other.query(CONTENT, patients=patients)
    assert len(content) > 1_000
    assert content == importer.query(CONTENT, patients=patients)


def test_a_real_export_loads(app: Flask, shared_data: Path) -> None:
    with app.app_context():
        importer = Importer(app, create_tenant("exported", "Exported"))

    job = import_paths(importer, shared_data / "fhir/smart_bulk_10")

    counts = {kind: number["new"] for kind, number in job["counts"].items()}
    assert (counts["Patient"], counts["Condition"]) == (13, 555)
    assert (counts["MedicationRequest"], counts["Procedure"]) == (1_745, 2_056)
    assert counts["DocumentReference"] > 0
    assert job["error_count"] == 0
