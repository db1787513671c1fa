"""Value sets hold values of real data, and no text that could identify a patient."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trially.recruiting.imports.fhir.translating import translate
from trially.value_sets import VALUE_SETS
from trially.value_sets.codes import FORMS, is_code

SETS_OF_COLUMNS = {
    "category": "category",
    "clinical_status": "clinical status",
    "code_system": "code system",
    "criticality": "criticality",
    "ethnicity": "ethnicity",
    "language": "language",
    "race": "race",
    "status": "status",
    "unit": "unit",
    "value_code_system": "code system",
    "verification_status": "verification status",
}
PERSONAL = (
    "Ada Example",
    "ADA",
    "ada",
    "Ada",
    "MRN-12345",
    "M123456",
    "555-1234",
    "+1 555 0100",
    "ada@example.org",
    "Smith, John",
    "1961-07-23",
    "{Ada Example}",
    "mg{Ada}",
    "12 High St",
    "en-Ada",
    "ada-US",
    "White, Ada",
    "",
    " ",
)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_personal_text_is_in_a_set(name: str) -> None:
    assert [text for text in PERSONAL if VALUE_SETS[name](text)] == []


@pytest.mark.parametrize("system", [*FORMS, None, "http://clinic.example/codes"])
def test_no_personal_text_is_a_code(system: str | None) -> None:
    assert [text for text in PERSONAL if is_code(text, system)] == []


@given(st.text(min_size=1))
def test_no_text_breaks_a_set(text: str) -> None:
    for is_value in VALUE_SETS.values():
        assert is_value(text) in (True, False)
    for system in FORMS:
        assert is_code(text, system) in (True, False)


@pytest.mark.parametrize(
    "unit",
    [
        *("mg/dL", "mm[Hg]", "%", "10*3/uL", "10*6/uL", "/min", "{score}", "kg/m2", "mmol/L", "fL"),
        *("Cel", "[degF]", "mL/min/{1.73_m2}", "U/L", "[IU]/mL", "ng/mL", "1", "a", "cm", "m/s2"),
        *("10^9/L", "mEq/L", "pg", "g/L", "umol/L", "[pH]", "mL/min", "L/min", "ug/L"),
    ],
)
def test_units_of_laboratories_are_shown(unit: str) -> None:
    # mEq is not UCUM, in which it is meq.
    assert VALUE_SETS["unit"](unit) == (unit != "mEq/L")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("country", value) for value in ("US", "USA", "us", "CHE", "United States")),
        *(("state", value) for value in ("MA", "Massachusetts", "Puerto Rico")),
        *(("language", value) for value in ("en", "en-US", "es-MX")),
        *(("race", value) for value in ("White", "White, Asian", "Other")),
        ("ethnicity", "Not Hispanic or Latino"),
        ("gender identity", "Identifies as female gender"),
    ],
)
def test_usual_values_are_shown(name: str, value: str) -> None:
    assert VALUE_SETS[name](value)


def test_real_data_keep_their_codes_units_and_statuses(shared_data: Path) -> None:
    read: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    for path in sorted((shared_data / "fhir" / "synthea_615_ndjson").glob("*.ndjson.gz")):
        with gzip.open(path) as lines:
            for line in list(lines)[:2_000]:
                for row in rows_of(orjson.loads(line)):
                    count_hidden(row, read, hidden)

    assert len(read) > 10
    for column, number in read.items():
        assert hidden[column] <= number * 0.02, (column, hidden[column], number)


def rows_of(resource: dict[str, Any]) -> list[Any]:
    translated: Any = translate(resource)
    if isinstance(translated, list):
        return translated
    return [translated] if isinstance(translated, dict) else []


def count_hidden(row: dict[str, Any], read: Counter[str], hidden: Counter[str]) -> None:
    for column, name in SETS_OF_COLUMNS.items():
        if (value := row.get(column)) is not None:
            read[column] += 1
            hidden[column] += not VALUE_SETS[name](value)
    for column in ("code", "value_code"):
        if (value := row.get(column)) is not None:
            read[column] += 1
            hidden[column] += not is_code(value, row[f"{column}_system"])
