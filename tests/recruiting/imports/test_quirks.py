"""Each input of `shared/data/fhir_quirks` gives the rows, counts and faults of its answer."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import Member
from sqlalchemy import text

from tests.recruiting.imports.quirk_answers import ANSWERS, Answer, Json
from trially.database.session import db, transaction
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.run_counts import COUNTED
from trially.recruiting.imports.running import run_import
from trially.tenancy.context import tenant_context

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "fhir_quirks"
GENERATOR = "make_large_urn_bundle.py"

FOUND = [
    *(("decomposed_unicode_name.jsonl", words) for words in ("Mu\u00f1oz", "Mun\u0303oz", "renee")),
    *(("many_names.jsonl", words) for words in ("Früh", "fruh", "Mid", "Zo", "zoe marie")),
    *(("many_names.jsonl", words) for words in ("O'Brien", "O\u2019Brien", "obrien", "smythe")),
]
"""Words that find the patient of an input."""

needs_inputs = pytest.mark.skipif(not FOLDER.exists(), reason="the inputs are not here")


@needs_inputs
def test_each_input_has_an_answer() -> None:
    inputs = {path.name for path in FOLDER.iterdir()} - {"README.md", GENERATOR}

    assert inputs == ANSWERS.keys()


@needs_inputs
@pytest.mark.parametrize("name", ANSWERS)
def test_the_input_gives_its_answer(app: Flask, shared_member: Member, name: str) -> None:
    # Of two files of one source, the first one has run before the second one.
    take_in(app, shared_member, FOLDER / name, ANSWERS[name])


@needs_inputs
@pytest.mark.parametrize(("name", "words"), FOUND)
def test_the_patient_is_found(app: Flask, shared_member: Member, name: str, words: str) -> None:
    source = name.partition(".")[0]
    with app.app_context(), tenant_context(str(shared_member.tenant.id)):
        run_import(find_source_files([FOLDER / name]), source=source, fingerprint=name)
    answer = shared_member.post("/patients/search", json={"q": words})

    assert answer.status_code == 200
    assert [each["mrn"] for each in answer.json["data"]] == [ANSWERS[name].patients[0]["mrn"]]


@needs_inputs
def test_a_large_bundle_keeps_its_references(
    app: Flask, shared_member: Member, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, FOLDER / GENERATOR], cwd=tmp_path, check=True)
    ids = sorted(str(number) for number in range(200))
    counts = "read 200 new 200"
    diabetes = {"display": "Diabetes", "at_on": "2010-01-01", "start_precision": "year"}
    answer = Answer(
        {"Patient": counts, "Condition": counts},
        tuple({"source_id": f"pt-{each}", "family_name": f"Fam{each}"} for each in ids),
        {f"cd-{each}": diabetes | {"of": f"Fam{each}"} for each in ids},
    )
    take_in(app, shared_member, tmp_path / "large.json", answer)


def take_in(app: Flask, member: Member, path: Path, answer: Answer) -> None:
    """Import a file under the source of its name, and compare what the API shows of it."""
    source = path.name.partition(".")[0].removesuffix("_1of2").removesuffix("_2of2")
    with app.app_context(), tenant_context(str(member.tenant.id)):
        job = run_import(find_source_files([path]), source=source, fingerprint=path.name)
        withdrawn = find_withdrawn(source)
    shown = member.get(f"/imports/{job['id']}").json
    faults = list_all(member, f"/imports/{job['id']}/errors")
    patients = list_all(member, "/patients", source=source, record_status="all")
    patients.sort(key=lambda each: (each["source_id"], each["mrn"]))
    records = list_records(member, patients, withdrawn)

    assert shown["state"] == answer.state
    assert {kind: nonzero(counts) for kind, counts in shown["counts"].items()} == answer.counts
    assert sorted(map(describe_fault, faults), key=str) == sorted(answer.faults, key=str)
    assert [
        {name: patient.get(name) for name in wanted}
        for patient, wanted in zip(patients, answer.patients, strict=True)
    ] == list(answer.patients)
    assert records.keys() == answer.records.keys()
    for key, wanted in answer.records.items():
        assert {name: records[key].get(name) for name in wanted} == wanted, key
    if answer.order:
        assert list(records) == answer.order.split()


def list_all(member: Member, path: str, **query: Any) -> list[Json]:
    items: list[Json] = []
    while True:
        answer = member.get(path, query_string={"limit": 200, **query})
        assert answer.status_code == 200, answer.json
        items += answer.json["data"]
        if not answer.json["page"]["has_more"]:
            return items
        query["cursor"] = answer.json["page"]["next"]


def list_records(
    member: Member, patients: Iterable[Json], withdrawn: Mapping[str, str]
) -> dict[str, Json]:
    """Return the records of patients by key, each patient's in their order."""
    records: dict[str, Json] = {key: {"withdrawn": reason} for key, reason in withdrawn.items()}
    for patient in patients:
        owner = patient["mrn"] if patient["family_name"] == "Quill" else patient["family_name"]
        for record in list_all(member, f"/patients/{patient['id']}/records"):
            part = f".{record['component']}" if record["component"] else ""
            records.setdefault(record["source_id"] + part, record | {"of": owner})
    return records


def find_withdrawn(source: str) -> dict[str, str]:
    """Return why records of a source are withdrawn, by id."""
    statement = (
        "SELECT source_id, withdrawn_reason FROM clinical_fact"
        " WHERE withdrawn_at IS NOT NULL AND source = :source"
    )
    with transaction():
        rows = db.session.connection().execute(text(statement), {"source": source})
        return {row.source_id: row.withdrawn_reason for row in rows}


def nonzero(counts: dict[str, int]) -> str:
    return " ".join(f"{name} {counts[name]}" for name in COUNTED if counts[name])


def describe_fault(fault: Json) -> tuple[str, str | None, str | None]:
    kind = fault["resource_type"]
    return fault["code"], kind and f"{kind}/{fault['resource_id']}", fault["pointer"]
