"""Each text of a translated row fits its column."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.recruiting.imports.fhir.test_translating import attempt, find_places
from tests.recruiting.imports.fhir_examples import EXAMPLES
from trially.database.model import length_of
from trially.database.rows import table_of
from trially.geolocation import MOST_DEGREES
from trially.recruiting.imports.fhir.rows import AddressRow, IgnoredResource, ResourceError
from trially.recruiting.imports.writing.model import Medication
from trially.recruiting.patients.model import ADDRESS_WIDTHS, Patient
from trially.recruiting.records.model import ClinicalFact

MODELS = {"Patient": Patient, "Medication": Medication}
CODING_WIDTHS = {
    "system": length_of(ClinicalFact.code_system),
    "code": length_of(ClinicalFact.code),
    "display": length_of(ClinicalFact.display),
}


def widths_of(resource_type: str) -> dict[str, int]:
    columns = table_of(MODELS.get(resource_type, ClinicalFact)).c
    return {
        column.name: length
        for column in columns
        if isinstance(length := getattr(column.type, "length", None), int)
    }


def find_texts(row: dict[str, Any], widths: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """Yield the name, text and width of each text of a row."""
    address = row.get("address") or {}
    codings = row.get("other_codings") or []
    parts = [(row, widths), (address, ADDRESS_WIDTHS), *((each, CODING_WIDTHS) for each in codings)]
    for part, widths_of_part in parts:
        for name, value in part.items():
            if isinstance(value, str) and name in widths_of_part:
                yield name, value, widths_of_part[name]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["id"])
def test_long_texts_are_cut_or_rejected(example: dict[str, Any]) -> None:
    widths = widths_of(example["resourceType"])
    lengths = {*widths.values(), *ADDRESS_WIDTHS.values(), *CODING_WIDTHS.values(), 10_000}

    for length in lengths:
        for position in range(len(find_places(example))):
            resource = copy.deepcopy(example)
            holder, key = find_places(resource)[position]
            holder[key] = "x" * length
            outcome = attempt(resource)
            if isinstance(outcome, ResourceError | IgnoredResource):
                continue
            for row in outcome if isinstance(outcome, list) else [outcome]:
                for name, text, width in find_texts(dict(row), widths):
                    assert len(text) <= width, name


def test_each_part_of_an_address_has_a_width() -> None:
    assert [*ADDRESS_WIDTHS, *MOST_DEGREES] == list(AddressRow.__annotations__)


def test_a_column_without_a_length_is_an_error() -> None:
    with pytest.raises(TypeError, match="The column birth_date has no length"):
        length_of(Patient.birth_date)
