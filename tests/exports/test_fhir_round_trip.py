"""A resource that is exported is valid FHIR R4, and an import reads the same rows from it."""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.exports.stored_rows import NUMBERS, as_stored
from trially.exports.fhir.documents import write_document
from trially.exports.fhir.medications import write_medication
from trially.exports.fhir.patients import write_patient
from trially.exports.fhir.writing import as_line, write_fact
from trially.recruiting.imports.exact_numbers import with_exact_numbers
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import IgnoredResource, ResourceError
from trially.recruiting.imports.fhir.translating import IMPORTED_TYPES, translate

MOST_OF_A_FILE = 400
NOT_WRITTEN = frozenset({"zone", "zoned_times", "deceased_zone", "deceased_at"})
"""What FHIR cannot say: in which zone a time was read. Of a death, the day is the same."""

FORMER_TYPES = {"Composition": "DocumentReference", "MedicationOrder": "MedicationRequest"}


def resources_of(path: Path) -> Iterator[Any]:
    """Yield the resources of a file with lines, a Bundle or a list of resources."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        whole = [json.loads(content)]
    except ValueError:
        whole = []
        for line in content.splitlines():
            try:
                whole.append(with_exact_numbers(line, orjson.loads(line)))
            except ValueError:
                continue
    for each in whole:
        for one in each if isinstance(each, list) else [each]:
            entries = one.get("entry") if isinstance(one, dict) else None
            yield from [entry.get("resource") for entry in entries] if entries else [one]


def write(rows: Any, resource: Any) -> bytes:
    kind = resource["resourceType"]
    if kind == "Patient":
        stored = as_stored(rows, resource)
        return as_line(write_patient(stored, stored["names"], stored["identifiers"]))
    if kind == "Medication":
        return as_line(write_medication({**rows, "version_at": None, "version_number": None}))
    if "parts" in rows[0]:
        stored = as_stored(rows[0], resource)
        pages = [page for part in stored["parts"] for page in part["pages"]]
        return as_line(write_document(stored, pages))
    return as_line(write_fact([as_stored(row, resource) for row in rows]))


def validate(line: bytes) -> None:
    """Raise a ValidationError of pydantic unless a line is a resource of FHIR R4B.

    `fhir.resources` has R4B, whose clinical resources are those of R4.
    """
    kind = orjson.loads(line)["resourceType"]
    module = import_module(f"fhir.resources.R4B.{kind.lower()}")
    getattr(module, kind).model_validate_json(line)


def comparable(rows: Any) -> list[dict[str, Any]]:
    found = []
    for row in rows if isinstance(rows, list) else [rows]:
        values = {name: row[name] for name in row if row[name] is not None}
        values = {name: value for name, value in values.items() if name not in NOT_WRITTEN}
        for name in values.keys() & set(NUMBERS):
            values[name] = f"{Decimal(str(values[name])):f}"
        if "parts" in values:
            pages = [page for part in values.pop("parts") for page in part["pages"]]
            values["words"] = " ".join(pages).split()
        kind = values.get("source_type")
        values["source_type"] = FORMER_TYPES.get(kind, kind)
        found.append(orjson.loads(orjson.dumps(values, default=str)))
    return found


def check(resource: Any) -> bool:
    """Check one resource, and return whether it has rows that can be exported."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind not in IMPORTED_TYPES or kind == "Binary":
        return False
    try:
        rows = translate(resource, Reading())
    except ResourceError:
        return False
    if isinstance(rows, IgnoredResource):
        return False
    if isinstance(rows, list) and "?" in rows[0]["patient_source_id"]:
        return False  # in the database, such a fact has the patient that the identifier names
    line = write(rows, resource)
    validate(line)
    again = translate(with_exact_numbers(line, orjson.loads(line)), Reading())
    assert comparable(again) == comparable(rows), line
    return True


@pytest.mark.parametrize("folder", ["synthea_615_ndjson", "smart_bulk_10"])
def test_real_resources_are_the_same_after_a_round_trip(shared_data: Path, folder: str) -> None:
    checked = 0
    for path in sorted((shared_data / "fhir" / folder).glob("*.ndjson.gz")):
        for number, resource in enumerate(resources_of(path)):
            if number == MOST_OF_A_FILE:
                break
            checked += check(resource)

    assert checked > 800


def test_quirks_are_the_same_after_a_round_trip(shared_data: Path, app: Any) -> None:
    with app.app_context():
        checked = [
            check(resource)
            for path in sorted((shared_data / "fhir_quirks").glob("*.json*"))
            for resource in resources_of(path)
        ]

    assert sum(checked) > 150


def test_numbers_keep_their_digits() -> None:
    line = (
        b'{"resourceType":"Observation","id":"o1","status":"final","subject":'
        b'{"reference":"Patient/p1"},"code":{"text":"X"},"valueQuantity":{"value":1.10,"unit":"g"}}'
    )
    resource = with_exact_numbers(line, orjson.loads(line))

    assert b'"value":1.10' in write(translate(resource, Reading()), resource)
