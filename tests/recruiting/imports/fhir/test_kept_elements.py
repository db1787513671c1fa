"""docs/imported-elements.md is true of each element of FHIR R4."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tools.imported_elements import KEPT, R4_ELEMENTS, describe_elements
from trially.config import ROOT
from trially.recruiting.documents.model import DOCUMENT_TYPES
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import IgnoredResource
from trially.recruiting.imports.fhir.translating import TRANSLATORS, translate

WHO = {"AllergyIntolerance": "patient", "Immunization": "patient"}
CONCEPT = {"coding": [{"system": "urn:s", "code": "c", "display": "d"}], "text": "t"}
OTHER = {"coding": [{"system": "urn:s", "code": "e"}, {"system": "urn:s", "code": "f"}]}
QUANTITY = {"value": 45, "unit": "a", "code": "a"}
SAMPLES: dict[str, Any] = {
    "Address": {"city": "Ely"},
    "Age": QUANTITY,
    "Annotation": {"text": "noted"},
    "Attachment": {"title": "scan"},
    "CodeableConcept": CONCEPT,
    "Coding": {"code": "c"},
    "ContactPoint": {"system": "phone", "value": "5"},
    "Dosage": {"text": "daily"},
    "Duration": QUANTITY,
    "FHIRDate": "2020-05-05",
    "FHIRReference": {"reference": "Encounter/e", "display": "named"},
    "HumanName": {"family": "Berg"},
    "Identifier": {"value": "77"},
    "Period": {"start": "2020-05-05"},
    "Quantity": QUANTITY,
    "Range": {"low": QUANTITY},
    "Ratio": {"numerator": QUANTITY},
    "SampledData": {"data": "1"},
    "Timing": {"event": ["2020-05-05"]},
    "bool": True,
    "int": 3,
    "str": "word",
}
"""A value of each data type. A backbone element is empty by itself, or `HELD` has what it needs."""

GIVEN: dict[str, Any] = {
    "communication.language": {"coding": [{"code": "sv"}]},
    "communication.preferred": True,
    "contained": [],
    "gender": "female",
    "ingredient.itemReference": {"display": "named"},
    "medicationReference": {"reference": "Medication/m"},
    "status": "completed",
    "subject": {"reference": "Patient/q"},
    "patient": {"reference": "Patient/q"},
    "type": "allergy",
    "Encounter.type": OTHER,
    "MedicationDispense.type": CONCEPT,
    "focus": {"reference": "RelatedPerson/r"},
    "deceasedBoolean": True,
    "active": False,
}
HELD: dict[str, dict[str, Any]] = {
    "component": {"code": CONCEPT},
    "stage": {"summary": CONCEPT},
    "Patient.communication": {"language": {"coding": [{"code": "de"}]}},
}
"""What a backbone element needs beside the element that is tried."""

SEVERAL = {"referenceRange.type", "referenceRange.appliesTo"}
"""Elements that are kept if there are several of the elements that hold them."""


def value_of(kind: str, name: str, data_type: str) -> Any:
    given = GIVEN.get(f"{kind}.{name}", GIVEN.get(name, SAMPLES.get(data_type.rstrip("*"), {})))
    return [given] if data_type.endswith("*") else given


def resource_with(kind: str, name: str, *, is_filled: bool) -> dict[str, Any]:
    """Return a resource with one element, or with what holds that element only."""
    types = R4_ELEMENTS[kind]
    who = WHO.get(kind, "subject")
    resource: dict[str, Any] = {"resourceType": kind, "id": "x"}
    if kind not in ("Patient", "Medication"):
        resource[who] = {"reference": "Patient/p"}
    steps, holder = name.split("."), resource
    for depth in range(1, len(steps)):
        path = ".".join(steps[:depth])
        inner = dict(HELD.get(f"{kind}.{path}", HELD.get(path, {})))
        if name in ("component.code", "stage.summary"):
            inner = {}
        is_doubled = (
            name.removeprefix("component.") in SEVERAL and steps[depth - 1] == "referenceRange"
        )
        listed = [inner, {"text": "other"}] if is_doubled else [inner]
        holder[steps[depth - 1]] = listed if types[path].endswith("*") else inner
        holder = inner
    if name == "communication.preferred":
        resource["communication"].insert(0, {"language": {"coding": [{"code": "fr"}]}})
    if is_filled:
        holder[steps[-1]] = value_of(kind, name, types[name])
    elif name not in ("subject", "patient"):
        holder.pop(steps[-1], None)
    return resource


def rows_of(resource: dict[str, Any]) -> bytes:
    translated = translate(resource, Reading())
    if isinstance(translated, IgnoredResource):
        return translated.type.encode()
    return orjson.dumps(translated, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("kind", R4_ELEMENTS)
def test_the_page_says_what_is_kept(kind: str) -> None:
    kept = {
        name
        for name, data_type in R4_ELEMENTS[kind].items()
        if value_of(kind, name, data_type) not in ({}, [{}])
        and rows_of(resource_with(kind, name, is_filled=True))
        != rows_of(resource_with(kind, name, is_filled=False))
    }
    holders = {
        ".".join(name.split(".")[:depth])
        for name in kept
        for depth in range(1, name.count(".") + 1)
    }

    assert kept | holders == set(KEPT[kind])


def test_each_imported_type_is_on_the_page() -> None:
    others = {"MedicationOrder", "Binary", *DOCUMENT_TYPES}
    assert set(KEPT) == set(R4_ELEMENTS) == TRANSLATORS.keys() - others
    assert Path(ROOT / "docs/imported-elements.md").read_text() == describe_elements()
