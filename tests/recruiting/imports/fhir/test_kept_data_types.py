"""docs/imported-elements.md is true of each part of a data type, and lacks none of real records."""

import gzip
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from tools.imported_data_types import DATA_TYPES
from tools.imported_elements import KEPT
from tools.unlisted_elements import find_unlisted
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.translating import translate

FHIR = Path(__file__).parents[5] / "shared" / "data" / "fhir"
EXAMPLES = [
    path
    for folder in ("synthea_615_ndjson", "smart_bulk_10")
    for path in sorted((FHIR / folder).glob("*.ndjson.gz"))
    if path.name.partition(".")[0] in KEPT
]

CODING = {"system": "urn:s", "code": "c", "display": "d", "version": "1", "userSelected": True}
CONCEPT = {"coding": [CODING], "text": "t"}
QUANTITY = {"value": 45, "comparator": "<", "unit": "mg", "system": "urn:s", "code": "x"}
PERIOD = {"start": "2015-05-01", "end": "2016-05-01"}
REPEAT = {
    "boundsDuration": {"value": 10, "unit": "d"},
    "boundsRange": {"low": {"value": 7, "unit": "d"}},
    "boundsPeriod": PERIOD,
    **dict.fromkeys(("count", "frequency", "duration", "period"), 2),
    **dict.fromkeys(("countMax", "frequencyMax", "durationMax", "periodMax"), 3),
    **dict.fromkeys(("durationUnit", "periodUnit"), "d"),
    "dayOfWeek": ["mon"],
    "timeOfDay": ["08:00:00"],
    "when": ["MORN"],
    "offset": 30,
}
DOSE = {
    **dict.fromkeys(("doseQuantity", "rateQuantity"), QUANTITY),
    **{key: {"low": QUANTITY} for key in ("doseRange", "rateRange")},
    "rateRatio": {"numerator": QUANTITY},
    "type": CONCEPT,
}
SAMPLES: dict[str, dict[str, Any]] = {
    "Address": {
        "use": "home",
        "type": "postal",
        "text": "a",
        "line": ["b"],
        "city": "c",
        "district": "d",
        "state": "e",
        "postalCode": "f",
        "country": "g",
        "period": PERIOD,
    },
    "Annotation": {"text": "a", "time": "2020", "authorString": "b", "authorReference": {}},
    "Attachment": {
        "contentType": "text/plain",
        "language": "en",
        "data": "YQ==",
        "url": "urn:u",
        "size": 1,
        "hash": "YQ==",
        "title": "t",
        "creation": "2020",
    },
    "CodeableConcept": CONCEPT,
    "Coding": CODING,
    "ContactPoint": {
        "system": "phone",
        "value": "5",
        "use": "home",
        "rank": 1,
        "period": PERIOD,
    },
    "Dosage": {
        "text": "a",
        "patientInstruction": "b",
        "sequence": 1,
        "timing": {"repeat": REPEAT},
        "additionalInstruction": [CONCEPT],
        "asNeededBoolean": True,
        "doseAndRate": [DOSE],
        **dict.fromkeys(("asNeededCodeableConcept", "site", "route", "method"), CONCEPT),
        "maxDosePerPeriod": {"numerator": QUANTITY},
        **dict.fromkeys(("maxDosePerAdministration", "maxDosePerLifetime"), QUANTITY),
    },
    "DoseAndRate": DOSE,
    "HumanName": {
        "use": "official",
        "text": "a",
        "family": "b",
        "given": ["c"],
        "period": PERIOD,
        "prefix": ["d"],
        "suffix": ["e"],
    },
    "Identifier": {
        "use": "usual",
        "type": CONCEPT,
        "system": "urn:s",
        "value": "7",
        "period": PERIOD,
        "assigner": {"display": "a"},
    },
    "Period": PERIOD,
    "Quantity": QUANTITY,
    "Range": {"low": QUANTITY, "high": QUANTITY},
    "Ratio": {"numerator": QUANTITY, "denominator": QUANTITY},
    "SampledData": {
        "origin": QUANTITY,
        "period": 1,
        "factor": 2,
        "lowerLimit": 3,
        "upperLimit": 4,
        "dimensions": 1,
        "data": "5",
    },
    "Timing": {"event": ["2014-05-01"], "repeat": REPEAT, "code": CONCEPT},
    "TimingRepeat": REPEAT,
}
"""A value of each data type with all of its parts. `Age` and `Duration` are quantities."""

