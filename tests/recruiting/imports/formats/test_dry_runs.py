"""A dry run says of every format what the import then does, and changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.conftest import AsMember, Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.formats.reading_messages import PID, message
from tests.recruiting.imports.importing import Importer, write_ndjson
from trially.auth.roles import PhiLevel, Role
from trially.recruiting.imports.dry_run import OUTCOME_COLUMNS
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.writing import batches

RunCommand = Callable[..., Any]

OBR = "OBR|1||F1|24323-8^Panel^LN|||20240304080000"
OBX = "OBX|1|NM|718-7^Hb^LN||{}|g/dL|||||F"
# Each has, over several batches: a new patient with a fact, a change, an older version, a fact that
# waits, and a fault.
FORMATS: dict[str, tuple[str, dict[str, str], bytes, bytes]] = {
    "fhir": (
        "application/fhir+ndjson",
        {},
        write_ndjson(make_patient(1, meta={"versionId": "2"}), make_observation(1, 1)),
        write_ndjson(
            make_patient(1, meta={"versionId": "1"}),
            make_observation(1, 1, status="amended"),
            make_observation(9, 9),
            make_observation(2, 2),
            b"{",
            make_patient(2),
            make_patient(3, id="other", identifier=make_patient(2)["identifier"]),
        ),
    ),
    "csv": (
        "text/csv",
        {"kind": "patients"},
        b"mrn,birthdate,sex,updated\n1,1961-07-23,m,2024-01-01\n2,1970,f,2024-01-01\n",
        (
            b"mrn,birthdate,sex,updated\n1,1961-07-24,m,2024-02-01\n2,1971,f,2023-01-01\n"
            b"3,1/2/1950,f,2024-01-01\n,1980,f,2024-01-01\n3,1950,m,2024-02-01\n"
        ),
    ),
    "hl7v2": (
        "application/hl7-v2",
        {},
        (message(PID) + message(PID, OBR, OBX.format(7), kind="ORU^R01")).encode(),
        (
            message(PID.replace("Jörg", "Jan"), time="20250101")
            + message(PID, kind="ADT^A08", time="20230101")
            + message(PID, OBR, OBX.format(8), kind="ORU^R01", time="20250101")
            + message(PID.replace("123^", "9^"), OBR, OBX.format(9), kind="ORU^R01")
            + message(PID.replace("123^", "9^"), kind="ADT^A29", time="20250101")
            + message("PID|1")
        ).encode(),
    ),
}
TABLES = (
    *("patient", "clinical_fact", "patient_identifier", "record_source", "record_deletion"),
    *("import_job", "import_fault", "waiting_fact", "bulk_export"),
)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_LINES", 2)


def stored(importer: Importer) -> list[Any]:
    rows = " UNION ALL ".join(f"SELECT '{name}', xmin::text FROM {name}" for name in TABLES)
    return importer.query(f"{rows} ORDER BY 1, 2")


def listed(errors: list[dict[str, Any]]) -> list[str]:
    return sorted(str({**error, "id": None}) for error in errors)


def outcome_of(job: dict[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in OUTCOME_COLUMNS}


@pytest.mark.parametrize("name", FORMATS)
def test_a_dry_run_of_a_command_says_what_the_import_then_does(
    importer: Importer, run_command: RunCommand, tmp_path: Path, name: str
) -> None:
    _, options, *contents = FORMATS[name]
    kind = ["--kind", options["kind"]] if options else []

    def run(content: bytes, *further: str) -> Any:
        path = tmp_path / f"{name}.ndjson"
        path.write_bytes(content)
        command = ("imports", name, importer.tenant.slug, path, "--source", "kis", *kind)
        return run_command(*command, "--json", *further)

    assert run(contents[0]).exit_code == 0
    before = stored(importer)
    tried = orjson.loads(run(contents[1], "--dry-run").stdout)
    strict = run(contents[1], "--dry-run", "--strict")
    assert stored(importer) == before
    done = orjson.loads(run(contents[1]).stdout)

    assert outcome_of(tried) == outcome_of(done)
    assert done["state"] == "done"
    assert {"stale", "changed", "new"} <= {
        what for counts in done["counts"].values() for what, number in counts.items() if number
    }
    assert listed(tried["errors"]) == listed(done["errors"])
    assert tried["first_rows"]
    assert strict.exit_code == 1
    assert orjson.loads(strict.stdout)["state"] == "failed"


@pytest.mark.parametrize("name", FORMATS)
def test_a_dry_run_of_an_upload_says_what_the_import_then_does(
    importer: Importer, member: Member, name: str
) -> None:
    media_type, options, *contents = FORMATS[name]
    query = urlencode({"source": "kis", **options})

    def send(path: str, content: bytes) -> Any:
        return member.post(f"{path}?{query}", data=content, content_type=media_type)

    send("/imports", contents[0])
    before = stored(importer)
    tried = send("/imports/dry-run", contents[1])
    assert stored(importer) == before
    done = send("/imports", contents[1]).get_json()
    groups = member.get(f"/imports/{done['id']}/errors/groups").get_json()["groups"]

    assert tried.status_code == 200
    assert outcome_of(tried.get_json()) == outcome_of(done)
    assert [(each["code"], each["count"]) for each in tried.get_json()["groups"]] == [
        (each["code"], each["count"]) for each in groups
    ]
    assert (tried.get_json()["table"] is None) == (name != "csv")


def test_a_dry_run_of_a_table_shows_its_columns_and_masks_its_header(
    tenant: Any, as_member: AsMember
) -> None:
    query = "/imports/dry-run?source=kis&kind=patients"
    body = "Jane Doe;1961;13,5\nMRN;x;y\n"
    full, limited = (
        as_member(tenant, Role.ADMIN, phi_level=level)
        .post(query, data=body, content_type="text/csv")
        .get_json()
        for level in (PhiLevel.FULL, PhiLevel.LIMITED)
    )

    assert (full["state"], full["counts"]) == ("failed", {})
    assert full["table"]["problems"] == ["No column holds patient. Name one in the mapping."]
    assert [column["header"] for column in full["table"]["columns"]] == ["Jane Doe", "1961", "13,5"]
    assert "Jane" not in str(limited)


def test_a_dry_run_that_takes_too_long_ends_and_changes_nothing(
    importer: Importer, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_dry_run = ImportLimits.of_dry_run
    monkeypatch.setattr(ImportLimits, "of_dry_run", lambda self, _: of_dry_run(self, -1))
    before = stored(importer)

    response = member.post(
        "/imports/dry-run?source=kis",
        data=FORMATS["fhir"][3],
        content_type="application/fhir+ndjson",
    )

    assert response.get_json()["state"] == "stopped"
    assert "limit of 20 seconds" in response.get_json()["failure"]
    assert stored(importer) == before


def test_a_dry_run_needs_the_permission_to_import(tenant: Any, as_member: AsMember) -> None:
    reader = as_member(tenant, Role.VIEWER)

    response = reader.post("/imports/dry-run", data=b"{}", content_type="application/json")

    assert response.status_code == 403


def test_a_dry_run_of_a_full_export_counts_what_it_lacks_and_withdraws_nothing(
    importer: Importer, run_command: RunCommand, tmp_path: Path
) -> None:
    importer(make_patient(1), make_patient(2), source="kis")
    path = tmp_path / "full.ndjson"
    path.write_bytes(write_ndjson(make_patient(1)))
    before = stored(importer)

    command = ("imports", "fhir", importer.tenant.slug, path, "--source", "kis", "--complete")
    tried = orjson.loads(run_command(*command, "--yes", "--dry-run", "--json").stdout)
    assert stored(importer) == before
    done = orjson.loads(run_command(*command, "--yes", "--json").stdout)

    assert tried["missing"] == done["missing"] == {"Patient": 1}
    assert [each["source_id"] for each in tried["first_missing"]["Patient"]] == ["p2"]
    assert importer.query("SELECT source_id FROM patient WHERE withdrawn_at IS NOT NULL") == [
        ("p2",)
    ]
