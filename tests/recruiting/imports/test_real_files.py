"""Real data, if it is present, gives the counts of an independent analysis."""

from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from trially.recruiting.imports.fhir.rows import IgnoredResource
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.limits import UNLIMITED_INPUT
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import read_resources
from trially.recruiting.imports.reading.source_files import find_source_files

FHIR = Path(__file__).parents[4] / "shared" / "data" / "fhir"
SYNTHEA = FHIR / "synthea_615_ndjson"
BUNDLES = FHIR / "synthea_bundles_617.tar.xz"
BULK = FHIR / "smart_bulk_10"

needs_synthea = pytest.mark.skipif(not SYNTHEA.exists(), reason="the 615 patients are not here")
needs_bundles = pytest.mark.skipif(not BUNDLES.exists(), reason="the bundles are not here")
needs_bulk = pytest.mark.skipif(not BULK.exists(), reason="the bulk export is not here")


def read_rows(path: Path, limit: int | None = None) -> dict[tuple[str, str, int], Any]:
    rows_by_key: dict[tuple[str, str, int], Any] = {}
    for source_file in find_source_files([path]):
        for line in islice(read_resources(source_file, InputMeter(UNLIMITED_INPUT)), limit):
            assert line.resource is not None
            rows = translate(line.resource)
            if not isinstance(rows, IgnoredResource):
                for row in rows if isinstance(rows, list) else [rows]:
                    kind = line.resource["resourceType"]
                    component: Any = dict(row).get("component", 0)
                    rows_by_key[kind, row["source_id"], component] = row
    return rows_by_key


@pytest.fixture(scope="module")
def synthea() -> dict[tuple[str, str, int], Any]:
    return read_rows(SYNTHEA)


@needs_synthea
def test_615_patients_give_the_counts_of_an_independent_pass(
    synthea: dict[tuple[str, str, int], Any],
) -> None:
    golden = orjson.loads((FHIR / "synthea_615_golden_counts.json").read_bytes())["counts"]
    as_of = "2021-04-01T00:00:00Z"
    patients = {row["source_id"]: row for key, row in synthea.items() if key[0] == "Patient"}
    alive = {key for key, row in patients.items() if not row["deceased"]}
    values: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    having: dict[str, set[str]] = defaultdict(set)
    on_metformin: dict[str | None, set[str]] = defaultdict(set)
    for row in synthea.values():
        if row.get("type") == "observation" and row["start_at"] <= as_of:
            if row.get("value_number") is not None:
                values[row["code"]][row["patient_source_id"]].append(row)
        elif row.get("type") == "condition" and row["start_at"] <= as_of:
            having[row["code"]].add(row["patient_source_id"])
        elif row.get("type") == "medication" and "metformin" in row["display"].lower():
            on_metformin[row["status"]].add(row["patient_source_id"])

    def latest(code: str) -> dict[str, float]:
        return {patient: newest(rows)["value_number"] for patient, rows in values[code].items()}

    def newest(rows: list[Any]) -> Any:
        """Return the newest row; of rows with equal times, the one with the smallest id.

        Four patients have two eGFR values of the same time.
        """
        by_id = sorted(rows, key=lambda row: row["source_id"])
        return max(by_id, key=lambda row: (row["start_at"], row["recorded_at"]))

    def is_adult(patient: str) -> bool:
        born: str = patients[patient]["birth_date"]
        return 18 <= 2021 - int(born[:4]) - int(born[5:] > "04-01") <= 75

    hba1c, systolic, egfr, bmi = (
        latest(code) for code in ("4548-4", "8480-6", "33914-3", "39156-5")
    )
    assert golden == {
        "patients": len(patients),
        "alive": len(alive),
        "alive_age_18_75": sum(map(is_adult, alive)),
        "alive_female": sum(patients[key]["sex"] == "female" for key in alive),
        "have_hba1c_4548-4": len(hba1c),
        "hba1c_latest_ge_6.5": sum(value >= 6.5 for value in hba1c.values()),
        "hba1c_latest_7_to_10_alive": sum(7 <= hba1c[key] <= 10 for key in alive & hba1c.keys()),
        "hba1c_in_last_365d": sum(
            newest(rows)["start_at"] >= "2020-04-01" for rows in values["4548-4"].values()
        ),
        "have_sbp": len(systolic),
        "sbp_latest_ge_140_alive": sum(systolic[key] >= 140 for key in alive & systolic.keys()),
        "have_egfr_33914-3": len(egfr),
        "egfr_latest_lt_60_alive": sum(egfr[key] < 60 for key in alive & egfr.keys()),
        "have_bmi": len(bmi),
        "bmi_latest_ge_30_alive": sum(bmi[key] >= 30 for key in alive & bmi.keys()),
        "cond_diabetes_44054006_alive": len(alive & having["44054006"]),
        "cond_hypertension_38341003_alive": len(alive & having["38341003"]),
        "cond_prediabetes_15777000_alive": len(alive & having["15777000"]),
        "cond_afib_49436004_alive": len(alive & having["49436004"]),
        "cond_chd_53741008_alive": len(alive & having["53741008"]),
        "ever_metformin": len(set().union(*on_metformin.values())),
        "active_metformin": len(on_metformin["active"]),
    }


@needs_synthea
@needs_bundles
def test_bundles_and_ndjson_give_the_same_rows(synthea: dict[tuple[str, str, int], Any]) -> None:
    rows = read_rows(BUNDLES, limit=5_000)

    assert len({key for key in rows if key[0] == "Patient"}) >= 15
    assert rows == {key: synthea[key] for key in rows}


@needs_bulk
def test_a_real_export_reads_without_errors() -> None:
    rows = read_rows(BULK)

    counts: dict[str, int] = defaultdict(int)
    for kind, _, _ in rows:
        counts[kind] += 1
    assert (counts["Patient"], counts["Condition"], counts["MedicationRequest"]) == (13, 555, 1745)