SUFFICIENT: dict[str, dict[str, Any]] = {
    "Coding": {"code": "c"},
    "ContactPoint": {"system": "phone", "value": "5"},
    "Identifier": {"value": "7"},
    "Quantity": {"value": 45},
    "TimingRepeat": {"frequency": 1, "period": 1, "periodUnit": "d", "duration": 5, "count": 1},
}
"""What a value needs so that one more part can be kept."""

OTHERS: dict[str, dict[str, Any]] = {
    "Address": {"use": "work", "city": "Ely"},
    "ContactPoint": {"system": "phone", "value": "9", "rank": 2},
    "HumanName": {"use": "usual", "family": "Berg"},
}
"""A second value in the same list, which is chosen instead."""


def rows_with(data_type: str, value: Any, *others: Any) -> bytes:
    """Return the rows of a resource that has a value of a data type."""
    observed = {"Attachment", "Quantity", "Range", "Ratio", "SampledData"}
    if data_type in OTHERS or data_type == "Identifier":
        element = {"HumanName": "name", "ContactPoint": "telecom"}.get(data_type, data_type.lower())
        resource = {"resourceType": "Patient", "id": "p", element: [*others, value]}
    elif data_type in observed:
        resource = about("Observation", {f"value{data_type}": value})
    elif data_type == "Period":
        resource = about("Procedure", {"performedPeriod": value})
    elif data_type == "Annotation":
        resource = about("Condition", {"note": [value]})
    elif data_type in ("CodeableConcept", "Coding"):
        concept = {"coding": [value]} if data_type == "Coding" else value
        resource = about("Condition", {"severity": concept})
    else:
        resource = about("MedicationRequest", {"dosageInstruction": [dosage_of(data_type, value)]})
    return orjson.dumps(translate(resource, Reading()), option=orjson.OPT_SORT_KEYS)


def about(kind: str, elements: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": kind, "id": "x", "subject": {"reference": "Patient/p"}, **elements}


def dosage_of(data_type: str, value: Any) -> dict[str, Any]:
    if data_type == "DoseAndRate":
        return {"doseAndRate": [value]}
    if data_type == "Dosage":
        return dict(value)
    return {"timing": value if data_type == "Timing" else {"repeat": value}}


def is_kept(data_type: str, part: str) -> bool:
    """Return whether a part changes the rows, if it is taken away or if it comes alone."""
    whole, sufficient = SAMPLES[data_type], SUFFICIENT.get(data_type, {})
    less = {name: value for name, value in whole.items() if name != part}
    little = {name: value for name, value in sufficient.items() if name != part}
    others = [OTHERS[data_type]] if data_type in OTHERS else []
    pairs = [(whole, less), ({**sufficient, part: whole[part]}, little)]
    return any(
        rows_with(data_type, more, *beside) != rows_with(data_type, fewer, *beside)
        for more, fewer in pairs
        for beside in ([], others)
    )


@pytest.mark.parametrize("data_type", SAMPLES)
def test_the_page_says_which_parts_are_kept(data_type: str) -> None:
    kept, left_out = DATA_TYPES[data_type]

    assert SAMPLES[data_type].keys() == {*kept, *left_out}
    assert {part for part in SAMPLES[data_type] if is_kept(data_type, part)} == set(kept)


def test_each_data_type_is_tried() -> None:
    assert DATA_TYPES.keys() - SAMPLES.keys() == {"Age", "Duration", "Reference"}


@pytest.mark.skipif(not EXAMPLES, reason="the examples are not here")
def test_each_element_of_real_records_is_on_the_page() -> None:
    unlisted: set[str] = set()
    for path in EXAMPLES:
        with gzip.open(path) as lines:
            for line in islice(lines, 300):
                unlisted.update(find_unlisted(orjson.loads(line)))

    assert unlisted == set()


def test_an_element_that_the_page_lacks_is_found() -> None:
    resource = about("Observation", {"valueQuantity": {"value": 1, "precision": 2}, "mood": "good"})

    assert list(find_unlisted(resource)) == [
        "Observation.mood",
        "Observation.valueQuantity.precision",
    ]
